"""Photographs with faces marked: train.csv (boxes, five landmarks), train_ignore.csv (regions to leave out), images/.

One row of train.csv is one face, or a photograph without any where the box is empty: file, width, height, score, x, y,
w, h, then x and y of the right eye, left eye, nose, right and left corner of the mouth, pixels of the stored picture.
A photograph's source is the part of its name before the underscore.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.observation import Image

FloatArray = npt.NDArray[np.float32]

BOX = ("x", "y", "w", "h")
POINTS = tuple(
    f"{name}_{axis}" for name in ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left") for axis in ("x", "y")
)
FACES_FILE = "train.csv"
IGNORE_FILE = "train_ignore.csv"
UNMARKED_FACE = "human_box_no_landmarks"
"""The reason, in train_ignore.csv, of regions that people marked as faces: faces without landmarks."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photograph and what is known of it."""

    file: str
    image: Image
    """(height, width, 3) BGR, or (height, width) where it is grey."""
    boxes: FloatArray
    """(faces, 4) x, y, width, height in pixels."""
    landmarks: FloatArray
    """(faces, 5, 2) x, y in pixels; NaN where a face has none."""
    ignored: FloatArray
    """(regions, 4) that may hold a face or not."""

    @property
    def source(self) -> str:
        """Whose collection it is from."""
        return self.file.partition("_")[0]


def read_photos(folder: Path, *, sources: Iterable[str] | None = None, progress: bool = False) -> list[Photo]:
    """Read the photographs of a folder.

    Parameters
    ----------
    folder
        Holds train.csv, images/ and, if any, train_ignore.csv.
    sources
        Read these sources only; None: all.
    progress
        Show a bar on stderr.

    Raises
    ------
    DataError
        A file is missing or damaged, a row is not what the format says; the message names file and line.
    """
    wanted = None if sources is None else set(sources)
    faces = _rows(folder / FACES_FILE, ("file", *BOX, *POINTS))
    ignored = _rows(folder / IGNORE_FILE, ("file", *BOX, "reason")) if (folder / IGNORE_FILE).is_file() else {}
    names = [name for name in faces if wanted is None or name.partition("_")[0] in wanted]
    if wanted is not None and (missing := wanted - {name.partition("_")[0] for name in names}):
        raise DataError(f"{folder / FACES_FILE}: no photograph of the source {', '.join(sorted(missing))}")
    photos = []
    for name in tqdm(names, desc="photographs", unit="photo", disable=not progress):
        regions = ignored.get(name, [])
        marked = [row for row in faces[name] if not np.isnan(row.box).any()]
        marked += [row for row in regions if row.reason == UNMARKED_FACE]
        photos.append(
            Photo(
                name,
                _read_image(folder / "images" / name),
                _stack([row.box for row in marked], (4,)),
                _stack([row.points for row in marked], (5, 2)),
                _stack([row.box for row in regions if row.reason != UNMARKED_FACE], (4,)),
            )
        )
    return photos


@dataclass(frozen=True)
class _Row:
    box: FloatArray
    points: FloatArray
    reason: str


def _rows(path: Path, columns: Sequence[str]) -> dict[str, list[_Row]]:
    """The rows of a table by file, in the order of the table."""
    rows: dict[str, list[_Row]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream)
            missing = [column for column in columns if column not in (table.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}")
            for row in table:
                rows.setdefault(row["file"] or "", []).append(_row(row, f"{path}: line {table.line_num}"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; --data names the folder that holds it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table in UTF-8: {error}") from None
    if not rows:
        raise DataError(f"{path}: no row")
    return rows


def _row(row: dict[str, str], place: str) -> _Row:
    if not row["file"] or Path(row["file"]).name != row["file"]:
        raise DataError(f"{place}: '{row['file']}' is no name of a picture in images/")
    try:
        box = np.array([float(row[key] or "nan") for key in BOX], np.float32)
        points = np.array([float(row.get(key) or "nan") for key in POINTS], np.float32).reshape(5, 2)
    except (TypeError, ValueError):
        raise DataError(f"{place}: a number is missing or is none") from None
    known = np.isfinite(box)
    if known.any() and not (known.all() and box[2] > 0 and box[3] > 0):
        raise DataError(f"{place}: a box needs x, y and a positive width and height")
    return _Row(box, points, row.get("reason") or "")


def _stack(parts: list[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    return np.stack(parts) if parts else np.zeros((0, *shape), np.float32)


def _read_image(path: Path) -> Image:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise DataError(f"{path}: a damaged picture, or none")
    result: Image = image
    return result
