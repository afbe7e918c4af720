"""What the recognizers of text share: a loaded model, its answer to tokens, and how much each word weighs in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.errors import ModelError
from edge.features.token_ids import TokenIds
from edge.features.words import MOST_CHARACTERS, is_word, tokenise
from edge.inference import Accelerator
from edge.inference.interpreter import dequantise, load_model
from edge.inference.manifest import Task

Logits = npt.NDArray[np.float32]
"""(labels,) float32, divided by the temperature."""

RATING_MIDDLE: Final = 3.0
"""Of the scale from 1 to 5; a rating's output is the distance to it."""

FAMILIAR: Final = 0.5
"""Share of a text's words that the vocabulary must have; below, it is another language, and no answer would mean
anything."""

MOST_RUNS: Final = 4
"""Runs of tokens in which words are weighed, spread evenly over a longer text."""

_PUNCTUATION: Final = re.compile(r"[!?]+|\.{2,}|[.,;\"()*/~-]")


@dataclass(frozen=True, slots=True)
class Weight:
    """What one word of a text does to a label."""

    word: str
    """As the model reads it: normalised, in lower case."""
    change: float
    """Of the label's logit: with the word, less without it. Above 0 it speaks for the label."""


class TextModel:
    """A loaded model of text.

    Parameters
    ----------
    model
        The .tflite file, with its manifest beside it.
    task
        That it must be made for.
    threads
        Of the interpreter.
    accelerator
        What computes: see `edge.inference.accelerator`.

    Raises
    ------
    ModelError
        The file is damaged, of another task, or not what its manifest says; its table is smaller than its vocabulary;
        it keeps state from one run to the next.
    """

    def __init__(self, model: Path, *, task: Task, threads: int = 1, accelerator: Accelerator = "cpu") -> None:
        self._interpreter, self.manifest = load_model(model, task=task, threads=threads, accelerator=accelerator)
        self.settings = self.manifest.text_input.text
        self._ids = TokenIds(self.settings)
        self._temperature = np.float32(self.manifest.calibration.temperature)
        self._check(model)

    def logits(self, tokens: Sequence[str]) -> Logits:
        """The model's answer to the first `settings.length` tokens."""
        return self.answer(tokens)[0]

    def answer(self, tokens: Sequence[str]) -> tuple[Logits, dict[str, float]]:
        """The logits, and what the manifest's ratings come to on their scale, 1 to 5; none for most models."""
        outputs = self._answer(self._ids(tokens))
        labels = len(self.manifest.labels)
        ratings = np.clip(RATING_MIDDLE + outputs[labels:], 1, 5)
        return outputs[:labels] / self._temperature, dict(zip(self.manifest.ratings, ratings.tolist(), strict=True))

    def known(self, tokens: Sequence[str]) -> float:
        """Share of the words in the vocabulary, 0 to 1; of the other tokens where there is no word.

        It is 1 for a model without a vocabulary, which knows only pieces of words and cannot tell.
        """
        counted = [token for token in tokens if is_word(token)] or [token for token in tokens if says_something(token)]
        if not self.settings.words:
            return 1.0
        return sum(map(self._ids.is_known, counted)) / len(counted) if counted else 0.0

    def runs(self, tokens: Sequence[str]) -> list[Sequence[str]]:
        """All tokens, in runs of at most `settings.length`."""
        length = self.settings.length
        return [tokens[begin : begin + length] for begin in range(0, len(tokens), length)]

    def mean_logits(self, runs: Sequence[Sequence[str]]) -> Logits:
        """The answers to several runs, averaged by their lengths."""
        answers = np.stack([self.logits(run) for run in runs])
        return np.average(answers, axis=0, weights=[len(run) for run in runs]).astype(np.float32)

    def weigh(self, tokens: Sequence[str], *, most: int) -> dict[str, tuple[Weight, ...]]:
        """For each label the words that weigh most: each is left out everywhere, and the model asked again.

        Occlusion, as Zeiler and Fergus 2014 ("Visualizing and Understanding Convolutional Networks") have it for
        pictures. Words that change nothing are not told. The model is run at most `MOST_RUNS` * (`settings.length` + 1)
        times: of a longer text so many runs are looked at, evenly spread.
        """
        runs = self.runs(tokens)
        chosen = [runs[place] for place in np.linspace(0, len(runs) - 1, min(len(runs), MOST_RUNS)).round().astype(int)]
        total = sum(map(len, chosen))
        changes: dict[str, Logits] = {}
        for run in chosen:
            whole = self.logits(run)
            for word in dict.fromkeys(filter(says_something, run)):
                without = self.logits([token for token in run if token != word])
                change = (whole - without) * np.float32(len(run) / total)
                changes[word] = changes.get(word, np.float32(0)) + change
        return {
            label: _strongest([Weight(word, float(change[place])) for word, change in changes.items()], most)
            for place, label in enumerate(self.manifest.labels)
        }

    def _answer(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        return dequantise(self._interpreter.run(ids[None])[0], self._interpreter.output)

    def _check(self, model: Path) -> None:
        empty = np.zeros((self.settings.length, self.settings.pieces), np.int32)
        try:
            first, _, again = (self._answer(ids) for ids in (empty, empty + self.settings.numbers - 1, empty))
        except ModelError as error:
            raise ModelError(
                f"{error}; input.text of its manifest has {self.settings.numbers} numbers: more than the model's table?"
            ) from error
        # TFLite's fused LSTM goes on from where its last run ended, which would make each answer depend on all before.
        if not np.array_equal(first, again):
            raise ModelError(f"{model}: keeps state from one run to the next; convert it with its LSTM layers unrolled")


def sigmoid(logits: Logits) -> npt.NDArray[np.float32]:
    """Of each logit by itself; none overflows."""
    probabilities: npt.NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * logits))
    return probabilities


def says_something(token: str) -> bool:
    """Whether a token is a word, a number, an emoticon or an emoji; not punctuation, nor what stands for damage."""
    if is_word(token):
        return True
    if token[0] == token[-1] == ":" and len(token) > 2:
        name = token.strip(":").replace("_", " ")
        try:
            return unicodedata.category(unicodedata.lookup(name)) == "So" and name != "replacement character"
        except KeyError:  # a symbol that this Python's Unicode has no name for
            return False
    return _PUNCTUATION.fullmatch(token) is None


def tokens_of(text: str) -> list[str]:
    """All tokens of a text of any length."""
    return [token for stretch in stretches(text) for token in tokenise(stretch)]


def stretches(text: str, most: int = MOST_CHARACTERS) -> Iterator[str]:
    """A text in stretches of at most `most` characters, cut at spaces where there are any."""
    begin = 0
    while len(text) - begin > most:
        end = begin + most
        space = max(text.rfind(" ", begin + 1, end), text.rfind("\n", begin + 1, end))
        end = space if space > begin else end
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _strongest(weights: list[Weight], most: int) -> tuple[Weight, ...]:
    """The strongest first; of equal ones, the first of the text."""
    telling = [weight for weight in weights if weight.change]
    return tuple(sorted(telling, key=lambda weight: -abs(weight.change))[:most])
