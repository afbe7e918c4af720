"""FER-2013's public files, read right, and refused in one line that names the place where they are broken."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError
from tests.training.conftest import pattern_faces, write_table
from training.datasets.fer2013 import LABELS, SPLITS, FaceSet, read_faces

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


def _refused(folder: Path, message: str, named: Path | None = None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_faces(folder)
    assert str(caught.value).startswith(f"{named or folder}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(named or folder))


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
    _refused(folder, message, folder / "fer2013.csv")


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
    _refused(folder, message)


@pytest.mark.parametrize("part", [0.1, 0.33, 0.5, 0.77, 0.99])
def test_a_csv_cut_short_is_named_at_its_last_line(folder: Path, part: float) -> None:
    path = folder / "fer2013.csv"
    content = path.read_bytes()
    content = content[: int(part * len(content))]
    path.write_bytes(content)
    _refused(folder, rf"line {content.count(10) + 1}: .*cut short or damaged", path)


def test_a_csv_cut_short_in_its_last_word(folder: Path) -> None:
    path = folder / "fer2013.csv"
    path.write_bytes(path.read_bytes()[:-4])
    _refused(folder, f"line {LAST_LINE}: Usage 'PrivateT' is none of", path)


def test_a_hole_in_the_middle_is_named(folder: Path) -> None:
    path = folder / "fer2013.csv"
    lines = _lines(folder)
    path.write_text("\n".join([*lines[:9], lines[9][:4000] + lines[10][2000:], *lines[11:]]))
    _refused(folder, "line 10: ", path)


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
    _refused(folder, "line 1: ", folder / "fer2013.csv")


def test_text_that_is_not_utf8_is_named_where_it_stands(folder: Path) -> None:
    _write(folder, _cell(5, 2, "Tr\u00e4ining")(_lines(folder)), encoding="latin-1")
    _refused(folder, "line 5: Usage 'Tr\ufffdining'", folder / "fer2013.csv")


def test_a_quote_that_is_never_closed(folder: Path) -> None:
    _write(folder, _cell(3, 1, '"1 2 3')(_lines(folder)))
    _refused(folder, r"line \d+: not a row of a csv file: field larger", folder / "fer2013.csv")


def test_folders_that_hold_no_data(tmp_path: Path) -> None:
    _refused(tmp_path / "gone", "no such folder; --data names")
    (tmp_path / "file").touch()
    _refused(tmp_path / "file", "no such folder")
    _refused(tmp_path, r"holds neither fer2013\.csv nor train/<class>/")
    (tmp_path / "train").touch()
    _refused(tmp_path, "holds neither")
    (tmp_path / "fer2013.csv").mkdir()
    _refused(tmp_path, r"fer2013\.csv: a folder, not the file")


def test_a_disk_that_fails_while_reading(folder: Path) -> None:
    """/proc/self/mem can be opened, and gives an input/output error at address 0: as a dying SD card does."""
    (folder / "fer2013.csv").unlink()
    (folder / "fer2013.csv").symlink_to("/proc/self/mem")
    _refused(folder, "cannot be read: Input/output error")


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
    _refused(folder, message, _write_votes(folder, rows, encoding="latin-1"))


# Folders


def _write_folders(root: Path, splits: dict[str, int], names: Iterable[str] = LABELS) -> None:
    """PNGs of pattern faces, `splits[split]` of each class."""
    for seed, (split, count) in enumerate(splits.items()):
        images, labels = pattern_faces(count, seed)
        for label, name in enumerate(names):
            (root / split / name).mkdir(parents=True)
            for number, image in enumerate(images[labels == label]):
                assert cv2.imwrite(str(root / split / name / f"{number:03}.png"), image)


@pytest.mark.parametrize(
    ("splits", "names"),
    [
        (("train", "validation", "test"), LABELS),
        (("Training", "PublicTest", "PrivateTest"), [f"{number}_{label}" for number, label in enumerate(LABELS)]),
        (("TRAIN", "val", "Test"), ["Anger", "Disgusted", "Fearful", "Happiness", "Sadness", "SURPRISED", "Neutral"]),
        (("train", "valid", "test"), list("0123456")),
    ],
)
def test_folders_of_images(tmp_path: Path, splits: tuple[str, str, str], names: list[str]) -> None:
    _write_folders(tmp_path, dict(zip(splits, (3, 2, 1), strict=True)), names)
    (tmp_path / splits[0] / ".ipynb_checkpoints").mkdir()
    (tmp_path / splits[0] / names[0] / "Thumbs.db").write_bytes(b"not an image")
    sets = read_faces(tmp_path)
    for seed, (name, count) in enumerate(zip(SPLITS.values(), (3, 2, 1), strict=True)):
        images, labels = pattern_faces(count, seed)
        assert len(sets[name]) == 7 * count
        for label in range(7):
            np.testing.assert_array_equal(sets[name].images[sets[name].labels == label], images[labels == label])


def test_images_of_other_sizes_and_colours(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 2, "test": 1})
    large = np.zeros((96, 192, 3), np.uint8)
    large[:, 96:] = 200
    for name, image in {"colour.jpg": large, "alpha.png": np.dstack([large, large[..., 0]])}.items():
        assert cv2.imwrite(str(tmp_path / "test" / "sad" / name), image)
    assert cv2.imwrite(str(tmp_path / "test" / "sad" / "deep.png"), large[..., 0].astype(np.uint16) * 256)
    faces = read_faces(tmp_path)["test"]
    sad = faces.images[faces.labels == LABELS.index("sad")]
    assert sad.shape == (1 + 3, 48, 48)
    for image in sad[1:]:  # behind 000.png
        assert np.abs(image[:, :23].astype(int)).max() <= 3
        assert np.abs(image[:, 25:].astype(int) - 200).max() <= 3


def test_a_tenth_of_each_class_is_held_out_where_there_is_no_validation(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 20, "test": 1})
    first, again = read_faces(tmp_path), read_faces(tmp_path)
    np.testing.assert_array_equal(first["validation"].images, again["validation"].images)
    assert np.bincount(first["train"].labels).tolist() == [18] * 7
    assert np.bincount(first["validation"].labels).tolist() == [2] * 7
    keys = {name: {image.tobytes() for image in faces.images} for name, faces in first.items()}
    assert len(keys["train"]) == 18 * 7
    assert not keys["train"] & keys["validation"]
    assert keys["train"] | keys["validation"] == {image.tobytes() for image in pattern_faces(20, 0)[0]}


def _png_of_absurd_size() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 900_000, 900_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", _png_of_absurd_size()])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes) -> None:
    _write_folders(tmp_path, {"train": 1, "test": 1})
    path = tmp_path / "train" / "fear" / "broken.png"
    path.write_bytes(content)
    _refused(tmp_path, "not a readable image; remove it or fetch it again", path)


def test_a_folder_where_an_image_is_due(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 1, "test": 1})
    (tmp_path / "train" / "fear" / "more.png").mkdir()
    _refused(tmp_path, "cannot be read: Is a directory", tmp_path / "train" / "fear" / "more.png")


def test_broken_folders(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 2, "test": 1})
    (tmp_path / "train" / "calm").mkdir()
    _refused(tmp_path, "unknown class 'calm'; the classes are angry, disgust", tmp_path / "train" / "calm")
    (tmp_path / "train" / "calm").rmdir()
    for path in (tmp_path / "test" / "happy").iterdir():
        path.unlink()
    _refused(tmp_path, "holds no image", tmp_path / "test" / "happy")
    (tmp_path / "test" / "happy").rmdir()
    assert len(read_faces(tmp_path)["test"]) == 6
    for path in (tmp_path / "train" / "sad").iterdir():
        path.unlink()
    (tmp_path / "train" / "sad").rmdir()
    _refused(tmp_path, "no training face of the class 'sad'")
    (tmp_path / "test").rename(tmp_path / "testing")
    _refused(tmp_path, "the split 'test' is empty")


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
