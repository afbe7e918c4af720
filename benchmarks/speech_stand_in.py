"""A microphone without a microphone, faster than time, and a pipeline that checks what it makes of its sound."""

from __future__ import annotations

from math import floor

import numpy as np

from edge.config import Config
from edge.observation import AudioBlock, Samples
from edge.pipeline.speech import Hop, SpeechPipeline
from edge.recognizers.speech_emotion import SpeechRecognizer
from edge.sources.sound import BLOCK_SECONDS, AudioSource, SoundFigures

RATE = 48000
"""Hertz."""

CLOCK_ERROR = 50e-6
"""By which the microphone's clock is fast, against the one that tells the time."""

MAX_DROPPED = 5
"""Blocks that are lost at once."""


class MicrophoneStandIn(AudioSource):
    """Plays a sound again and again as a live microphone would deliver it, only faster.

    Parameters
    ----------
    sound
        (n,) float32.
    blocks
        How many to capture, dropped ones included.
    drop
        Probability of a loss at each block; then 1 to 5 blocks are lost.
    """

    live = True
    name = "stand-in"

    def __init__(self, sound: Samples, *, blocks: int, drop: float = 0.0) -> None:
        self.rate = RATE
        self.figures = SoundFigures()
        self.losses = 0
        """Times that blocks were dropped."""
        self._size = round(RATE * BLOCK_SECONDS)
        self._sound = sound[: len(sound) // self._size * self._size]
        self._left = blocks
        self._position = 0
        self._drop = drop
        self._random = np.random.default_rng(0)

    def time(self, sample: float) -> float:
        """The steady clock when this sample is captured."""
        return sample / (RATE * (1 + CLOCK_ERROR))

    def read(self) -> AudioBlock | None:
        """The next block at once; None at the end, for this one has one."""
        # Not at the very end: what is dropped there nobody can notice.
        if self._position and self._left > MAX_DROPPED and self._random.random() < self._drop:
            dropped = int(self._random.integers(1, MAX_DROPPED + 1))
            self._left -= dropped
            self._position += dropped * self._size
            self.losses += 1
            self.figures.lost_samples += dropped * self._size
        if not self._left:
            return None
        start = self._position % len(self._sound)
        block = AudioBlock(
            samples=self._sound[start : start + self._size],
            rate=RATE,
            position=self._position,
            wall_time=1.7e9 + self.time(self._position),
            monotonic_time=self.time(self._position),
            source=self.name,
        )
        self._left -= 1
        self._position += self._size
        self.figures.blocks += 1
        return block

    def close(self) -> None:
        """Nothing is open."""
        self._left = 0


class CheckedPipeline(SpeechPipeline):
    """The pipeline, noting for each hop how far its time is from the source's clock.

    Parameters
    ----------
    recognizer, config
        As for `SpeechPipeline`.
    source
        Whose blocks will be heard.
    """

    def __init__(self, recognizer: SpeechRecognizer, config: Config, source: MicrophoneStandIn) -> None:
        super().__init__(recognizer, config)
        self.worst_drift = 0.0
        """Seconds; a hop that is missing or there twice shows as one of half a second."""
        self.missing_hops = 0
        """For which there was sound; without those that a gap cut off in the resampler."""
        self._source = source
        self._next = 0
        self._first = 0
        self._hops_since = 0

    def hear(self, block: AudioBlock) -> list[Hop]:
        if block.position != self._next:
            # What the resampler collects for a computation, and its filter's reach.
            self._count_missing(lag=2 * BLOCK_SECONDS)
            self._first, self._hops_since = block.position, 0
        self._next = block.position + len(block.samples)
        return self._check(super().hear(block))

    def finish(self) -> list[Hop]:
        hops = self._check(super().finish())
        self._count_missing(lag=0.0)
        return hops

    def _check(self, hops: list[Hop]) -> list[Hop]:
        for hop in hops:
            end = self.window_seconds + self._hops_since * self.step_seconds
            self._hops_since += 1
            drift = abs(hop.monotonic_time - self._source.time(self._first + end * RATE))
            self.worst_drift = max(self.worst_drift, drift)
        return hops

    def _count_missing(self, *, lag: float) -> None:
        """Sound without a gap has ended, of which the newest `lag` seconds could not be judged yet."""
        judged = (self._next - self._first) / RATE - lag - self.window_seconds
        # A rounding may keep a hop from being due by less than a sample.
        due = max(0, floor(judged / self.step_seconds + 1e-4) + 1)
        self.missing_hops += max(0, due - self._hops_since)
