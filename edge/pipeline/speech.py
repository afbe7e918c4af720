"""The speech path for successive blocks of sound: resample, log-mel, gate, recognize, smooth."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.config import Config
from edge.features.logmel import FloatArray, LogMelStream, normalise
from edge.features.resampling import Resampler
from edge.inference.catalog import find_model
from edge.observation import NO_SPEECH, AudioBlock, Observation
from edge.pipeline.smoothing import LabelSmoother
from edge.pipeline.speech_gate import SpeechGate
from edge.recognizers.speech_emotion import SpeechRecognizer

Heard = Literal["speech", "silence", "no speech"]


@dataclass
class SpeechFigures:
    """What a speech pipeline has done."""

    hops: int = 0
    """Windows of sound that were looked at."""
    silent: int = 0
    """Of these, those that the gate took for silence: nothing was computed."""
    no_speech: int = 0
    """Of these, those that the model took for something else than speech."""
    encoded: int = 0
    """Windows that went through the encoder."""
    gaps: int = 0
    """Times that sound was missing, and the context began anew."""


@dataclass(frozen=True, slots=True)
class Hop:
    """What was made of one window of sound; one comes every half second."""

    source: str
    wall_time: float
    """Seconds since the Unix epoch, UTC, of the window's end."""
    monotonic_time: float
    """Seconds of the source's steady clock, of the window's end."""
    heard: Heard
    level_dbfs: float
    """Of the newest half second's loud part, decibels from full scale."""
    probabilities: FloatArray | None = None
    """(labels,) of the model, calibrated and not smoothed; None in silence."""
    observation: Observation | None = None
    """Where speech was heard."""


