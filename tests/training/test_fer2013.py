"""FER-2013's public files, read right, and refused in one line that names the place where they are broken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import pattern_faces, refused, write_table
from training.datasets.fer2013 import SPLITS, FaceSet, read_faces

COUNTS = {"Training": 2, "PublicTest": 1, "PrivateTest": 1}
"""Faces per class: lines 2 to 15, 16 to 22 and 23 to 29 of the csv."""
LAST_LINE = 29
VOTE_COLUMNS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]

Edit = Callable[[list[str]], list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_table(tmp_path / "data", COUNTS)


def _lines(folder: Path) -> list[str]:
    return (folder / "fer2013.csv").read_text().splitlines()


def _write(folder: Path, lines: Iterable[str], *, end: str = "\n", encoding: str = "utf-8") -> None:
    (folder / "fer2013.csv").write_bytes((end.join(lines) + end).encode(encoding))


def _check(sets: dict[str, FaceSet]) -> None:
    """What `write_table` wrote, pixel by pixel."""
    for seed, (usage, count) in enumerate(COUNTS.items()):
        images, labels = pattern_faces(count, seed)
        found = sets[SPLITS[usage]]
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.images.dtype == np.uint8
        assert len(found) == 7 * count
        assert found.votes is None
        assert found.not_a_face is None


def _other_columns(lines: list[str]) -> list[str]:
    """As Kaggle's icml_face_data.csv: other order, spaces in the header; and two more columns."""
    cells = [line.split(",") for line in lines[1:]]
    return ["id,emotion, Usage, pixels,note", *(f"7,{e},{u},{p},a b" for e, p, u in cells)]


def _quoted(lines: list[str]) -> list[str]:
    return ['"{}"'.format('","'.join(line.split(","))) for line in lines]


@pytest.mark.parametrize(
    ("edit", "end", "encoding"),
    [
        (list, "\n", "utf-8"),
        (list, "\r\n", "utf-8"),
        (list, "\n", "utf-8-sig"),
        (_other_columns, "\n", "utf-8"),
        (_quoted, "\r\n", "utf-8-sig"),
        (lambda lines: [line for each in lines for line in (each, "")], "\n", "utf-8"),
    ],
    ids=["plain", "windows", "bom", "columns", "quoted", "blank lines"],
)
def test_the_csv_is_read_pixel_by_pixel(folder: Path, edit: Edit, end: str, encoding: str) -> None:
    _write(folder, edit(_lines(folder)), end=end, encoding=encoding)
    _check(read_faces(folder))


def test_rows_may_come_in_any_order_and_without_a_last_line_end(folder: Path) -> None:
    lines = _lines(folder)
    (folder / "fer2013.csv").write_text("\n".join([lines[0], *lines[15:], *lines[1:15]]))
    _check(read_faces(folder))


def _cell(line: int, column: int, value: str) -> Edit:
    """Replace one cell; the line counts from 1, as editors do."""

    def edit(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        cells[column] = value
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return edit


def _pixel(line: int, value: str) -> Edit:
    return lambda lines: _cell(line, 1, " ".join([value, *lines[line - 1].split(",")[1].split()[1:]]))(lines)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda _: [], "line 1: no column 'emotion' among an empty header"),
        (
            lambda lines: ["label", *lines[1:]],
            r"line 1: no column 'emotion' among \['label'\]; the columns are emotion",
        ),
        (_cell(1, 1, "pixel"), "line 1: no column 'pixels'"),
        (_cell(1, 2, "usage"), "line 1: no column 'Usage'"),
        (lambda lines: lines[1:], "line 1: no column 'emotion'"),
        (_cell(4, 1, "1 2 3"), "line 4: 3 pixels, not 2304"),
        (_cell(4, 1, ""), "line 4: 0 pixels, not 2304"),
        (_pixel(5, "7 7"), "line 5: 2305 pixels, not 2304"),
        (_pixel(6, "x"), "line 6: a pixel is not a whole number"),
        (_pixel(6, "3.5"), "line 6: a pixel is not a whole number"),
        (_pixel(6, "\0"), "line 6: "),
        (_pixel(7, "256"), "line 7: a pixel lies outside 0 to 255"),
        (_pixel(7, "-1"), "line 7: a pixel lies outside 0 to 255"),
        (_pixel(7, "9" * 40), "line 7: a pixel lies outside 0 to 255"),
        (_cell(8, 2, "training"), "line 8: Usage 'training' is none of Training, PublicTest, PrivateTest"),
        (_cell(8, 2, '"a\nb"'), r"line 9: Usage 'a\\nb' is none"),
        (_cell(9, 0, "7"), "line 9: emotion '7' is not a number from 0 to 6"),
        (_cell(9, 0, "-1"), "line 9: emotion '-1'"),
        (_cell(9, 0, "happy"), "line 9: emotion 'happy'"),
        (_cell(9, 0, ""), "line 9: emotion ''"),
        (_cell(9, 0, "\u00b2"), "line 9: emotion"),
        (_cell(9, 0, "1" * 5000), "line 9: emotion '11111111111111111111' is not"),
        (lambda lines: [*lines[:3], lines[3].rpartition(",")[0], *lines[4:]], "line 4: 2 columns where 3 are due"),
        (lambda lines: [*lines, "\x01\x02 rubbish"], "line 30: 1 columns where 3 are due; the file is cut short"),
    ],
)
def test_broken_cells_are_named_by_their_line(folder: Path, edit: Edit, message: str) -> None:
    _write(folder, edit(_lines(folder)))
    refused(folder, message, folder / "fer2013.csv")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:1], "the split 'train' is empty"),
        (lambda lines: [line for line in lines if not line.endswith("PublicTest")], "the split 'validation' is empty"),
        (lambda lines: lines[:-7], "the split 'test' is empty"),
        (lambda lines: [line for line in lines if not re.match("1,.*Training", line)], "of the class 'disgust'"),
    ],
)
def test_missing_rows(folder: Path, edit: Edit, message: str) -> None:
    _write(folder, edit(_lines(folder)))
    refused(folder, message)


