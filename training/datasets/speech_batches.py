"""Spectrograms as the windows that the network takes, for training and for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edge.features.logmel import LogMelSettings, normalise
from training.datasets.speech_augment import mask, stationary, stationary_noise, vary
from training.datasets.speech_corpora import SOUNDS
from training.datasets.speech_spectra import Spectrum
from training.recipe_parts import SpeechAugmentation

FloatArray = npt.NDArray[np.float32]
Batch = tuple[FloatArray, FloatArray]

LEAST_FRAMES = 8
"""Frames of voice in a window below which a gate may take it as silent."""


def context_frames(windows: int, settings: LogMelSettings) -> int:
    """Frames that so many windows reach over."""
    return settings.frames + (windows - 1) * settings.step


def cut_windows(decibels: FloatArray, settings: LogMelSettings) -> FloatArray:
    """Every window of a spectrogram, normalised: (frames, bands) -> (windows, frames, bands), the oldest first."""
    view = np.lib.stride_tricks.sliding_window_view(decibels, settings.frames, axis=0)[:: settings.step]
    return normalise(np.ascontiguousarray(view.swapaxes(1, 2)), settings)


def clip_windows(spectrum: Spectrum, windows: int, settings: LogMelSettings) -> FloatArray:
    """A recording as the device would see it when the voice ends: (windows, frames, bands).

    The last window ends with the voice; before it come zeros, a silence that the gate keeps away; of a recording that
    is longer than the context, the middle.
    """
    voice = spectrum.spoken
    most = context_frames(windows, settings)
    if len(voice) > most:
        begin = (len(voice) - most) // 2
        return cut_windows(voice[begin : begin + most], settings)
    count = max(1, -(-(len(voice) - settings.frames) // settings.step) + 1)
    reach = context_frames(count, settings)
    padded = np.repeat(_quiet(voice)[None], reach, axis=0)
    padded[reach - len(voice) :] = voice
    result = np.zeros((windows, settings.frames, settings.bands), np.float32)
    result[windows - count :] = cut_windows(padded, settings)
    return result


class SpeechBatches:
    """Training batches, the same for the same epoch, index and seed.

    Parameters
    ----------
    spectra
        Of the training speakers.
    targets
        (n, classes) what the network is asked to answer.
    noises
        Sounds to put under the voices.
    most
        Recordings of a corpus in one epoch at most.
    """

    def __init__(
        self,
        spectra: Sequence[Spectrum],
        targets: FloatArray,
        noises: Sequence[Spectrum],
        options: SpeechAugmentation,
        settings: LogMelSettings,
        *,
        windows: int,
        batch_size: int,
        seed: int,
        most: Mapping[str, int] | None = None,
    ) -> None:
        self.epoch = 0
        self._spectra = spectra
        self._quiet = [_quiet(each.spoken) for each in spectra]
        self._targets = targets
        self._noises = [each.decibels for each in noises]
        self._options = options
        self._settings = settings
        self._windows = windows
        self._batch_size = batch_size
        self._seed = seed
        self._most = most or {}
        self._corpora = np.array([each.clip.corpus for each in spectra])

    def __len__(self) -> int:
        return len(self._order()) // self._batch_size

    def __getitem__(self, index: int) -> Batch:
        """(batch, windows, frames, bands) normalised windows and their (batch, classes) targets."""
        picked = self._order()[index * self._batch_size : (index + 1) * self._batch_size]
        seeds = np.random.SeedSequence((self._seed, self.epoch, index)).spawn(len(picked) + 1)
        takes = [self._take(number, np.random.default_rng(seed)) for number, seed in zip(picked, seeds, strict=False)]
        x, y = np.stack(takes), self._targets[picked]
        return self._mix(x, y, np.random.default_rng(seeds[-1]))

    def _order(self) -> npt.NDArray[np.intp]:
        """The recordings of this epoch."""
        order = np.random.default_rng((self._seed, self.epoch)).permutation(len(self._spectra))
        for corpus, most in self._most.items():
            theirs = self._corpora[order] == corpus
            order = order[~theirs | (np.cumsum(theirs) <= most)]
        return order

    def _take(self, number: int, rng: np.random.Generator) -> FloatArray:
        settings, options = self._settings, self._options
        spectrum = self._spectra[number]
        voice = vary(spectrum.spoken, self._noises, options, settings, rng)
        if spectrum.clip.corpus == SOUNDS and rng.random() < options.noise_alone:
            voice = stationary_noise(voice.shape, rng.uniform(-70, -20), rng)
        reach = context_frames(self._windows, settings)
        # Anywhere in the context, the end cut off now and then: the device looks at every half second.
        free = reach - len(voice)
        begin = int(rng.integers(0, free + settings.step // 2 + 1) if free >= 0 else rng.integers(free, 1))
        scene = stationary((reach, settings.bands), self._quiet[number], rng)
        first, last = max(0, begin), min(reach, begin + len(voice))
        scene[first:last] = voice[first - begin : last - begin]
        windows = cut_windows(scene, settings)
        mask(windows, options, rng)
        starts = np.arange(self._windows) * settings.step
        voiced = np.minimum(starts + settings.frames, last) - np.maximum(starts, first)
        windows[(voiced < LEAST_FRAMES) & (rng.random(self._windows) < options.gate)] = 0
        return windows

    def _mix(self, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> Batch:
        """Mixup (Zhang et al. 2018) on a part of the batch."""
        if self._options.mixup == 0:
            return x, y
        part = rng.beta(self._options.mixup_alpha, self._options.mixup_alpha, size=len(x)).astype(np.float32)
        part[rng.random(len(x)) >= self._options.mixup] = 1.0
        other = rng.permutation(len(x))
        return (
            part[:, None, None, None] * x + (1 - part[:, None, None, None]) * x[other],
            part[:, None] * y + (1 - part[:, None]) * y[other],
        )


def _quiet(voice: FloatArray) -> FloatArray:
    """(bands,) decibels of the recording's own background."""
    result: FloatArray = np.percentile(voice, 5, axis=0).astype(np.float32)
    return result