class SpeechPipeline:
    """From the sound of one source to one observation every half second in which somebody speaks.

    Parameters
    ----------
    recognizer
        Reads the emotion.
    config
        The sections [speech] and [smoothing] are used.
    """

    def __init__(self, recognizer: SpeechRecognizer, config: Config) -> None:
        self._recognizer = recognizer
        self._settings = settings = recognizer.settings
        self._smoothing = config.smoothing
        chosen = config.smoothing.unsure_below
        self._unsure_below = recognizer.manifest.calibration.unsure_below if chosen is None else chosen
        self._no_speech = recognizer.labels.index(NO_SPEECH) if NO_SPEECH in recognizer.labels else None
        self._stream = LogMelStream(settings)
        self._gate = SpeechGate(settings, margin_db=config.speech.margin_db, silence_dbfs=config.speech.silence_dbfs)
        self._window = np.zeros((settings.frames, settings.bands), np.float32)
        self._embeddings = np.stack([recognizer.silent] * recognizer.windows)
        self._loud: deque[bool] = deque(maxlen=-(-settings.frames // settings.step))
        self._resampler: Resampler | None = None
        self.figures = SpeechFigures()
        """What was done since the pipeline was made."""
        self.reset()

    @classmethod
    def from_config(cls, config: Config) -> SpeechPipeline:
        """Load the models that a configuration names; raises `ModelError`."""
        model = find_model("speech-emotion", config.speech.model)
        return cls(
            SpeechRecognizer(model, threads=config.speech.threads, accelerator=config.speech.accelerator), config
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of a hop's probabilities."""
        return self._recognizer.labels

    @property
    def window_seconds(self) -> float:
        """Sound that one window reaches over: less than that cannot be judged."""
        settings = self._settings
        return ((settings.frames - 1) * settings.hop + settings.fft) / settings.rate

    @property
    def step_seconds(self) -> float:
        """From one hop to the next."""
        return self._settings.step_seconds

    def reset(self) -> None:
        """Forget what was heard, the noise floor too: what follows is another source. The figures go on."""
        self._last: AudioBlock | None = None
        self._gate.reset()
        self._begin(0)

    def __call__(self, block: AudioBlock) -> list[Observation]:
        """The observations that the next block of sound completes; mostly none, for blocks are short."""
        return [hop.observation for hop in self.hear(block) if hop.observation is not None]

    def hear(self, block: AudioBlock) -> list[Hop]:
        """Every hop that the next block of sound completes, in silence too."""
        last, self._last = self._last, block
        if self._resampler is None or self._resampler.source_rate != block.rate:
            self._resampler = Resampler(block.rate, self._settings.rate)
            self._begin(block.position)
        elif last is None:
            self._begin(block.position)
        elif block.position != last.position + len(last.samples):
            # What is missing would join two sounds that do not belong together.
            self.figures.gaps += 1
            self._begin(block.position)
        return self._take(self._resampler.feed(block.samples), block)

    def finish(self) -> list[Hop]:
        """The hops that still waited in the resampler at a source's end; the next block begins another sound."""
        block, self._last = self._last, None
        if block is None or self._resampler is None:
            return []
        return self._take(self._resampler.flush(), block)

    def _begin(self, position: int) -> None:
        """Sound begins at this sample of the source; nothing is known of what went before."""
        self._began = position
        self._steps = 0
        self._frames = 0
        self._quiet_hops = 0
        self._smoother: LabelSmoother | None = None
        self._embeddings[:] = self._recognizer.silent
        self._stream.reset()
        if self._resampler is not None:
            self._resampler.reset()

    def _take(self, samples: FloatArray, block: AudioBlock) -> list[Hop]:
        hops = []
        for decibels in self._stream.feed(samples):
            step = len(decibels)
            self._window[:-step] = self._window[step:]
            self._window[-step:] = decibels
            self._loud.append(self._gate(decibels))
            self._frames = min(self._frames + step, len(self._window))
            self._steps += 1
            if self._frames == len(self._window):
                hops.append(self._hop(*self._end(block), block.source))
        return hops

    def _end(self, block: AudioBlock) -> tuple[float, float]:
        """Wall and steady time of the end of the newest step.

        Told from the newest block, whose times the source vouches for: a rate that is not quite what it is called
        would add up to seconds in a day, were they counted from the beginning.
        """
        settings = self._settings
        seconds = ((self._steps - 1) * settings.step_samples + settings.block_samples) / settings.rate
        ahead = (self._began - block.position) / block.rate + seconds
        return block.wall_time + ahead, block.monotonic_time + ahead

    def _hop(self, wall_time: float, monotonic_time: float, source: str) -> Hop:
        self.figures.hops += 1
        heard, probabilities = self._judge()
        observation = None
        if heard == "speech":
            self._quiet_hops = 0
            assert probabilities is not None
            observation = self._observe(probabilities, wall_time, monotonic_time, source)
        else:
            self._quiet_hops += 1
            if self._quiet_hops >= self._recognizer.windows:
                self._smoother = None  # who speaks after so long a pause begins anew
        return Hop(source, wall_time, monotonic_time, heard, self._gate.level, probabilities, observation)

    def _judge(self) -> tuple[Heard, FloatArray | None]:
        """What the newest window holds, and the model's answer if it was asked."""
        self._embeddings[:-1] = self._embeddings[1:]
        if not any(self._loud):
            self._embeddings[-1] = self._recognizer.silent
            self.figures.silent += 1
            return "silence", None
        self._embeddings[-1] = self._recognizer.encode(normalise(self._window, self._settings))
        self.figures.encoded += 1
        probabilities = self._recognizer.classify(self._embeddings)
        if probabilities.argmax() == self._no_speech:
            self.figures.no_speech += 1
            return "no speech", probabilities
        return "speech", probabilities

    def _observe(
        self, probabilities: FloatArray, wall_time: float, monotonic_time: float, source: str
    ) -> Observation | None:
        if self._smoother is None:
            self._smoother = LabelSmoother(
                self.labels,
                half_life=self._smoothing.half_life,
                hysteresis=self._smoothing.hysteresis,
                unsure_below=self._unsure_below,
            )
        smoothed = self._smoother.update(probabilities, monotonic_time)
        if smoothed.label == NO_SPEECH:  # second in several hops may be first on average
            return None
        return Observation(
            modality="speech",
            source=source,
            wall_time=wall_time,
            monotonic_time=monotonic_time,
            label=smoothed.label,
            confidence=smoothed.confidence,
            probabilities=dict(zip(self.labels, smoothed.probabilities.tolist(), strict=True)),
            changed=smoothed.changed,
        )
