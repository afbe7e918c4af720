"""FER-2013 (Goodfellow et al. 2013) with the FER+ votes (Barsoum et al. 2016), from its public files.

Three layouts are read: `fer2013.csv` (columns emotion, pixels, Usage), the same with `fer2013new.csv` beside it (the
votes of ten annotators for the same rows), and folders `train/<class>/*.jpg` with `test/` and perhaps `validation/`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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
_NUMBERS = {str(number): number for number in range(len(LABELS))}
_VOTE_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
} | {number: LABELS[index] for number, index in _NUMBERS.items()}
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
        Nothing to read there, a column missing or broken (the line is named), an unknown class, an empty split, no
        training face of some class.
    """
    try:
        sets = _read(directory, progress=progress)
    except OSError as error:
        raise DataError(f"{error.filename or directory}: cannot be read: {error.strerror or error}") from None
    for name in SPLITS.values():
        if name not in sets or not len(sets[name]):
            raise DataError(f"{directory}: the split '{name}' is empty; is the download complete?")
    for number, label in enumerate(LABELS):
        if not (sets["train"].labels == number).any():
            raise DataError(f"{directory}: no training face of the class '{label}'; is the download complete?")
    return sets


def _read(directory: Path, *, progress: bool) -> dict[str, FaceSet]:
    if not directory.is_dir():
        raise DataError(
            f"{directory}: no such folder; --data names the folder that holds fer2013.csv or train/<class>/"
        )
    table = directory / "fer2013.csv"
    if table.is_file():
        sets = _read_table(table, progress=progress)
        votes = directory / "fer2013new.csv"
        return _add_votes(votes, sets) if votes.is_file() else sets
    if _split_folder(directory, "train"):
        return _read_folders(directory, progress=progress)
    if table.is_dir():
        raise DataError(f"{table}: a folder, not the file; name it with --data, if the file lies in it")
    raise DataError(f"{directory}: holds neither fer2013.csv nor train/<class>/ folders")


@dataclass
class _Table:
    """Rows of one csv, in file order."""

    images: list[npt.NDArray[np.uint8]]
    labels: list[int]
    splits: list[str]


