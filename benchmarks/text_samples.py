"""Texts for the text benchmarks: comments and essays of public data, or made-up ones that need no data."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

from edge.errors import DataError
from edge.features.words import is_word, tokenise

ESSAY_WORDS: Final = 650
"""Of the essays of Pennebaker and King, the usual length."""

INVENTED: Final = 0.1
"""Share of made-up texts' words that no vocabulary has."""

_ESSAYS: Final = 20
_MADE_UP_SENTENCES: Final = 5000
_EMOJI: Final = "😀😂😍😭😡👍🙏🔥🎉❤"


@dataclass(frozen=True)
class Texts:
    """What is read in a benchmark."""

    name: str
    sentences: tuple[str, ...]
    essays: tuple[str, ...]
    """Each of about `ESSAY_WORDS` words."""

    @property
    def mean_words(self) -> float:
        """Of a sentence, without punctuation, numbers and symbols."""
        return sum(map(count_words, self.sentences)) / len(self.sentences)


def public_texts(folder: Path) -> Texts:
    """GoEmotions' test comments, and of the essays those whose length is the nearest to the usual one.

    Raises
    ------
    DataError
        A set is missing in the folder and below, or damaged.
    """
    from training.datasets import essays, goemotions

    comments = goemotions.read(folder)["test"].texts
    found = sorted(essays.read(folder).texts, key=lambda text: abs(count_words(text) - ESSAY_WORDS))
    return Texts("GoEmotions, test; essays of Pennebaker and King", tuple(comments), tuple(found[:_ESSAYS]))


def made_up_texts(words: Sequence[str]) -> Texts:
    """Sentences and essays of words that occur as often as words do (Zipf's law), with some that no vocabulary has.

    Parameters
    ----------
    words
        A vocabulary, the most frequent first.
    """
    sentences = tuple(islice(made_up_sentences(words, seed=0), _MADE_UP_SENTENCES))
    essays = []
    source = made_up_sentences(words, seed=1)
    for _ in range(_ESSAYS):
        essay: list[str] = []
        count = 0
        while count < ESSAY_WORDS:
            sentence = next(source)
            essay.append(sentence)
            count += count_words(sentence)
        essays.append(" ".join(essay))
    return Texts("made-up sentences of the vocabulary's words", sentences, tuple(essays))


def made_up_sentences(words: Sequence[str], *, seed: int) -> Iterator[str]:
    """Without end: 4 to 20 words each, one sentence in ten with an emoji.

    Raises
    ------
    DataError
        There is no word among them.
    """
    chosen = [word for word in words if is_word(word)]
    if not chosen:
        raise DataError("the model has no vocabulary to make sentences of; name a folder with --data")
    generator = random.Random(seed)
    weights = list(accumulate(1 / rank for rank in range(1, len(chosen) + 1)))
    while True:
        sentence = generator.choices(chosen, cum_weights=weights, k=generator.randint(4, 20))
        sentence = [invented(generator) if generator.random() < INVENTED else word for word in sentence]
        if generator.random() < 0.1:
            sentence.append(generator.choice(_EMOJI))
        yield " ".join(sentence).capitalize() + generator.choice(".!?")


def invented(generator: random.Random) -> str:
    """A word of 6 to 12 letters that can hardly come twice."""
    return "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randint(6, 12)))


def count_words(text: str) -> int:
    """Without punctuation, numbers and symbols."""
    return sum(map(is_word, tokenise(text)))
