"""Sound to be measured with: a synthesised voice that needs no data, and a quiet room."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.observation import AudioBlock, Samples
from edge.sources.sound import BLOCK_SECONDS

SPEECH_DBFS = -26.0
"""Of the voice: root of the mean square, decibels below full scale."""

ROOM_DBFS = -75.0
"""A quiet room's noise."""

_SAYING_SECONDS = 10.0


def synthesised(seconds: float, rate: int) -> Samples:
    """Something like speech: a voice of changing pitch with two formants, in syllables; it says the same again soon."""
    random = np.random.default_rng(0)
    count = round(min(seconds, _SAYING_SECONDS) * rate)
    moment = np.arange(count) / rate
    pitch = 140 + 35 * np.sin(2 * np.pi * 0.4 * moment) + 12 * np.sin(2 * np.pi * 1.7 * moment)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = 500 + 250 * np.sin(2 * np.pi * 2.1 * moment), 1600 + 500 * np.sin(2 * np.pi * 1.3 * moment)
    voice = np.zeros(count)
    for harmonic in range(1, 30):
        distances = (np.abs(harmonic * pitch - formant) / 300 for formant in formants)
        voice += np.cos(harmonic * phase) * sum(1 / (1 + np.square(distance)) for distance in distances)
    ends = np.cumsum(random.uniform(0.12, 0.3, round(_SAYING_SECONDS / 0.12) + 2))
    knots = np.sort(np.concatenate([ends, ends - 0.06]))
    loudness = np.interp(moment, knots, np.resize([-30.0, 0.0], len(knots)))
    saying = level((voice * 10 ** (loudness / 20)).astype(np.float32), SPEECH_DBFS)
    return np.resize(saying, round(seconds * rate)) + room(seconds, rate)


def room(seconds: float, rate: int) -> Samples:
    """The noise of a room in which nobody speaks: even, at -75 dBFS."""
    noise = np.random.default_rng(1).normal(0, 10 ** (ROOM_DBFS / 20), round(seconds * rate))
    return noise.astype(np.float32)


def cut(sound: Samples, rate: int, *, position: int, source: str) -> list[AudioBlock]:
    """Blocks as a source hands them out; their steady time begins with the source, 0 at position 0.

    Parameters
    ----------
    sound
        (n,) float32.
    rate
        Hertz.
    position
        Number of its first sample.
    source
        Name of the source.
    """
    size = round(rate * BLOCK_SECONDS)
    return [
        AudioBlock(
            samples=sound[start : start + size],
            rate=rate,
            position=position + start,
            wall_time=1e9 + (position + start) / rate,
            monotonic_time=(position + start) / rate,
            source=source,
        )
        for start in range(0, len(sound), size)
    ]


def level(sound: Samples, dbfs: float) -> Samples:
    """The same sound, as loud as that."""
    power = float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0
    gain: npt.NDArray[np.float32] = sound * np.float32(10 ** (dbfs / 20) / np.sqrt(max(power, 1e-20)))
    return gain