def _rows(
    path: Path, wanted: Sequence[str], mend: str, *, progress: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a csv with their line numbers, each with the wanted columns; others are passed over."""
    with (
        # utf-8-sig: a byte order mark may stand in front. What is not UTF-8 is replaced, so that the checks of the
        # cells find it, and its line with it.
        path.open(newline="", encoding="utf-8-sig", errors="replace") as stream,
        tqdm(
            total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, disable=not progress, leave=False
        ) as bar,
    ):
        reader = csv.reader(stream)
        try:
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in wanted if name not in header]
            if missing:
                found = repr(header)[:100] if header else "an empty header"
                raise DataError(f"{path}: line 1: no column '{missing[0]}' among {found}; {mend}")
            columns = {name: header.index(name) for name in wanted}
            due = max(columns.values()) + 1
            for row in reader:
                if not row:
                    continue
                if len(row) < due:
                    raise DataError(
                        f"{path}: line {reader.line_num}: {len(row)} columns where {due} are due; the file is cut "
                        "short or damaged"
                    )
                yield reader.line_num, {name: row[column].strip() for name, column in columns.items()}
                bar.update(sum(map(len, row)) + len(row))
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: not a row of a csv file: {error}") from None


def _read_table(path: Path, *, progress: bool) -> dict[str, FaceSet]:
    rows = _Table([], [], [])
    names = ("emotion", "pixels", "Usage")
    for line, row in _rows(path, names, "the columns are emotion, pixels, Usage", progress=progress):
        _read_row(path, line, row, rows)
    images = np.array(rows.images, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
    labels, splits = np.array(rows.labels, np.int64), np.array(rows.splits, np.str_)
    return {name: FaceSet(images[splits == name], labels[splits == name]) for name in SPLITS.values()}


def _read_row(path: Path, line: int, row: dict[str, str], rows: _Table) -> None:
    emotion, pixels, usage = row["emotion"], row["pixels"], row["Usage"]
    if emotion not in _NUMBERS:
        raise DataError(f"{path}: line {line}: emotion {emotion[:20]!r} is not a number from 0 to {len(LABELS) - 1}")
    if usage not in SPLITS:
        raise DataError(f"{path}: line {line}: Usage {usage[:20]!r} is none of {', '.join(SPLITS)}")
    try:
        values = np.array(pixels.split(), dtype=np.int64)
    except OverflowError:
        raise DataError(f"{path}: line {line}: a pixel lies outside 0 to 255") from None
    except ValueError:
        raise DataError(f"{path}: line {line}: a pixel is not a whole number") from None
    if values.size != _PIXELS:
        raise DataError(f"{path}: line {line}: {values.size} pixels, not {_PIXELS}; the file is cut short or damaged")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{path}: line {line}: a pixel lies outside 0 to 255")
    rows.images.append(values.astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE))
    rows.labels.append(_NUMBERS[emotion])
    rows.splits.append(SPLITS[usage])


def _add_votes(path: Path, sets: dict[str, FaceSet]) -> dict[str, FaceSet]:
    """FER+ has one row for each row of fer2013.csv, in the same order within each Usage."""
    votes: dict[str, list[list[int]]] = {name: [] for name in SPLITS.values()}
    wanted = (*_VOTE_COLUMNS, "contempt", "unknown", "NF")
    for line, row in _rows(path, ("Usage", *wanted), "is it FER+'s fer2013new.csv?"):
        cells = [row[name] for name in wanted]
        if row["Usage"] not in SPLITS or not all(cell.isdecimal() and len(cell) < 4 for cell in cells):
            raise DataError(f"{path}: line {line}: not a row of FER+ votes; fetch the file again, or take it away")
        votes[SPLITS[row["Usage"]]].append([int(cell) for cell in cells])
    result = {}
    for name, faces in sets.items():
        if len(votes[name]) != len(faces):
            raise DataError(
                f"{path}: {len(votes[name])} rows for '{name}', fer2013.csv beside it has {len(faces)}; fetch both "
                "again, or take this one away"
            )
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
    return next((path for path in _folders(directory) if path.name.lower() in _FOLDERS[split]), None)


def _folders(directory: Path) -> list[Path]:
    """The folders within; hidden ones, such as .ipynb_checkpoints, are none of the data's."""
    return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))


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
        image = _decode(path.read_bytes())
        if image is None:
            raise DataError(f"{path}: not a readable image; remove it or fetch it again")
        if image.shape != (FACE_SIZE, FACE_SIZE):
            image = cast(
                "npt.NDArray[np.uint8]", cv2.resize(image, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
            )
        images.append(image)
        labels.append(label)
    shape = (-1, FACE_SIZE, FACE_SIZE)
    return FaceSet(np.array(images, np.uint8).reshape(shape), np.array(labels, np.int64))


def _decode(content: bytes) -> npt.NDArray[np.uint8] | None:
    try:
        # OpenCV returns None for most of what it cannot read, and raises for nothing at all and for absurd sizes.
        return cast(
            "npt.NDArray[np.uint8] | None", cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        )
    except cv2.error:
        return None


def _labelled_files(folder: Path) -> Iterator[tuple[Path, int]]:
    for class_folder in _folders(folder):
        # '0_angry', 'angry' and 'Anger' are all seen in the wild.
        name = re.sub(r"^\d+[_\- ]+", "", class_folder.name.lower())
        label = _ALIASES.get(name, name)
        if label not in LABELS:
            raise DataError(f"{class_folder}: unknown class '{class_folder.name}'; the classes are {', '.join(LABELS)}")
        files = sorted(path for path in class_folder.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES)
        if not files:
            raise DataError(f"{class_folder}: holds no image ({', '.join(sorted(_IMAGE_SUFFIXES))})")
        for path in files:
            yield path, LABELS.index(label)


def _hold_out(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """A tenth of each class, spread evenly over its files, for validation."""
    held = np.zeros(len(faces), bool)
    for label in range(len(LABELS)):
        held[np.flatnonzero(faces.labels == label)[::10]] = True
    return faces.take(~held), faces.take(held)
