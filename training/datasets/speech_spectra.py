"""From recordings to log-mel spectrograms in memory: decoded, resampled, cleaned of what contradicts itself."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.logmel import LogMelSettings, log_mel
from edge.features.resampling import resample
from training.datasets.speech_corpora import Clip

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
Analysed = tuple[str, tuple[npt.NDArray[np.float16], int, int] | None]

SPOKEN_DECIBELS = 35.0
"""Frames within so much of the clip's loudest one are spoken; what lies before and after all of them is trimmed."""

MARGIN_FRAMES = 8
"""Kept on either side: consonants are softer."""

LEAST_PEAK = 1e-3
"""A recording that never exceeds it is silence: -60 dB of full scale."""

CHUNK = 64
"""Recordings that a process is given at a time."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One recording as a spectrogram."""

    clip: Clip
    decibels: npt.NDArray[np.float16]
    """(frames, bands) of the whole recording."""
    begin: int
    """First frame of what is spoken."""
    end: int
    """Frame after the last."""

    @property
    def spoken(self) -> FloatArray:
        """(frames, bands) float32 from the first spoken frame to the last."""
        return self.decibels[self.begin : self.end].astype(np.float32)


@dataclass
class Cleaning:
    """What was left out, and why."""

    read: int = 0
    silent: list[str] = field(default_factory=list)
    contradictory: list[str] = field(default_factory=list)
    """The same sound under two emotions."""
    doubles: list[str] = field(default_factory=list)
    """The same sound again under the same emotion."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "silent": self.silent,
            "contradictory": self.contradictory,
            "doubles": self.doubles,
        }


def read_spectra(
    clips: Sequence[Clip], settings: LogMelSettings, *, processes: int = 2, progress: bool = True
) -> tuple[list[Spectrum], Cleaning]:
    """Decode and analyse all clips, in their order, without those that `Cleaning` names.

    Parameters
    ----------
    processes
        That share the work; with 1, or for a handful of clips, this one does it.

    Raises
    ------
    DataError
        A recording cannot be decoded, or none is left.
    """
    analyse = partial(_analyse, settings=settings)
    with ExitStack() as stack:
        found: Iterator[Analysed] = map(analyse, clips)
        if processes > 1 and len(clips) > CHUNK:
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn")))
            found = pool.map(analyse, clips, chunksize=CHUNK)
        analysed = list(tqdm(found, total=len(clips), desc="spectrograms", unit="clip", disable=not progress))
    spectra: list[Spectrum] = []
    cleaning = Cleaning(read=len(clips))
    same: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip, (digest, spectrum) in zip(clips, analysed, strict=True):
        if spectrum is not None:
            same[digest].append(clip)
    for clip, (digest, spectrum) in zip(clips, analysed, strict=True):
        name = clip.path.name
        if spectrum is None:
            cleaning.silent.append(name)
        elif len({other.emotion for other in same[digest]}) > 1:
            cleaning.contradictory.append(name)
        elif same[digest][0] is not clip:
            cleaning.doubles.append(name)
        else:
            spectra.append(Spectrum(clip, *spectrum))
    if not spectra:
        raise DataError("no recording is left: all are silent or contradict each other")
    logger.info("cleaned: %s", cleaning.as_dict())
    return spectra, cleaning


def _analyse(clip: Clip, *, settings: LogMelSettings) -> Analysed:
    """Digest of the sound, and its decibels with begin and end of what is spoken; None for silence."""
    samples = read_sound(clip, settings.rate)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    if samples.size == 0 or np.abs(samples).max() < LEAST_PEAK:
        return digest, None
    # A clip that is shorter than one window is as if silence followed.
    least = settings.frames * settings.hop + settings.fft
    decibels = log_mel(np.pad(samples, (0, max(0, least - len(samples)))), settings)
    level = decibels.max(axis=1)
    loud = np.flatnonzero(level > level.max() - SPOKEN_DECIBELS)
    begin = max(0, int(loud[0]) - MARGIN_FRAMES)
    end = min(len(decibels), int(loud[-1]) + 1 + MARGIN_FRAMES)
    return digest, (decibels.astype(np.float16), begin, end)


def read_sound(clip: Clip, rate: int) -> FloatArray:
    """A recording as (n,) mono float32 at `rate` Hertz; `DataError` where it cannot be decoded."""
    import soundfile

    try:
        samples, own_rate = soundfile.read(str(clip.path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{clip.path}: cannot be decoded: {error}") from None
    if not np.isfinite(samples).all():
        raise DataError(f"{clip.path}: has samples that are not finite numbers; convert it again, or delete it")
    return resample(np.ascontiguousarray(samples.mean(axis=1)), own_rate, rate)
