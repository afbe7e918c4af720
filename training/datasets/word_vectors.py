"""Word vectors that others trained, from GloVe's text format (Pennington et al. 2014): lines of a word and numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from training.datasets.text_files import MEND, lines

FloatArray = npt.NDArray[np.float32]

TERMS = "GloVe word vectors (Pennington et al. 2014; PDDL)"


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors."""

    words: tuple[str, ...]
    """In file order, commonly the most frequent first."""
    vectors: FloatArray
    """(words, size)"""

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return int(self.vectors.shape[1])

    def rows(self, words: Collection[str]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """The vectors of these words: (n, size), zeros where there is none, and (n,) whether there is one."""
        places = {word: place for place, word in enumerate(self.words)}
        found = np.array([places.get(word, -1) for word in words], np.int64)
        known = found >= 0
        return np.where(known[:, None], self.vectors[found], np.float32(0)), known


def read(path: Path, words: Collection[str] | None = None) -> WordVectors:
    """Read a file of word vectors.

    Parameters
    ----------
    path
        Packed (.xz, .gz) or not. A first line with two whole numbers, as word2vec and fastText write it, is passed
        over.
    words
        Only of these, so that a large file fits the memory; None for all.

    Raises
    ------
    DataError
        The file is missing or damaged, a line has another number of numbers than the first, or one that is none; none
        of the words stands in it.
    """
    wanted = None if words is None else set(words)
    found: dict[str, FloatArray] = {}
    size = 0
    for number, line in lines(path):
        cells = line.rstrip().split(" ")
        if number == 1 and len(cells) == 2 and all(cell.isdecimal() for cell in cells):
            continue
        if not size:
            size = len(cells) - 1
        # A few of GloVe's words have spaces in them.
        word, values = " ".join(cells[:-size]) if size else "", cells[-size:]
        if not word or len(values) < 2:
            raise DataError(f"{path}: line {number}: not a word and its {size or 'many'} numbers; is it GloVe's text?")
        if (wanted is not None and word not in wanted) or word in found:
            continue
        try:
            vector = np.array(values, np.float32)
        except ValueError:
            vector = np.array([np.nan], np.float32)
        if not np.isfinite(vector).all():
            raise DataError(f"{path}: line {number}: not {size} numbers behind a word; {MEND}")
        found[word] = vector
    if not found:
        raise DataError(f"{path}: no vector of any of the wanted words; is it GloVe's text format, and English?")
    return WordVectors(tuple(found), np.stack(list(found.values())))