@pytest.mark.parametrize("part", [0.1, 0.33, 0.5, 0.77, 0.99])
def test_a_csv_cut_short_is_named_at_its_last_line(folder: Path, part: float) -> None:
    path = folder / "fer2013.csv"
    content = path.read_bytes()
    content = content[: int(part * len(content))]
    path.write_bytes(content)
    refused(folder, rf"line {content.count(10) + 1}: .*cut short or damaged", path)


def test_a_csv_cut_short_in_its_last_word(folder: Path) -> None:
    path = folder / "fer2013.csv"
    path.write_bytes(path.read_bytes()[:-4])
    refused(folder, f"line {LAST_LINE}: Usage 'PrivateT' is none of", path)


def test_a_hole_in_the_middle_is_named(folder: Path) -> None:
    path = folder / "fer2013.csv"
    lines = _lines(folder)
    path.write_text("\n".join([*lines[:9], lines[9][:4000] + lines[10][2000:], *lines[11:]]))
    refused(folder, "line 10: ", path)


@pytest.mark.parametrize(
    "content",
    [
        np.random.default_rng(0).bytes(100_000),
        bytes(5000),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        "emotion,pixels,Usage\n".encode("utf-16"),
        b"PK\x03\x04" + np.random.default_rng(1).bytes(300_000).replace(b"\n", b"").replace(b"\r", b""),
    ],
    ids=["noise", "zeros", "png", "utf-16", "zip without a line end"],
)
def test_what_is_no_csv_at_all(folder: Path, content: bytes) -> None:
    (folder / "fer2013.csv").write_bytes(content)
    refused(folder, "line 1: ", folder / "fer2013.csv")


def test_text_that_is_not_utf8_is_named_where_it_stands(folder: Path) -> None:
    _write(folder, _cell(5, 2, "Tr\u00e4ining")(_lines(folder)), encoding="latin-1")
    refused(folder, "line 5: Usage 'Tr\ufffdining'", folder / "fer2013.csv")


def test_a_quote_that_is_never_closed(folder: Path) -> None:
    _write(folder, _cell(3, 1, '"1 2 3')(_lines(folder)))
    refused(folder, r"line \d+: not a row of a csv file: field larger", folder / "fer2013.csv")


def test_folders_that_hold_no_data(tmp_path: Path) -> None:
    refused(tmp_path / "gone", "no such folder; --data names")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "no such folder")
    refused(tmp_path, r"holds neither fer2013\.csv nor train/<class>/")
    (tmp_path / "train").touch()
    refused(tmp_path, "holds neither")
    (tmp_path / "fer2013.csv").mkdir()
    refused(tmp_path, r"fer2013\.csv: a folder, not the file")


def test_a_disk_that_fails_while_reading(folder: Path) -> None:
    """/proc/self/mem can be opened, and gives an input/output error at address 0: as a dying SD card does."""
    (folder / "fer2013.csv").unlink()
    (folder / "fer2013.csv").symlink_to("/proc/self/mem")
    refused(folder, "cannot be read: Input/output error")


# FER+


