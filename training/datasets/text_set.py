"""Texts with what is to be said of them, and the training texts that must go because they are scored elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.features.words import tokenise

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cleaning:
    """How many texts were dropped, and why."""

    read: int
    leaked: int
    """Of training: the same tokens stand in validation or test too."""
    doubles: int
    """Further copies of a text that is kept once, where copies are none of the data's."""
    kept: int

    def as_dict(self) -> dict[str, int]:
        """Plain types for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TextSet:
    """Texts with their targets."""

    texts: tuple[str, ...]
    targets: FloatArray
    """(n, labels) float32: 0 or 1 for labels, 1 to 5 for ratings."""
    labels: tuple[str, ...]
    """What the columns of `targets` stand for."""
    ids: tuple[str, ...]
    """The data set's own names of the texts."""
    cleaning: Cleaning

    def __post_init__(self) -> None:
        if self.targets.shape != (len(self.texts), len(self.labels)) or len(self.ids) != len(self.texts):
            raise ValueError(
                f"{len(self.texts)} texts, {len(self.ids)} ids and {len(self.labels)} labels with targets "
                f"{self.targets.shape}"
            )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> TextSet:
        """The texts that an index or a mask picks; the counts of the cleaning stay those of the whole."""
        places = np.arange(len(self))[index]
        return replace(
            self,
            texts=tuple(self.texts[place] for place in places),
            targets=self.targets[places],
            ids=tuple(self.ids[place] for place in places),
        )

    def digest(self) -> str:
        """SHA-256 of the texts (UTF-8, each with a line feed behind) and then the targets (float32, little-endian)."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(text.encode() + b"\n")
        digest.update(self.targets.astype("<f4").tobytes())
        return digest.hexdigest()


def token_keys(texts: Iterable[str]) -> list[str]:
    """One string for each text, equal where a model sees equal texts; no token has a space in it."""
    return [" ".join(tokenise(text)) for text in texts]


def without_leaks(training: TextSet, held_out: Sequence[TextSet]) -> TextSet:
    """The training texts whose tokens equal none of those that are held out; the dropped ones are counted.

    Raises
    ------
    DataError
        None is left.
    """
    held = {key for each in held_out for key in token_keys(each.texts)}
    keep = np.array([key not in held for key in token_keys(training.texts)], bool)
    if not keep.any():
        raise DataError(
            f"all {len(keep)} training texts stand in validation or test too; is one file a copy of another?"
        )
    kept = training.take(keep)
    cleaning = replace(training.cleaning, leaked=int((~keep).sum()), kept=len(kept))
    return replace(kept, cleaning=cleaning)


def without_doubles(texts: TextSet) -> TextSet:
    """The first of each group of texts with equal tokens; the others are dropped and counted."""
    first: dict[str, int] = {}
    for place, key in enumerate(token_keys(texts.texts)):
        first.setdefault(key, place)
    kept = texts.take(np.array(sorted(first.values()), np.int64))
    cleaning = replace(texts.cleaning, doubles=len(texts) - len(kept), kept=len(kept))
    return replace(kept, cleaning=cleaning)


def untouched(count: int) -> Cleaning:
    """Of a set that is as it was published."""
    return Cleaning(read=count, leaked=0, doubles=0, kept=count)
