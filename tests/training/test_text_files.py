"""Text data sets' files: found, read line by line, and refused in one line that names the place."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from edge.errors import DataError
from tests.training.text_data import write
from training.datasets.text_files import find_files, lines, table_rows

COLUMNS = {"key": ("id", "#ID"), "words": ("text",)}


def test_files_are_found_packed_or_not(tmp_path: Path) -> None:
    wanted = [write(tmp_path / name, "") for name in ("a.tsv", "deep/er/a.tsv.xz", "z/a.tsv.gz")]
    write(tmp_path / "b.tsv", "")
    write(tmp_path / ".hidden" / "a.tsv", "")
    (tmp_path / "folder" / "a.tsv").mkdir(parents=True)
    assert find_files(tmp_path, ["a.tsv"]) == wanted
    assert find_files(tmp_path, ["b*.tsv", "none.tsv"]) == [tmp_path / "b.tsv"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; name the one"):
        find_files(tmp_path / "nowhere", ["a.tsv"])


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_lines_are_those_of_line_feeds_alone(tmp_path: Path, suffix: str) -> None:
    """Other characters that Python takes for ends of lines stand within comments."""
    path = write(tmp_path / f"a.txt{suffix}", "\ufeffone\x85still\u2028one\r\ntwo\rtwo\n\nfour")
    assert list(lines(path)) == [(1, "one\x85still\u2028one"), (2, "two\rtwo"), (3, ""), (4, "four")]


def test_a_line_that_is_not_utf_8_is_named_or_read_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\ncafé – 'x'\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"a\.txt: line 2: not UTF-8"):
        list(lines(path))
    assert list(lines(path, fallback="cp1252"))[1] == (2, "café – 'x'")
    mixed = write(tmp_path / "b.txt", "café\n".encode() + "café\n".encode("cp1252") + b"\x81\n")
    assert [text for _, text in lines(mixed, fallback="cp1252")] == ["café", "café", "\ufffd"]


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_a_packed_file_that_is_cut_short_is_named(tmp_path: Path, suffix: str, pack: type) -> None:
    whole = pack("".join(f"line {number}\n" for number in range(50_000)).encode())
    for name, content in (("cut", whole[: len(whole) // 2]), ("other", b"not packed at all\n")):
        path = tmp_path / f"{name}.txt{suffix}"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}\.txt\{suffix}: cannot be unpacked beyond line \d+ .*fetch it"):
            list(lines(path))


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(lines(tmp_path))
    with pytest.raises(DataError, match=r"a\.txt: cannot be read: No such file"):
        list(lines(tmp_path / "a.txt"))


def test_a_table_s_columns_are_found_by_any_of_their_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeffother, #id ,TEXT\n1,x,"one, ""two""\nthree"\n\n2,y,four,more\n')
    assert list(table_rows(path, COLUMNS)) == [
        (3, {"key": "x", "words": 'one, "two"\nthree'}),
        (5, {"key": "y", "words": "four"}),
    ]


def test_of_a_table_without_a_header_no_text_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '1,"Dear diary, today I met somebody whom I shall not name",0\n')
    with pytest.raises(DataError, match="among 1, 0; is it another file"):
        list(table_rows(path, COLUMNS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column 'id' among no names of columns"),
        ("id,words\n1,a\n", "line 1: no column 'text' among id, words"),
        ("id,text\n", "no row below the header"),
        ("id,text\n1,a\n2\n", "line 3: 1 columns where 2 are due"),
        ('id,text\n1,a\n2,"' + "open " * 40_000, "line 3: not a row of a csv file"),
    ],
    ids=["empty", "column", "header alone", "short", "quote left open"],
)
def test_a_damaged_table_is_told_by_its_line(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(DataError, match=rf"^{path}: {message}") as caught:
        list(table_rows(path, COLUMNS))
    assert "\n" not in str(caught.value)
