"""The text path: a line in, one observation for each part of it that the model reads at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.config import Config
from edge.inference.catalog import find_model
from edge.observation import Observation, TextLine
from edge.recognizers.text_emotion import TextRecognizer


@dataclass
class TextPipelineFigures:
    """What a text pipeline has done."""

    lines: int = 0
    """Lines that were read."""
    wordless: int = 0
    """Of these, those with nothing to read: empty, or only punctuation and control characters."""
    observations: int = 0
    """Parts of lines in which something was read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one part of a line; a line that fits into the model is one part."""

    text: str = field(repr=False)
    """The part itself. It goes no further than whoever asked to be shown it: sinks are given the observation alone."""
    observation: Observation


class TextPipeline:
    """From the lines of one source to observations, one for each line, or for each sentence of a long one.

    Each is an utterance by itself: nothing is smoothed over time, and the threshold of 'unsure' is the model's own.

    Parameters
    ----------
    recognizer
        Reads the emotion.
    """

    def __init__(self, recognizer: TextRecognizer) -> None:
        self._recognizer = recognizer
        self._label: str | None = None
        self.figures = TextPipelineFigures()
        """What was done since the pipeline was made."""

    @classmethod
    def from_config(cls, config: Config) -> TextPipeline:
        """Load the model that a configuration names; raises `ModelError`."""
        model = find_model("text-emotion", config.text.model)
        return cls(TextRecognizer(model, threads=config.text.threads, accelerator=config.text.accelerator))

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of an observation's probabilities."""
        return self._recognizer.labels

    def __call__(self, line: TextLine) -> list[Observation]:
        """The observations of a line; none where there is nothing to read in it."""
        return [reading.observation for reading in self.read(line)]

    def read(self, line: TextLine) -> Iterator[Reading]:
        """Read a line part by part: each is read when it is asked for, for a line may be long."""
        self.figures.lines += 1
        is_wordless = True
        for part in self._recognizer.parts(line.text):
            emotion = self._recognizer.recognize(part)
            if emotion is None:
                continue
            is_wordless = False
            self.figures.observations += 1
            yield Reading(
                part,
                Observation(
                    modality="text",
                    source=line.source,
                    wall_time=line.wall_time,
                    monotonic_time=line.monotonic_time,
                    label=emotion.label,
                    confidence=emotion.confidence,
                    probabilities=dict(zip(self.labels, emotion.probabilities.tolist(), strict=True)),
                    changed=emotion.label != self._label,
                ),
            )
            self._label = emotion.label
        self.figures.wordless += is_wordless
