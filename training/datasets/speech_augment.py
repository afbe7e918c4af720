"""What happens to a voice on its way to a microphone, done to spectrograms: cheap enough to be new in every epoch.

Tempo and pitch are interpolated, room and noise are computed with the bands' power (phases are ignored: of two sounds
that are independent, powers add up on average). Masks: SpecAugment (Park et al. 2019).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from edge.features.logmel import LogMelSettings, mel_centres
from training.recipe_parts import SpeechAugmentation

FloatArray = npt.NDArray[np.float32]


def vary(
    voice: FloatArray,
    noises: list[npt.NDArray[np.float16]],
    options: SpeechAugmentation,
    settings: LogMelSettings,
    rng: np.random.Generator,
) -> FloatArray:
    """Another take of the same recording.

    Parameters
    ----------
    voice
        (frames, bands) decibels.
    noises
        Spectrograms of sounds that may lie under the voice; stationary noise is made here.

    Returns
    -------
    (other frames, bands) float32
    """
    voice = warp(
        voice,
        math.exp(rng.uniform(-options.stretch, options.stretch)),
        math.exp(rng.uniform(-options.pitch, options.pitch)),
        settings,
    )
    if rng.random() < options.room:
        voice = reverberate(voice, rng.uniform(0.1, 0.7), rng.uniform(-12, 3), settings)
    if rng.random() < options.noise:
        level = loudness(voice) - rng.uniform(*options.noise_decibels)
        voice = add_power(voice, _noise(voice.shape, level, noises, rng))
    voice = voice + (_colour(voice.shape[1], options.colour, rng) + np.float32(rng.normal(0, options.gain)))
    result: FloatArray = np.maximum(voice, np.float32(10 * math.log10(settings.floor)))
    return result


def loudness(decibels: FloatArray) -> float:
    """Decibels that a tenth of the frames exceed in their strongest band."""
    peaks = np.sort(decibels.max(axis=1))
    return float(peaks[int(0.9 * (len(peaks) - 1))])


def warp(voice: FloatArray, tempo: float, pitch: float, settings: LogMelSettings) -> FloatArray:
    """Slower by `tempo` and higher by `pitch`, both factors: formants move too, as with a smaller speaker."""
    frames = max(2, round(len(voice) * tempo))
    voice = _sample(voice, np.linspace(0, len(voice) - 1, frames))
    centres = mel_centres(settings)
    places = np.interp(centres / pitch, centres, np.arange(len(centres))).astype(np.float64)
    higher: FloatArray = _sample(voice.T, places).T
    return higher


def reverberate(voice: FloatArray, seconds: float, decibels: float, settings: LogMelSettings) -> FloatArray:
    """With a room's tail behind: an exponential decay by 60 dB in `seconds`, its power `decibels` over the voice's."""
    keep = 10 ** (-6 * settings.hop / settings.rate / seconds)
    power = np.exp(voice * _NEPER)
    tail = lfilter(np.array([0, 1 - keep], np.float32), np.array([1, -keep], np.float32), power, axis=0)
    result: FloatArray = np.log(power + np.float32(10 ** (decibels / 10)) * tail) / _NEPER
    return result


def add_power(voice: FloatArray, noise: FloatArray) -> FloatArray:
    """Two sounds at once."""
    result: FloatArray = np.log(np.exp(voice * _NEPER) + np.exp(noise * _NEPER)) / _NEPER
    return result


_NEPER = np.float32(math.log(10) / 10)
"""Natural logarithm of the power in one decibel."""


def stationary(shape: tuple[int, int], level: FloatArray | float, rng: np.random.Generator) -> FloatArray:
    """Noise around `level` decibels: a band's power in a frame is distributed exponentially."""
    frames, bands = shape
    # A part of a long piece of noise that was made once: the logarithms would take a third of all the time.
    begin = int(rng.integers(0, _PIECE_FRAMES - frames)) if frames < _PIECE_FRAMES else 0
    piece = _piece()[begin : begin + frames]
    if len(piece) < frames or bands > piece.shape[1]:
        piece = np.resize(piece, shape)
    first = int(rng.integers(0, piece.shape[1] - bands + 1))
    return piece[:, first : first + bands] + np.asarray(level, np.float32)


_PIECE_FRAMES = 4096


@lru_cache(maxsize=1)
def _piece() -> FloatArray:
    """(frames, bands and as many more) decibels of noise around 0."""
    power = np.random.default_rng(0).exponential(size=(_PIECE_FRAMES, 256)).astype(np.float32)
    result: FloatArray = 10 * np.log10(power + np.float32(1e-4))
    return result


def stationary_noise(shape: tuple[int, int], level: float, rng: np.random.Generator) -> FloatArray:
    """Noise of any colour, its strongest band at `level` decibels."""
    # Most noises fall with frequency: rooms, traffic, fans.
    slope = np.linspace(0, rng.uniform(-30, 3), shape[1])
    colour = slope + _colour(shape[1], 3.0, rng)
    return stationary(shape, (level + colour - colour.max()).astype(np.float32), rng)


def mask(windows: FloatArray, options: SpeechAugmentation, rng: np.random.Generator) -> None:
    """Blank stretches of time and of bands in normalised windows, (n, frames, bands), in place: with their mean, 0."""
    _, frames, bands = windows.shape
    for window in windows:
        if options.mask_frames:
            length = int(rng.integers(0, options.mask_frames + 1))
            begin = int(rng.integers(0, frames - length + 1))
            window[begin : begin + length] = 0
    for _ in range(2):
        if options.mask_bands:
            width = int(rng.integers(0, options.mask_bands + 1))
            begin = int(rng.integers(0, bands - width + 1))
            windows[:, :, begin : begin + width] = 0


def _noise(
    shape: tuple[int, int], level: float, noises: list[npt.NDArray[np.float16]], rng: np.random.Generator
) -> FloatArray:
    frames = shape[0]
    if noises and rng.random() < 0.5:
        sound = noises[int(rng.integers(len(noises)))]
        begin = int(rng.integers(0, max(1, len(sound) - frames)))
        part = np.resize(sound[begin : begin + frames], shape).astype(np.float32)
        lowered: FloatArray = part + np.float32(level - loudness(part))
        return lowered
    return stationary_noise(shape, level, rng)


def _colour(bands: int, decibels: float, rng: np.random.Generator) -> FloatArray:
    """A smooth curve over the bands: a slope and two bends, each with this standard deviation in its amplitude."""
    result: FloatArray = (rng.normal(0, decibels, 3) @ _curves(bands)).astype(np.float32)
    return result


@lru_cache(maxsize=4)
def _curves(bands: int) -> npt.NDArray[np.float64]:
    at = np.linspace(-1, 1, bands)
    return np.stack([at, np.cos(np.pi * at), np.sin(2 * np.pi * at)])


def _sample(rows: FloatArray, places: npt.NDArray[np.floating]) -> FloatArray:
    """Rows at places between them, by linear interpolation."""
    below = np.minimum(places.astype(np.intp), max(0, len(rows) - 2))
    part = (places - below).astype(np.float32)[:, None]
    above = np.minimum(below + 1, len(rows) - 1)
    result: FloatArray = (1 - part) * rows[below] + part * rows[above]
    return result
