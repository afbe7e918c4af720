"""Recordings of RAVDESS for the speech benchmarks; edge.bench.sounds has sound that needs no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.bench.sounds import SPEECH_DBFS, level
from edge.errors import DataError
from edge.features.resampling import resample
from edge.observation import Samples
from edge.sources.sound import is_sound_file
from edge.sources.sound_file import SoundFileSource

_PAUSE_DB = 40.0
_CLIPS = 40


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
    clips = [level(_trim(_read(files[index], rate), rate), SPEECH_DBFS) for index in chosen]
    return np.resize(np.concatenate(clips), round(seconds * rate))


def _read(file: Path, rate: int) -> Samples:
    with SoundFileSource(file) as source:
        return resample(np.concatenate([block.samples for block in source]), source.rate, rate)


def _trim(clip: Samples, rate: int) -> Samples:
    """Without what is before the first and behind the last 20 ms that are near the loudest."""
    size = round(0.02 * rate)
    power = np.square(clip[: len(clip) // size * size]).reshape(-1, size).mean(axis=1)
    (loud,) = np.nonzero(power > power.max(initial=0) * 10 ** (-_PAUSE_DB / 10))
    return clip[loud[0] * size : (loud[-1] + 1) * size] if len(loud) else clip[:0]
