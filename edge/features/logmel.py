"""Log-mel spectrograms of sound, whole or as it comes in, and the windows of them that a speech model takes.

A spectrogram is computed in blocks of one step (half a second), from the first sample on: sums taken in another order
differ in their last bits, so only blocks that are always the same give the same numbers however the sound was cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

PRODUCT = 1 << 17
"""Multiplications of one matrix product, at most. OpenBLAS, which NumPy has in it, divides larger ones (above 2**18, or
somewhat more) among threads, and those spin when they are done: 20 ms of each core's time for half a millisecond."""

Normalization = Literal["window", "fixed"]


@dataclass(frozen=True, kw_only=True)
class LogMelSettings:
    """How sound becomes spectrograms; a speech model's manifest carries it."""

    # Manifests are read by pydantic, which must refuse what it does not know.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    rate: int = 16000
    """Hertz."""
    fft: int = 512
    """Samples of one frame, all of which its Hann window covers."""
    hop: int = 250
    """Samples from one frame to the next."""
    bands: int = 64
    low_hz: float = 60.0
    high_hz: float = 5200.0
    """Ends of the mel bands. CREMA-D has nothing above 5.4 kHz: bands beyond would tell the corpus, not the emotion."""
    floor: float = 1e-10
    """Least power of a band; -100 dB, where 16-bit sound has its rounding noise."""
    frames: int = 64
    """Frames of one window of the model."""
    step: int = 32
    """Frames from one window to the next."""
    normalization: Normalization = "window"
    """'window': each window's own mean and deviation, so that loudness does not matter; 'fixed': the two below."""
    mean: float = -50.0
    """Decibels; for 'fixed'."""
    deviation: float = 5.0
    """Decibels; for 'window' the least that a window is divided by, so that silence does not become noise."""

    def __post_init__(self) -> None:
        if min(self.rate, self.fft, self.hop, self.bands, self.frames, self.step) < 1:
            raise ValueError("rate, fft, hop, bands, frames and step are at least 1")
        if not 0 <= self.low_hz < self.high_hz <= self.rate / 2:
            raise ValueError(f"the bands from {self.low_hz:g} to {self.high_hz:g} Hz do not fit {self.rate} Hz sound")
        if not (0 < self.floor < inf and 0 < self.deviation < inf and isfinite(self.mean)):
            raise ValueError("floor and deviation are numbers above 0, and mean is a number")
        if self.step > self.frames:
            raise ValueError(f"a step of {self.step} frames leaves gaps between windows of {self.frames}")
        if self.hop > self.fft:
            raise ValueError(f"a hop of {self.hop} samples leaves gaps between frames of {self.fft}")

    @property
    def step_samples(self) -> int:
        """Samples from one step to the next."""
        return self.step * self.hop

    @property
    def block_samples(self) -> int:
        """Samples that the frames of one step reach over."""
        return (self.step - 1) * self.hop + self.fft

    @property
    def step_seconds(self) -> float:
        return self.step_samples / self.rate


