from __future__ import annotations

import tracemalloc
from itertools import pairwise
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.features import resampling
from edge.features.resampling import Resampler, resample

FloatArray = npt.NDArray[np.float32]

TARGET = 16000
LOWER = [22050, 24000, 32000, 37800, 44100, 48000, 88200, 96000, 192000]
HIGHER = [8000, 11025, 12000]
ODD = [16001, 12345]


def noise(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def tone(hertz: float, rate: int, seconds: float = 0.1) -> npt.NDArray[np.float64]:
    """The phase is chosen so that no sample of a tone at the Nyquist frequency is 0."""
    wave: npt.NDArray[np.float64] = np.cos(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + 0.5)
    return wave


def inner(sound: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Without the ends, where the sound begins and stops at once."""
    return sound[len(sound) // 4 : -len(sound) // 4]


def decibels(amplitude: float) -> float:
    return float(20 * np.log10(max(amplitude, 1e-12)))


def cut(sound: FloatArray, places: list[int]) -> list[FloatArray]:
    return [sound[begin:end] for begin, end in pairwise([0, *sorted(places), len(sound)])]


@pytest.mark.parametrize("rate", [*LOWER, *HIGHER, *ODD, TARGET])
def test_however_the_sound_is_cut_the_numbers_are_equal(rate: int) -> None:
    sound = noise(rate // 4 + 17)
    whole = resample(sound, rate, TARGET)
    assert len(whole) == round(len(sound) * TARGET / rate)
    rng = np.random.default_rng(rate)
    for pieces in (
        cut(sound, rng.integers(0, len(sound), 30).tolist()),
        cut(sound, list(range(441, len(sound), 441))),
        list(sound.reshape(-1, 1)),
    ):
        resampler = Resampler(rate, TARGET)
        parts = [resampler.feed(piece) for piece in pieces] + [resampler.flush()]
        assert np.array_equal(np.concatenate(parts), whole)


def test_after_the_end_and_after_a_reset_the_next_sound_begins_afresh() -> None:
    first, second = noise(5000, 1), noise(30000, 2)
    resampler = Resampler(44100, TARGET)
    expected = resample(second, 44100, TARGET)
    resampler.feed(first)
    resampler.flush()
    assert np.array_equal(np.concatenate([resampler.feed(second), resampler.flush()]), expected)
    resampler.feed(first)
    resampler.reset()
    assert np.array_equal(np.concatenate([resampler.feed(second), resampler.flush()]), expected)


@pytest.mark.parametrize("rate", [*LOWER, *HIGHER, *ODD])
@pytest.mark.parametrize("count", [0, 1, 2, 100, 4001])
def test_short_sounds_have_their_length(rate: int, count: int) -> None:
    made = resample(noise(count), rate, TARGET)
    assert made.dtype == np.float32
    assert len(made) == round(count * TARGET / rate)


def test_an_equal_rate_leaves_sound_alone() -> None:
    sound = noise(1000)
    assert np.array_equal(resample(sound, TARGET, TARGET), sound)


@pytest.mark.parametrize("rate", LOWER)
def test_the_band_is_flat_and_aligned_to_a_lower_rate(rate: int) -> None:
    for hertz in (60, 500, 1000, 3000, 5200, 6000):
        made = resample(tone(hertz, rate).astype(np.float32), rate, TARGET)
        # The difference holds gain, shift in time and everything that the filter adds.
        error = np.abs(inner(made - tone(hertz, TARGET)[: len(made)])).max()
        assert decibels(error) < -80, hertz


@pytest.mark.parametrize("rate", [*HIGHER, *ODD[1:]])
def test_the_band_is_flat_and_without_images_to_a_higher_rate(rate: int) -> None:
    for part in (0.02, 0.1, 0.5, 0.8, 0.9, 0.94):
        hertz = part * rate / 2
        made = resample(tone(hertz, rate).astype(np.float32), rate, TARGET)
        error = np.abs(inner(made - tone(hertz, TARGET)[: len(made)])).max()
        assert decibels(error) < -80, hertz


@pytest.mark.parametrize("rate", LOWER)
def test_what_would_alias_is_down_by_80_db(rate: int) -> None:
    for hertz in np.linspace(TARGET / 2, rate / 2, 25):
        made = resample(tone(float(hertz), rate).astype(np.float32), rate, TARGET)
        assert decibels(np.abs(inner(made)).max()) < -80, hertz


@pytest.mark.parametrize("rate", [*LOWER, *HIGHER, *ODD])
def test_it_equals_scipy_with_the_same_filter(rate: int) -> None:
    signal: Any = pytest.importorskip("scipy.signal", reason="SciPy is not installed")
    common = gcd(rate, TARGET)
    up, down = TARGET // common, rate // common
    cutoff, half = resampling._design(rate, TARGET)
    # The whole impulse response, `up` values for each input sample.
    response = resampling._kernel(np.arange(-half * up, half * up + 1) / up, cutoff, half)
    sound = noise(rate // 4)
    made = resample(sound, rate, TARGET)
    # SciPy scales a given window by `up`, which ours has in it.
    expected = signal.resample_poly(sound.astype(np.float64), up, down, window=response / up)[: len(made)]
    # Measured: 9e-7 at most, float32's rounding.
    assert np.abs(made[: len(expected)] - expected).max() < 2e-6


@pytest.mark.parametrize("rate", [*LOWER, *HIGHER])
def test_speech_bands_equal_those_of_soxr(rate: int) -> None:
    soxr: Any = pytest.importorskip("soxr", reason="soxr is not installed")
    rng = np.random.default_rng(0)
    # Noise up to the end of the mel bands, or as far as soxr itself is that exact.
    spectrum = np.zeros(rate + 1, np.complex128)
    spectrum[100 : 2 * round(min(5200, 0.4 * rate))] = 1
    spectrum *= np.exp(2j * np.pi * rng.uniform(size=len(spectrum)))
    sound = np.fft.irfft(spectrum)
    sound = (sound / np.abs(sound).max()).astype(np.float32)
    made = resample(sound, rate, TARGET)
    expected = soxr.resample(sound, rate, TARGET, quality="VHQ")
    error = np.sqrt(np.mean(np.square(inner(made - expected[: len(made)]))) / np.mean(np.square(inner(expected))))
    # Measured: -100 to -85 dB.
    assert decibels(error) < -80


def test_memory_is_taken_once() -> None:
    resampler = Resampler(44100, TARGET)
    sound = noise(4410)
    for _ in range(20):
        resampler.feed(sound)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(600):
        resampler.feed(sound)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2000


@pytest.mark.parametrize("rates", [(0, 16000), (16000, 0), (-1, 16000)])
def test_rates_are_positive(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 Hz"):
        Resampler(*rates)
