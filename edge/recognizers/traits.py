"""From a long text to scores of the five traits of personality (Big Five), with what such scores were worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import ModelError
from edge.features.words import is_word
from edge.inference import Accelerator
from edge.inference.manifest import Band, Manifest
from edge.recognizers.text_model import FAMILIAR, TextModel, Weight, sigmoid, tokens_of


@dataclass(frozen=True, slots=True)
class Trait:
    """One trait's score."""

    label: str
    percentage: int
    """How probable the model takes it that the writer is above the middle of the writers it learned from, 0 to 100."""
    band: Band
    """How often writers of texts with such a score were, with its interval."""


@dataclass(frozen=True, slots=True)
class Traits:
    """The scores of one text."""

    words: int
    """Without punctuation, numbers and symbols."""
    known: float
    """Share of them in the vocabulary, 0 to 1."""
    traits: tuple[Trait, ...]


@dataclass(frozen=True, slots=True)
class TooShort:
    """A text of fewer words than the model was measured on."""

    words: int
    least_words: int


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """A text of which too few words are in the vocabulary."""

    words: int
    known: float


class TraitRecognizer:
    """A loaded trait model.

    Parameters
    ----------
    model
        The .tflite file, with its manifest beside it.
    threads
        Of the interpreter.
    accelerator
        What computes: see `edge.inference.accelerator`.

    Raises
    ------
    ModelError
        The file is damaged, of another task, or not what its manifest says (see `TextModel`); it was not measured yet.
    """

    def __init__(self, model: Path, *, threads: int = 1, accelerator: Accelerator = "cpu") -> None:
        self._model = TextModel(model, task="traits", threads=threads, accelerator=accelerator)
        if self.manifest.traits is None:
            raise ModelError(
                f"{model}: not measured yet: its manifest has no 'traits', without which a score says nothing; run its "
                "evaluation first"
            )
        self._scores = self.manifest.traits

    @property
    def manifest(self) -> Manifest:
        return self._model.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the scores."""
        return self.manifest.labels

    def read(self, text: str) -> Traits | TooShort | OtherLanguage:
        """The scores of a whole text: of runs of `length` tokens, the logits averaged by their lengths."""
        tokens = tokens_of(text)
        words = sum(map(is_word, tokens))
        if words < self._scores.least_words:
            return TooShort(words, self._scores.least_words)
        known = self._model.known(tokens)
        if known < FAMILIAR:
            return OtherLanguage(words, known)
        scores = sigmoid(self._model.mean_logits(self._model.runs(tokens))).tolist()
        return Traits(
            words,
            known,
            tuple(
                Trait(label, round(100 * score), self._scores.band(label, score))
                for label, score in zip(self.labels, scores, strict=True)
            ),
        )

    def weighed(self, text: str, most: int = 5) -> dict[str, tuple[Weight, ...]]:
        """For each trait the words that weigh most, found by leaving each out everywhere.

        It costs a run of the model for each different word of each `length` tokens: of longer texts four such runs of
        tokens are looked at, evenly spread (see `TextModel.weigh`).
        """
        return self._model.weigh(tokens_of(text), most=most)