def mel_filterbank(settings: LogMelSettings) -> FloatArray:
    """Triangular filters on Slaney's mel scale, each of unit area (Slaney 1998, "Auditory Toolbox"), as librosa's.

    Returns
    -------
    (fft // 2 + 1, bands) float32
        Weight of each of the spectrum's bins in each band.
    """
    edges = _mel_edges(settings)
    bins = np.linspace(0, settings.rate / 2, settings.fft // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))
    result: FloatArray = weights.astype(np.float32)
    return result


def mel_centres(settings: LogMelSettings) -> npt.NDArray[np.float64]:
    """(bands,) Hertz, the middle of each band."""
    return _mel_edges(settings)[1:-1]


def log_mel(samples: FloatArray, settings: LogMelSettings) -> FloatArray:
    """The log-mel spectrogram of a whole sound, the same numbers as `LogMelStream` gives for it.

    Parameters
    ----------
    samples
        (n,) float32 at `settings.rate`, full scale -1 to 1.

    Returns
    -------
    (frames, bands) float32
        Decibels; the frames that lie within the sound wholly, none if it is shorter than one.
    """
    frames = max(0, (len(samples) - settings.fft) // settings.hop + 1)
    steps = -(-frames // settings.step)
    stream = LogMelStream(settings)
    padded = np.zeros((steps - 1) * settings.step_samples + settings.block_samples if steps else 0, np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    return stream.feed(padded).reshape(-1, settings.bands)[:frames]


def normalise(window: FloatArray, settings: LogMelSettings) -> FloatArray:
    """What a model takes, from a window's decibels; (frames, bands) or (n, frames, bands) float32."""
    if settings.normalization == "fixed":
        fixed: FloatArray = (window - np.float32(settings.mean)) / np.float32(settings.deviation)
        return fixed
    centred = window - window.mean(axis=(-2, -1), keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=(-2, -1), keepdims=True))
    result: FloatArray = centred / np.maximum(deviation, np.float32(settings.deviation))
    return result


@dataclass
class LogMelStream:
    """The log-mel spectrogram of sound as it comes in, step by step.

    Memory is taken once; what is kept between calls is less than one step and a frame.
    """

    settings: LogMelSettings
    _waiting: FloatArray = field(init=False)
    _filled: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._waiting = np.zeros(self.settings.block_samples, np.float32)

    def feed(self, samples: FloatArray) -> FloatArray:
        """Take sound, of any length.

        Parameters
        ----------
        samples
            (n,) float32 at the settings' rate.

        Returns
        -------
        (steps, step, bands) float32
            Decibels of the steps that are now complete; often none.
        """
        steps = []
        while len(samples):
            taken = samples[: len(self._waiting) - self._filled]
            self._waiting[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            samples = samples[len(taken) :]
            if self._filled == len(self._waiting):
                steps.append(self._block())
                # The last frame of a step reaches into the next one.
                self._filled -= self.settings.step_samples
                self._waiting[: self._filled] = self._waiting[self.settings.step_samples :].copy()
        return np.stack(steps) if steps else np.empty((0, self.settings.step, self.settings.bands), np.float32)

    def reset(self) -> None:
        """Forget what waits: the sound that follows does not continue what came before."""
        self._filled = 0

    @cached_property
    def _hann(self) -> FloatArray:
        # Periodic, as spectral analysis wants it: the first sample of the next period is left out.
        fft = self.settings.fft
        window: FloatArray = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)).astype(np.float32)
        return window

    @cached_property
    def _filters(self) -> FloatArray:
        # Without the bins above the bands.
        filters = mel_filterbank(self.settings)
        return filters[: np.flatnonzero(filters.any(axis=1)).max(initial=0) + 1]

    def _block(self) -> FloatArray:
        """(step, bands) decibels of the step that is waiting."""
        frames = np.lib.stride_tricks.sliding_window_view(self._waiting, self.settings.fft)[:: self.settings.hop]
        spectrum = np.fft.rfft(frames * self._hann)[:, : len(self._filters)]
        power = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32)
        rows = max(1, PRODUCT // self._filters.size)
        bands = np.concatenate([power[row : row + rows] @ self._filters for row in range(0, len(power), rows)])
        result: FloatArray = np.float32(10) * np.log10(np.maximum(bands, np.float32(self.settings.floor)))
        return result


# Slaney's mel scale: linear below 1 kHz, logarithmic above.
_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27


def _mel_edges(settings: LogMelSettings) -> npt.NDArray[np.float64]:
    """(bands + 2,) Hertz: each band reaches from one to the next but one."""
    low, high = _hz_to_mel(np.array([settings.low_hz, settings.high_hz]))
    return _mel_to_hz(np.linspace(low, high, settings.bands + 2))


def _hz_to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, above)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)
