"""Sound for the speech benchmarks: recordings of RAVDESS, a synthesised voice that needs no data, and a quiet room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.features.resampling import resample
from edge.observation import AudioBlock, Samples
from edge.sources.sound import BLOCK_SECONDS, is_sound_file
from edge.sources.sound_file import SoundFileSource

SPEECH_DBFS = -26.0
"""Of the voice: root of the mean square, decibels below full scale."""

ROOM_DBFS = -75.0
"""A quiet room's noise."""

_PAUSE_DB = 40.0
_CLIPS = 40
_SAYING_SECONDS = 10.0


def recordings(folder: Path, seconds: float, rate: int) -> Samples:
    """Clips of RAVDESS one behind the other, the silence at their ends cut off, all equally loud.

    Parameters
    ----------
    folder
        Searched with its subfolders for RAVDESS's names of speech, 03-01-*.
    seconds, rate
        How much sound, and its rate in Hertz. The clips are repeated as needed.

    Raises
    ------
    DataError
        There are none.
    SourceError
        One cannot be read.
    """
    files = sorted(file for file in folder.rglob("03-01-*") if is_sound_file(file))
    if not files:
        raise DataError(f"{folder}: holds no recordings of RAVDESS, whose names begin with 03-01-")
    chosen = np.random.default_rng(0).choice(len(files), min(_CLIPS, len(files)), replace=False)
    clips = [_level(_trim(_read(files[index], rate), rate), SPEECH_DBFS) for index in chosen]
    return np.resize(np.concatenate(clips), round(seconds * rate))


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
    saying = _level((voice * 10 ** (loudness / 20)).astype(np.float32), SPEECH_DBFS)
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


def _read(file: Path, rate: int) -> Samples:
    with SoundFileSource(file) as source:
        return resample(np.concatenate([block.samples for block in source]), source.rate, rate)


def _trim(clip: Samples, rate: int) -> Samples:
    """Without what is before the first and behind the last 20 ms that are near the loudest."""
    size = round(0.02 * rate)
    power = np.square(clip[: len(clip) // size * size]).reshape(-1, size).mean(axis=1)
    (loud,) = np.nonzero(power > power.max(initial=0) * 10 ** (-_PAUSE_DB / 10))
    return clip[loud[0] * size : (loud[-1] + 1) * size] if len(loud) else clip[:0]


def _level(sound: Samples, dbfs: float) -> Samples:
    power = float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0
    gain: npt.NDArray[np.float32] = sound * np.float32(10 ** (dbfs / 20) / np.sqrt(max(power, 1e-20)))
    return gain
