"""FER-2013 (Goodfellow et al. 2013) with the FER+ votes (Barsoum et al. 2016), from its public files.

Three layouts are read: `fer2013.csv` (columns emotion, pixels, Usage), the same with `fer2013new.csv` beside it (the
votes of ten annotators for the same rows), and folders `train/<class>/*.jpg` with `test/` and perhaps `validation/`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.face import FACE_SIZE

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""In the order of fer2013.csv's numbers 0 to 6."""

SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""The csv's Usage, and the name it has here."""

_PIXELS = FACE_SIZE * FACE_SIZE
_VOTE_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
} | {str(number): label for number, label in enumerate(LABELS)}
_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "publictest"),
    "test": ("test", "privatetest"),
}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


@dataclass(frozen=True)
class FaceSet:
    """Faces with their labels."""

    images: npt.NDArray[np.uint8]
    """(n, 48, 48) grey."""
    labels: npt.NDArray[np.int64]
    """(n,) indices into `LABELS`."""
    votes: npt.NDArray[np.float32] | None = None
    """(n, 7) FER+ votes that add up to 1; zeros where nobody voted for one of the seven. None without FER+."""
    not_a_face: npt.NDArray[np.float32] | None = None
    """(n,) part of the FER+ annotators, 0 to 1, who saw no face. None without FER+."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> FaceSet:
        """The faces that an index or a mask picks."""
        return FaceSet(
            self.images[index],
            self.labels[index],
            None if self.votes is None else self.votes[index],
            None if self.not_a_face is None else self.not_a_face[index],
        )


def read_faces(directory: Path, *, progress: bool = False) -> dict[str, FaceSet]:
    """Read FER-2013 from whichever of its public layouts `directory` holds.

    Returns
    -------
    dict
        'train', 'validation' (PublicTest) and 'test' (PrivateTest). Folders without a validation split give it a tenth
        of the training faces of each class, the same ones each time.

    Raises
    ------
    DataError
        Nothing to read there, a column missing or broken (the line is named), an unknown class, an empty split.
    """
    if not directory.is_dir():
        raise DataError(
            f"{directory}: no such folder; --data names the folder that holds fer2013.csv or train/<class>/"
        )
    table = directory / "fer2013.csv"
    if table.is_file():
        sets = _read_table(table, progress=progress)
        votes = directory / "fer2013new.csv"
        if votes.is_file():
            sets = _add_votes(votes, sets)
    elif _split_folder(directory, "train"):
        sets = _read_folders(directory, progress=progress)
    else:
        raise DataError(f"{directory}: holds neither fer2013.csv nor train/<class>/ folders")
    for name in SPLITS.values():
        if name not in sets or not len(sets[name]):
            raise DataError(f"{directory}: the split '{name}' is empty; is the download complete?")
    return sets


@dataclass
class _Table:
    """Rows of one csv, by split, in file order."""

    images: list[npt.NDArray[np.uint8]]
    labels: list[int]
    splits: list[str]


def _read_table(path: Path, *, progress: bool) -> dict[str, FaceSet]:
    rows = _Table([], [], [])
    with (
        path.open(newline="", encoding="utf-8") as stream,
        tqdm(
            total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, disable=not progress, leave=False
        ) as bar,
    ):
        reader = csv.reader(stream)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in ("emotion", "pixels", "Usage") if name not in header]
        if missing:
            raise DataError(
                f"{path}: line 1: no column '{missing[0]}' among {header or 'an empty header'}; "
                "the columns are emotion, pixels, Usage"
            )
        columns = tuple(header.index(name) for name in ("emotion", "pixels", "Usage"))
        for row in reader:
            if row:
                _read_row(path, reader.line_num, row, columns, rows)
                bar.update(sum(map(len, row)) + len(row))
    images, labels, splits = np.array(rows.images), np.array(rows.labels, np.int64), np.array(rows.splits)
    return {name: FaceSet(images[splits == name], labels[splits == name]) for name in SPLITS.values()}


def _read_row(path: Path, line: int, row: list[str], columns: tuple[int, ...], rows: _Table) -> None:
    if len(row) <= max(columns):
        raise DataError(f"{path}: line {line}: {len(row)} columns where more are due; the file is cut short or damaged")
    emotion, pixels, usage = (row[column] for column in columns)
    if not emotion.isdecimal() or int(emotion) >= len(LABELS):
        raise DataError(f"{path}: line {line}: emotion '{emotion[:20]}' is not a number from 0 to {len(LABELS) - 1}")
    if usage not in SPLITS:
        raise DataError(f"{path}: line {line}: Usage '{usage[:20]}' is none of {', '.join(SPLITS)}")
    try:
        values = np.array(pixels.split(), dtype=np.int64)
    except ValueError:
        raise DataError(f"{path}: line {line}: a pixel is not a whole number") from None
    if values.size != _PIXELS:
        raise DataError(f"{path}: line {line}: {values.size} pixels, not {_PIXELS}; the file is cut short or damaged")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{path}: line {line}: a pixel lies outside 0 to 255")
    rows.images.append(values.astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE))
    rows.labels.append(int(emotion))
    rows.splits.append(SPLITS[usage])


def _add_votes(path: Path, sets: dict[str, FaceSet]) -> dict[str, FaceSet]:
    """FER+ has one row for each row of fer2013.csv, in the same order within each Usage."""
    votes: dict[str, list[list[int]]] = {name: [] for name in SPLITS.values()}
    wanted = (*_VOTE_COLUMNS, "contempt", "unknown", "NF")
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in ("Usage", *wanted) if name not in (reader.fieldnames or [])]
        if missing:
            raise DataError(f"{path}: line 1: no column '{missing[0]}'; is it FER+'s fer2013new.csv?")
        for row in reader:
            try:
                votes[SPLITS[row["Usage"]]].append([int(row[name]) for name in wanted])
            except (KeyError, TypeError, ValueError):
                raise DataError(f"{path}: line {reader.line_num}: not a row of FER+ votes") from None
    result = {}
    for name, faces in sets.items():
        if len(votes[name]) != len(faces):
            raise DataError(f"{path}: {len(votes[name])} rows for '{name}', fer2013.csv beside it has {len(faces)}")
        counts = np.array(votes[name], np.float32).reshape(-1, len(wanted))
        named, total = counts[:, : len(LABELS)].sum(axis=1), counts.sum(axis=1)
        result[name] = FaceSet(
            faces.images,
            faces.labels,
            counts[:, : len(LABELS)] / np.maximum(named, 1)[:, None],
            counts[:, -1] / np.maximum(total, 1),
        )
    return result


def _split_folder(directory: Path, split: str) -> Path | None:
    return next((path for path in sorted(directory.iterdir()) if path.name.lower() in _FOLDERS[split]), None)


def _read_folders(directory: Path, *, progress: bool) -> dict[str, FaceSet]:
    sets = {}
    for split in SPLITS.values():
        folder = _split_folder(directory, split)
        if folder is not None:
            sets[split] = _read_split(folder, progress=progress)
    if "validation" not in sets:
        sets["train"], sets["validation"] = _hold_out(sets["train"])
    return sets


def _read_split(folder: Path, *, progress: bool) -> FaceSet:
    images, labels = [], []
    for path, label in tqdm(list(_labelled_files(folder)), desc=folder.name, disable=not progress, leave=False):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE) if path.stat().st_size else None
        if image is None:
            raise DataError(f"{path}: not a readable image; remove it or fetch it again")
        if image.shape != (FACE_SIZE, FACE_SIZE):
            image = cv2.resize(image, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
        images.append(image)
        labels.append(label)
    shape = (-1, FACE_SIZE, FACE_SIZE)
    return FaceSet(np.array(images, np.uint8).reshape(shape), np.array(labels, np.int64))


def _labelled_files(folder: Path) -> Iterator[tuple[Path, int]]:
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        # '0_angry', 'angry' and 'Anger' are all seen in the wild.
        name = re.sub(r"^\d+[_\- ]+", "", class_folder.name.lower())
        label = _ALIASES.get(name, name)
        if label not in LABELS:
            raise DataError(f"{class_folder}: unknown class '{class_folder.name}'; the classes are {', '.join(LABELS)}")
        for path in sorted(class_folder.iterdir()):
            if path.suffix.lower() in _IMAGE_SUFFIXES:
                yield path, LABELS.index(label)


def _hold_out(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """A tenth of each class, spread evenly over its files, for validation."""
    held = np.zeros(len(faces), bool)
    for label in range(len(LABELS)):
        held[np.flatnonzero(faces.labels == label)[::10]] = True
    return faces.take(~held), faces.take(held)