def _votes(folder: Path) -> list[list[str]]:
    """FER+ rows in which each face has 6 votes for its label, 2 for the next class, 1 for contempt and 1 for NF."""
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    rows = [["Usage", "Image name", *names]]
    for line in _lines(folder)[1:]:
        label = int(line[0])
        votes = {VOTE_COLUMNS[label]: 6, VOTE_COLUMNS[(label + 1) % 7]: 2, "contempt": 1, "NF": 1}
        rows.append([line.rpartition(",")[2], "fer.png", *(str(votes.get(name, 0)) for name in names)])
    return rows


def _write_votes(folder: Path, rows: list[list[str]], *, end: str = "\n", encoding: str = "utf-8") -> Path:
    path = folder / "fer2013new.csv"
    path.write_bytes((end.join(map(",".join, rows)) + end).encode(encoding))
    return path


@pytest.mark.parametrize(("end", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8-sig")])
def test_votes_stand_beside_their_faces(folder: Path, end: str, encoding: str) -> None:
    rows = _votes(folder)
    rows[1][2:] = ["0"] * 9 + ["10"]  # nobody saw a face
    _write_votes(folder, rows, end=end, encoding=encoding)
    sets = read_faces(folder)
    for name, faces in sets.items():
        assert faces.votes is not None
        assert faces.not_a_face is not None
        expected = np.eye(7)[faces.labels] * 0.75 + np.eye(7)[(faces.labels + 1) % 7] * 0.25
        absent = np.full(len(faces), 0.1)
        if name == "train":
            expected[0], absent[0] = 0, 1
        np.testing.assert_allclose(faces.votes, expected, atol=1e-6)
        np.testing.assert_allclose(faces.not_a_face, absent, atol=1e-6)
    picked = sets["train"].take(np.array([1, 3]))
    assert picked.votes is not None
    assert sets["train"].votes is not None
    np.testing.assert_array_equal(picked.votes, sets["train"].votes[[1, 3]])


def _vote_cell(line: int, column: int, value: str) -> Callable[[list[list[str]]], None]:
    def edit(rows: list[list[str]]) -> None:
        rows[line - 1][column] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_vote_cell(1, 2, "calm"), "line 1: no column 'neutral' among .*; is it FER"),
        (_vote_cell(1, 11, "none"), "line 1: no column 'NF'"),
        (_vote_cell(1, 0, "usage"), "line 1: no column 'Usage'"),
        (lambda rows: rows.clear(), "line 1: no column 'Usage' among an empty header"),
        (_vote_cell(6, 4, "x"), r"line 6: not a row of FER\+ votes"),
        (_vote_cell(6, 4, "-2"), "line 6: not a row"),
        (_vote_cell(6, 4, "nan"), "line 6: not a row"),
        (_vote_cell(6, 4, ""), "line 6: not a row"),
        (_vote_cell(6, 4, "9" * 400), "line 6: not a row"),
        (_vote_cell(6, 0, "Testing"), "line 6: not a row"),
        (_vote_cell(6, 4, "\u00e4"), "line 6: not a row"),
        (lambda rows: rows[7].pop(), "line 8: 11 columns where 12 are due"),
        (lambda rows: rows.pop(), "6 rows for 'test', fer2013.csv beside it has 7"),
        (lambda rows: rows.append(rows[1]), "15 rows for 'train', fer2013.csv beside it has 14"),
    ],
)
def test_broken_votes(folder: Path, edit: Callable[[list[list[str]]], object], message: str) -> None:
    rows = _votes(folder)
    edit(rows)
    refused(folder, message, _write_votes(folder, rows, encoding="latin-1"))


@pytest.mark.data
@pytest.mark.timeout(1800)
def test_the_real_file(real_faces: dict[str, FaceSet]) -> None:
    assert {name: len(faces) for name, faces in real_faces.items()} == {
        "train": 28709,
        "validation": 3589,
        "test": 3589,
    }
    images = np.concatenate([faces.images for faces in real_faces.values()]).reshape(35887, -1)
    labels = np.concatenate([faces.labels for faces in real_faces.values()])
    assert (images.min(axis=1) == images.max(axis=1)).sum() == 12, "blank images"
    assert np.bincount(labels).tolist() == [4953, 547, 5121, 8989, 6077, 4002, 6198]
    votes = np.concatenate([faces.votes for faces in real_faces.values() if faces.votes is not None])
    assert votes.shape == (35887, 7)
    agreement = (votes.argmax(axis=1) == labels).mean()
    assert agreement == pytest.approx(0.64, abs=0.01), "63 % where contempt, unknown and NF may win too"
