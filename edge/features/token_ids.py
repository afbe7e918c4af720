"""From tokens to the numbers that a text model looks up: each word's own, and those of the pieces it is made of."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from edge.features.words import is_word

Ids = npt.NDArray[np.int32]

PADDING: Final = 0
"""Where there is no token, or no further piece of one."""
UNKNOWN: Final = 1
"""A token that is none of the vocabulary."""
FIRST_WORD: Final = 2

_REMEMBERED: Final = 20_000
"""Words whose numbers are kept at hand; a bounded number, for the service runs for months."""


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How tokens become numbers; a text model's manifest carries it."""

    # Manifests are read by pydantic, which must refuse what it does not know.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    length: int = 48
    """Tokens that the model sees at once."""
    words: tuple[str, ...] = ()
    """The vocabulary, in the order of its numbers."""
    buckets: int = 0
    """Numbers that pieces of words share (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information");
    0 for words alone."""
    shortest: int = 3
    longest: int = 5
    """Letters of a piece, with < and > for a word's begin and end."""
    pieces: int = 1
    """Numbers of one token at most: its own, then those of its pieces from its begin on, the shortest first."""

    def __post_init__(self) -> None:
        if min(self.length, self.shortest, self.pieces) < 1 or self.longest < self.shortest or self.buckets < 0:
            raise ValueError(
                "length, shortest and pieces are at least 1, longest not below shortest, buckets not below 0"
            )
        if (self.pieces > 1) != (self.buckets > 0):
            raise ValueError("pieces above 1 and buckets above 0 go together")
        if len(set(self.words)) != len(self.words) or "" in self.words:
            raise ValueError("words: a word stands twice, or is empty")
        if not self.words and not self.buckets:
            raise ValueError("words: missing, and there are no buckets either")

    @property
    def numbers(self) -> int:
        """How many different numbers there are, padding and unknown included."""
        return FIRST_WORD + len(self.words) + self.buckets


class TokenIds:
    """Turns tokens into a model's input.

    Parameters
    ----------
    settings
        Of the model's manifest.
    """

    def __init__(self, settings: TextSettings) -> None:
        self.settings = settings
        self._numbers = {word: number for number, word in enumerate(settings.words, start=FIRST_WORD)}
        self._row = lru_cache(_REMEMBERED)(self._make_row)

    def __call__(self, tokens: Sequence[str]) -> Ids:
        """The numbers of the first `length` tokens.

        Returns
        -------
        (length, pieces) int32
            Filled up with `PADDING`.
        """
        settings = self.settings
        ids = np.zeros((settings.length, settings.pieces), np.int32)
        for place, token in enumerate(tokens[: settings.length]):
            ids[place] = self._row(token)
        return ids

    def is_known(self, token: str) -> bool:
        """Whether a token stands in the vocabulary."""
        return token in self._numbers

    def _make_row(self, token: str) -> Ids:
        settings = self.settings
        row = [self._numbers.get(token, UNKNOWN)]
        if settings.buckets and is_word(token):
            first = FIRST_WORD + len(settings.words)
            row += [first + zlib.crc32(piece.encode()) % settings.buckets for piece in pieces_of(token, settings)]
        row += [PADDING] * (settings.pieces - len(row))
        return np.array(row[: settings.pieces], np.int32)


def pieces_of(word: str, settings: TextSettings) -> list[str]:
    """All runs of `shortest` to `longest` letters of a word between < and >, the shortest first."""
    framed = f"<{word}>"
    return [
        framed[begin : begin + size]
        for size in range(settings.shortest, settings.longest + 1)
        for begin in range(len(framed) - size + 1)
    ]
