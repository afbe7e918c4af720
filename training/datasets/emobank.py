"""EmoBank (Buechel and Hahn 2017): sentences with valence, arousal and dominance, from its emobank.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import DataError
from training.datasets.text_files import MEND, find_files, table_rows
from training.datasets.text_set import TextSet, untouched, without_leaks

TERMS = "EmoBank (Buechel and Hahn 2017; CC BY-SA 4.0)"

LABELS = ("valence", "arousal", "dominance")

_COLUMNS = {
    "id": ("id",),
    "split": ("split",),
    "valence": ("V",),
    "arousal": ("A",),
    "dominance": ("D",),
    "text": ("text",),
}

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def read(folder: Path) -> dict[str, TextSet]:
    """Read EmoBank.

    Parameters
    ----------
    folder
        Holds emobank.csv, packed (.xz, .gz) or not, itself or in a folder below.

    Returns
    -------
    dict
        'train', 'validation' and 'test'; targets are mean ratings from 1 to 5, of which 3 is the middle. Training
        sentences whose tokens equal a validation's or a test's are dropped and counted. Sentences without any text,
        should there be some, are left out everywhere.

    Raises
    ------
    DataError
        No such file, or one that is damaged; the message names the line.
    """
    found = find_files(folder, ["emobank.csv"])
    if not found:
        raise DataError(f"{folder}: no emobank.csv there or below; name the folder that holds EmoBank")
    path = found[0]
    rows: dict[str, list[tuple[str, str, list[float]]]] = {split: [] for split in _SPLITS.values()}
    for line, row in table_rows(path, _COLUMNS):
        split = _SPLITS.get(row["split"].strip())
        if split is None:
            raise DataError(
                f"{path}: line {line}: the split '{row['split'][:20]}' is none of {', '.join(_SPLITS)}; {MEND}"
            )
        ratings = [_rating(row[label], _COLUMNS[label][0], f"{path}: line {line}") for label in LABELS]
        if row["text"].strip():
            rows[split].append((row["text"], row["id"], ratings))
    sets = {split: _as_set(own) for split, own in rows.items()}
    for split, own in sets.items():
        if not len(own):
            raise DataError(f"{path}: no sentence of the split '{split}'; is the download complete?")
    sets["train"] = without_leaks(sets["train"], [sets["validation"], sets["test"]])
    return sets


def _as_set(rows: list[tuple[str, str, list[float]]]) -> TextSet:
    return TextSet(
        texts=tuple(text for text, _, _ in rows),
        targets=np.array([ratings for _, _, ratings in rows], np.float32).reshape(-1, len(LABELS)),
        labels=LABELS,
        ids=tuple(name for _, name, _ in rows),
        cleaning=untouched(len(rows)),
    )


def _rating(cell: str, column: str, place: str) -> float:
    try:
        rating = float(cell)
    except ValueError:
        rating = float("nan")
    if not 1 <= rating <= 5:
        raise DataError(f"{place}: {column} is '{cell[:20]}' where a rating from 1 to 5 is due; {MEND}")
    return rating
