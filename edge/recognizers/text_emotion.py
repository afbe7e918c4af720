"""From text to calibrated probabilities of the emotions that its words express."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.features.words import MOST_CHARACTERS, is_word, sentences, tokenise
from edge.inference import Accelerator
from edge.inference.manifest import Manifest
from edge.observation import UNSURE
from edge.recognizers.text_model import FAMILIAR, TextModel, Weight, says_something, sigmoid, stretches

_LONGEST_WORD: Final = 1000
"""Characters without a space that are looked at together when a sentence is cut."""


@dataclass(frozen=True, slots=True)
class TextEmotion:
    """What a text expresses."""

    probabilities: npt.NDArray[np.float32] = field(compare=False)
    """(labels,) float32, each by itself: a text may express several emotions, so they need not add up to 1."""
    label: str
    """The most probable label; `UNSURE` where the confidence is too low or the language another one."""
    confidence: float
    """Probability of the most probable label, 0 to 1 (also when `label` is `UNSURE`)."""
    present: tuple[str, ...]
    """The labels that reach their thresholds, the most probable first; none in another language."""
    words: int
    """Without punctuation, numbers and symbols."""
    known: float
    """Share of the words in the vocabulary, 0 to 1; of the other tokens where there is no word."""
    ratings: Mapping[str, float] = field(default_factory=dict, hash=False)
    """1 to 5, such as those of valence, arousal and dominance, of a model that has them; none in another language."""

    @property
    def familiar(self) -> bool:
        """Whether it is in the language that the model was made for, as far as its vocabulary tells."""
        return self.known >= FAMILIAR


class TextRecognizer:
    """A loaded text-emotion model.

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
        The file is damaged, of another task, or not what its manifest says; see `TextModel`.
    """

    def __init__(self, model: Path, *, threads: int = 1, accelerator: Accelerator = "cpu") -> None:
        self._model = TextModel(model, task="text-emotion", threads=threads, accelerator=accelerator)
        calibration = self.manifest.calibration
        self._thresholds = np.array(calibration.thresholds or [0.5] * len(self.labels), np.float32)
        self._unsure_below = calibration.unsure_below

    @property
    def manifest(self) -> Manifest:
        return self._model.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.manifest.labels

    @property
    def length(self) -> int:
        """Tokens that are read at once."""
        return self._model.settings.length

    def recognize(self, text: str) -> TextEmotion | None:
        """What the first `length` tokens of a text express; `parts` cuts longer ones.

        Returns
        -------
        None where there is nothing to read: nothing at all, or only control characters and punctuation.
        """
        tokens = tokenise(text)[: self.length]
        if not any(map(says_something, tokens)):
            return None
        logits, ratings = self._model.answer(tokens)
        probabilities = sigmoid(logits)
        order = np.argsort(-probabilities, kind="stable")
        confidence, known = float(probabilities[order[0]]), self._model.known(tokens)
        present = [self.labels[place] for place in order if probabilities[place] >= self._thresholds[place]]
        sure = known >= FAMILIAR and confidence >= self._unsure_below
        return TextEmotion(
            probabilities=probabilities,
            label=self.labels[order[0]] if sure else UNSURE,
            confidence=confidence,
            present=tuple(present) if known >= FAMILIAR else (),
            words=sum(map(is_word, tokens)),
            known=known,
            ratings=ratings if known >= FAMILIAR else {},
        )

    def parts(self, text: str) -> list[str]:
        """What is recognized each by itself, so that all of a text is read.

        Returns
        -------
        The text where it fits in `length` tokens, else its sentences; a sentence that does not fit is cut between words
        into runs that do. Nothing where there is no token.
        """
        # What has more words than that surely has more tokens, and need not be counted as a whole.
        if len(text) <= MOST_CHARACTERS and len(text.split(None, self.length)) <= self.length:
            count = len(tokenise(text))
            if count <= self.length:
                return [text] if count else []
        found: list[str] = []
        for stretch in stretches(text):
            for sentence in sentences(stretch):
                count = len(tokenise(sentence))
                if count > self.length:
                    found += self._runs(sentence)
                elif count:
                    found.append(sentence)
        return found

    def weighed(self, text: str, most: int = 5) -> dict[str, tuple[Weight, ...]]:
        """For each label the words that weigh most in the answer to the first `length` tokens.

        Found by leaving each out: at most `length` + 1 runs of the model.
        """
        return self._model.weigh(tokenise(text)[: self.length], most=most)

    def _runs(self, sentence: str) -> Iterator[str]:
        run: list[str] = []
        count = 0
        seen: dict[str, list[tuple[str, int]]] = {}
        # Tokens never reach across a space, so that those of a run are those of its words together.
        for word in sentence.split():
            if word not in seen:
                seen[word] = list(self._pieces(word))
            for piece, tokens in seen[word]:
                if run and count + tokens > self.length:
                    yield " ".join(run)
                    run, count = [], 0
                run.append(piece)
                count += tokens
        yield " ".join(run)

    def _pieces(self, word: str) -> Iterator[tuple[str, int]]:
        """What stands between two spaces, halved, at a border of words where it can be, until each piece fits.

        With each the number of its tokens.
        """
        waiting = list(stretches(word, _LONGEST_WORD))[::-1]
        while waiting:
            piece = waiting.pop()
            tokens = len(tokenise(piece))
            if tokens <= self.length or len(piece) < 2:
                yield piece, tokens
                continue
            half = len(piece) // 2
            borders = (found.start() for found in re.finditer(r"\b", piece) if 0 < found.start() < len(piece))
            cut = min(borders, key=lambda border: abs(border - half), default=half)
            waiting += [piece[cut:], piece[:cut]]
