"""GoEmotions (Demszky et al. 2020): Reddit comments with 27 emotions or none, several at a time, from its public files.

Rows of train.tsv, dev.tsv and test.tsv are the text, the numbers of its labels with commas between, and an id; the
names of the numbers stand in emotions.txt (its authors' files) or labels.txt (the copies mapped to Ekman's six).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import DataError
from training.datasets.fer2013 import LABELS
from training.datasets.text_files import MEND, find_files, lines
from training.datasets.text_set import TextSet, untouched, without_leaks

TERMS = "GoEmotions (Demszky et al. 2020; Apache-2.0)"

EKMAN = LABELS
"""The face model's names of Ekman's six and neutral, in its order: what both say can be put side by side."""

_TO_FACE = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "neutral",
}

# The paper's own (its ekman_mapping.json).
_EMOTIONS_OF = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride"),
        *("admiration", "desire", "caring"),
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}
_EKMAN_OF = {emotion: _TO_FACE[name] for name, emotions in _EMOTIONS_OF.items() for emotion in emotions}

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""The file's name, and the split's here."""

_NAMES = ("labels.txt", "emotions.txt")

Labels = Literal["ekman", "original"]


def read(folder: Path, labels: Labels = "ekman") -> dict[str, TextSet]:
    """Read GoEmotions.

    Parameters
    ----------
    folder
        Holds the files, packed (.xz, .gz) or not, itself or in a folder below.
    labels
        'ekman': Ekman's six and neutral, under the face model's names, from files that are mapped already or from
        those with all 28, by the paper's mapping. 'original': all 28, in the order of their numbers.

    Returns
    -------
    dict
        'train', 'validation' and 'test'; targets are 0 or 1. Training texts whose tokens equal a validation's or a
        test's are dropped and counted.

    Raises
    ------
    DataError
        A file is missing or damaged, or a row is not what it should be; the message names the line.
    """
    place, names = _find(folder, labels)
    columns = EKMAN if labels == "ekman" else tuple(names)
    mapped = _TO_FACE if len(names) == len(_TO_FACE) else _EKMAN_OF
    as_column = [columns.index(mapped[name] if labels == "ekman" else name) for name in names]
    sets = {}
    for stem, split in SPLITS.items():
        sets[split] = _read_split(_split_file(place, stem), as_column, columns)
    sets["train"] = without_leaks(sets["train"], [sets["validation"], sets["test"]])
    return sets


def _find(folder: Path, labels: Labels) -> tuple[Path, list[str]]:
    """The folder with the wanted labels, and their names by number; Ekman's own files are preferred."""
    kinds = {frozenset(_TO_FACE): "ekman", frozenset(_EKMAN_OF): "original"}
    found: dict[str, tuple[Path, list[str]]] = {}
    trains = find_files(folder, ["train.tsv"])
    for path in trains:
        names = _label_names(path.parent)
        kind = kinds.get(frozenset(names))
        if kind and len(names) == len(set(names)):
            found.setdefault(kind, (path.parent, names))
    for kind in ("ekman", "original") if labels == "ekman" else ("original",):
        if kind in found:
            return found[kind]
    if not trains:
        raise DataError(f"{folder}: no train.tsv there or below; name the folder that holds GoEmotions")
    wanted = "28 emotions" if labels == "original" else "28 emotions, or Ekman's six and neutral,"
    raise DataError(
        f"{folder}: no labels.txt or emotions.txt beside {trains[0].name} names GoEmotions' {wanted} one a line; "
        "the data set comes with it"
    )


def _label_names(folder: Path) -> list[str]:
    path = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    return [name for _, line in lines(path) if (name := line.strip().lower())] if path else []


def _split_file(folder: Path, stem: str) -> Path:
    found = [path for path in find_files(folder, [f"{stem}.tsv"]) if path.parent == folder]
    if not found:
        raise DataError(f"{folder}: {stem}.tsv is missing; is the download complete?")
    return found[0]


def _read_split(path: Path, as_column: list[int], columns: tuple[str, ...]) -> TextSet:
    texts, ids, numbers = [], [], []
    for line, row in lines(path):
        # No csv: a quotation mark in a comment is just that.
        cells = row.split("\t")
        if len(cells) != 3:
            raise DataError(f"{path}: line {line}: {len(cells)} columns where text, labels and id are due; {MEND}")
        text, own, name = cells
        if not text.strip():
            raise DataError(f"{path}: line {line}: no text; {MEND}")
        texts.append(text)
        ids.append(name)
        numbers.append(_numbers(own, as_column, f"{path}: line {line}"))
    if not texts:
        raise DataError(f"{path}: empty; is the download complete?")
    targets = np.zeros((len(texts), len(columns)), np.float32)
    for target, own_columns in zip(targets, numbers, strict=True):
        target[own_columns] = 1
    return TextSet(tuple(texts), targets, columns, tuple(ids), untouched(len(texts)))


def _numbers(cell: str, as_column: list[int], place: str) -> list[int]:
    try:
        numbers = [int(part) for part in cell.split(",")]
    except ValueError:
        numbers = [-1]
    if not all(0 <= number < len(as_column) for number in numbers):
        raise DataError(
            f"{place}: the labels '{cell[:20]}' are not numbers from 0 to {len(as_column) - 1} with commas between; "
            f"{MEND}"
        )
    return [as_column[number] for number in numbers]
