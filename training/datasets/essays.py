"""The essays (Pennebaker and King 1999): what students wrote as it came to their minds, with their Big-Five traits.

Read from essays.csv as it goes round (Celli et al. 2013), with the columns #AUTHID, TEXT, cEXT, cNEU, cAGR, cCON and
cOPN (y or n; above the middle of all writers or not), or from a copy with the same columns in UTF-8 and with 1 and 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from training.datasets.text_files import MEND, find_files, table_rows
from training.datasets.text_set import TextSet, untouched, without_doubles

TERMS = "Essays (Pennebaker and King 1999; no licence stated, research use: the texts are never published)"

LABELS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")

_COLUMNS = {
    "id": ("author_id", "#AUTHID", "AUTHID"),
    "text": ("text",),
    "openness": ("cOPN",),
    "conscientiousness": ("cCON",),
    "extraversion": ("cEXT",),
    "agreeableness": ("cAGR",),
    "neuroticism": ("cNEU",),
}

_ANSWERS = {"y": 1.0, "1": 1.0, "n": 0.0, "0": 0.0}


def read(folder: Path) -> TextSet:
    """Read the essays; copies of one text are dropped and counted.

    Parameters
    ----------
    folder
        Holds one essays*.csv, packed (.xz, .gz) or not, itself or in a folder below.

    Returns
    -------
    TextSet
        In file order; targets 1 where a writer is above the middle.

    Raises
    ------
    DataError
        No such file, more than one, or one that is damaged; the message names the line.
    """
    found = find_files(folder, ["essays*.csv"])
    if len(found) != 1:
        what = f"{found[0].name} and {found[1].name}" if found else "no essays*.csv"
        raise DataError(f"{folder}: {what} there or below; name the folder that holds one such file")
    path = found[0]
    texts, ids, targets = [], [], []
    # The file that goes round is older than UTF-8's spread.
    for line, row in table_rows(path, _COLUMNS, fallback="cp1252"):
        if not row["text"].strip():
            raise DataError(f"{path}: line {line}: no text; {MEND}")
        texts.append(row["text"])
        ids.append(row["id"])
        targets.append([_answer(row[label], _COLUMNS[label][0], f"{path}: line {line}") for label in LABELS])
    essays = TextSet(tuple(texts), np.array(targets, np.float32), LABELS, tuple(ids), untouched(len(texts)))
    return without_doubles(essays)


def folds(n: int, seed: int = 1, folds: int = 10) -> tuple[npt.NDArray[np.int64], ...]:
    """Deal `n` essays out at random, each to one fold: every essay is of another writer, so that folds share none.

    Parameters
    ----------
    n
        Essays, at least as many as folds.
    seed
        Other folds with another one.
    folds
        How many; their sizes differ by one at most.

    Returns
    -------
    For each fold the rising numbers of the essays that are scored by it; the other folds' train.

    Raises
    ------
    DataError
        Fewer essays than folds.
    """
    if not 2 <= folds <= n:
        raise DataError(f"{n} essays are too few for {folds} folds; is the download complete?")
    order = np.random.default_rng(seed).permutation(n).astype(np.int64)
    return tuple(np.sort(order[start::folds]) for start in range(folds))


def _answer(cell: str, column: str, place: str) -> float:
    answer = _ANSWERS.get(cell.strip().lower())
    if answer is None:
        raise DataError(f"{place}: {column} is '{cell[:20]}' where y or n, or 1 or 0, are due; {MEND}")
    return answer
