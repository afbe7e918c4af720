"""From tokens to a text network's input: the vocabulary, and batches that differ from epoch to epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.features.token_ids import PADDING, UNKNOWN, Ids, TextSettings, TokenIds
from training.recipe_parts import TextFeatures

FloatArray = npt.NDArray[np.float32]

Tokens = Sequence[str]


def settings_of(features: TextFeatures, training: Sequence[Tokens]) -> TextSettings:
    """A recipe's settings with the vocabulary of the training texts, the words that are in most texts first.

    Texts are counted, not uses: what stands in a few texts alone may be somebody's name.
    """
    counts = Counter(token for tokens in training for token in set(tokens))
    # Of two that are equally frequent the first by the alphabet: the same data gives the same vocabulary.
    frequent = sorted(counts, key=lambda token: (-counts[token], token))[: features.words]
    return TextSettings(
        length=features.length,
        words=tuple(word for word in frequent if counts[word] >= features.least),
        buckets=features.buckets,
        shortest=features.shortest,
        longest=features.longest,
        pieces=features.pieces,
    )


def runs_of(tokens: Tokens, length: int) -> list[Tokens]:
    """A text in runs of `length` tokens; the last one may be shorter, and an empty text is one empty run."""
    return [tokens[begin : begin + length] for begin in range(0, max(len(tokens), 1), length)]


class TextBatches:
    """One epoch's batches by index, the same for the same epoch and index.

    A text that is longer than the network's input gives another run of its tokens each time.

    Parameters
    ----------
    tokens
        Of each text.
    targets
        (n, labels), as the loss takes them.
    settings
        Of the network's input.
    unknown
        Probability that a token is taken for one that is none of the vocabulary.
    """

    def __init__(
        self,
        tokens: Sequence[Tokens],
        targets: FloatArray,
        settings: TextSettings,
        *,
        unknown: float,
        batch_size: int,
        seed: int,
    ) -> None:
        self.epoch = 0
        self._tokens = tokens
        self._targets = targets
        self.settings = settings
        self._ids = TokenIds(settings)
        self._unknown = unknown
        self._batch_size = batch_size
        self._seed = seed
        self._order: tuple[int, npt.NDArray[np.intp]] = (-1, np.empty(0, np.intp))

    def __len__(self) -> int:
        return len(self._tokens) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Ids, FloatArray]:
        if self._order[0] != self.epoch:
            rng = np.random.default_rng((self._seed, self.epoch))
            self._order = (self.epoch, rng.permutation(len(self._tokens)))
        rng = np.random.default_rng((self._seed, self.epoch, index))
        picked = self._order[1][index * self._batch_size : (index + 1) * self._batch_size]
        ids = np.stack([self._ids(self._run(self._tokens[each], rng)) for each in picked])
        hidden = (rng.random(ids.shape[:2]) < self._unknown) & (ids[..., 0] != PADDING)
        ids[hidden] = PADDING
        ids[hidden, 0] = UNKNOWN
        return ids, self._targets[picked]

    def _run(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        begin = int(rng.integers(max(1, len(tokens) - self.settings.length + 1)))
        return tokens[begin : begin + self.settings.length]
