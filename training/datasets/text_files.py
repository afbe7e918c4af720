"""Text data sets' files: found in a folder, read line by line, packed or not, and told by their line where damaged."""

from __future__ import annotations

import csv
import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from edge.errors import DataError

PACKED = ("", ".xz", ".gz")
"""Behind a file's own suffix: as it is, or packed."""

MEND = "mend the row or fetch the file again"
"""What to do where a row is damaged."""

_BYTE_ORDER_MARK = "\ufeff"


def find_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """The files of these names, packed or not, in a folder or anywhere below it, sorted; `DataError` without it.

    Parameters
    ----------
    folder
        Hidden folders below it are passed over.
    names
        Such as 'train.tsv'; a * stands for anything.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that holds the data set")
    found = {path for name in names for suffix in PACKED for path in folder.rglob(name + suffix) if path.is_file()}
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def lines(path: Path, *, fallback: str | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, counted from 1, without their ends.

    Parameters
    ----------
    path
        In UTF-8; a byte order mark may stand in front. Unpacked on the way where it ends in .xz or .gz.
    fallback
        The encoding of lines that are not UTF-8, such as 'cp1252'; None where such a line is damage.

    Raises
    ------
    DataError
        It cannot be read or unpacked, or a line is not UTF-8.
    """
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    text = raw.decode("utf-8")
                except UnicodeDecodeError:
                    if fallback is None:
                        raise DataError(f"{path}: line {number}: not UTF-8; {MEND}") from None
                    text = raw.decode(fallback, errors="replace")
                yield number, (text.lstrip(_BYTE_ORDER_MARK) if number == 1 else text).rstrip("\r\n")
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: cannot be unpacked beyond line {number} ({error}); cut short or damaged: fetch it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def table_rows(
    path: Path, columns: Mapping[str, tuple[str, ...]], *, fallback: str | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a csv file, each with the number of its last line and the wanted columns; blank rows are left out.

    Parameters
    ----------
    columns
        What to call a column -> the names that its header may have, whatever their case.
    fallback
        As for `lines`.

    Raises
    ------
    DataError
        As `lines`, or the header lacks a column, a row is too short, or no row follows the header.
    """
    # The reader wants line ends, which within quotes are part of a cell.
    reader = csv.reader(f"{text}\n" for _, text in lines(path, fallback=fallback))
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        places = {}
        for name, titles in columns.items():
            place = next((header.index(title.lower()) for title in titles if title.lower() in header), None)
            if place is None:
                # A file without a header begins with somebody's text, which no error shows.
                names = ", ".join(name for name in header if name and len(name) < 20 and " " not in name)
                raise DataError(
                    f"{path}: line 1: no column '{titles[0]}' among {names or 'no names of columns'}; is it another "
                    "file?"
                )
            places[name] = place
        empty = True
        for row in reader:
            if not row:
                continue
            if len(row) < len(header):
                raise DataError(
                    f"{path}: line {reader.line_num}: {len(row)} columns where {len(header)} are due; {MEND}"
                )
            empty = False
            yield reader.line_num, {name: row[place] for name, place in places.items()}
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not a row of a csv file: {error}; {MEND}") from None
    if empty:
        raise DataError(f"{path}: no row below the header; cut short: fetch it again")


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".xz":
        return lzma.open(path)
    if path.suffix == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")
