from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.features.logmel import (
    FloatArray,
    LogMelSettings,
    LogMelStream,
    Normalization,
    log_mel,
    mel_filterbank,
    normalise,
)
from edge.features.mfcc import mfcc

DEFAULT = LogMelSettings()
SETTINGS = [
    DEFAULT,
    LogMelSettings(fft=400, hop=160, bands=40, low_hz=0.0, high_hz=8000.0, frames=100, step=50),
    LogMelSettings(rate=8000, fft=256, hop=256, bands=20, high_hz=3800.0, frames=7, step=3),
    LogMelSettings(fft=1024, hop=100, bands=128, frames=1, step=1),
]


def speech_like(seconds: float, rate: int = 16000) -> FloatArray:
    """A gliding harmonic tone in syllables, over noise at -60 dB."""
    moment = np.arange(round(seconds * rate)) / rate
    turns = np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * moment)) / rate
    voice = sum(np.cos(2 * np.pi * number * turns) / number for number in range(1, 25))
    sound = 0.1 * voice * np.maximum(0, np.sin(2 * np.pi * 3 * moment))
    noise = np.random.default_rng(0).normal(0, 1e-3, len(moment))
    result: FloatArray = (sound + noise).astype(np.float32)
    return result


def cut(sound: FloatArray, places: list[int]) -> list[FloatArray]:
    return [sound[begin:end] for begin, end in pairwise([0, *sorted(places), len(sound)])]


def librosa_mel(sound: FloatArray, settings: LogMelSettings) -> npt.NDArray[np.float32]:
    """(frames, bands) decibels."""
    librosa: Any = pytest.importorskip("librosa", reason="librosa is not installed")
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=settings.rate,
        n_fft=settings.fft,
        hop_length=settings.hop,
        n_mels=settings.bands,
        fmin=settings.low_hz,
        fmax=settings.high_hz,
        center=False,
    )
    decibels: npt.NDArray[np.float32] = librosa.power_to_db(power, amin=settings.floor, top_db=None).T
    return decibels


@pytest.mark.parametrize("settings", SETTINGS[:3])
@pytest.mark.parametrize("gain", [1.0, 1e-4])
def test_it_equals_librosa(settings: LogMelSettings, gain: float) -> None:
    sound = np.float32(gain) * speech_like(3.0, settings.rate)
    made, expected = log_mel(sound, settings), librosa_mel(sound, settings)
    assert made.shape == expected.shape and made.dtype == np.float32
    # Measured: 3.4e-5 dB at most, of values from -100 to 6 dB (8.4e-5 dB with recordings of RAVDESS).
    assert np.abs(made - expected).max() < 2e-4


def test_mfcc_equal_librosas() -> None:
    librosa: Any = pytest.importorskip("librosa", reason="librosa is not installed")
    sound = speech_like(3.0)
    expected = librosa.feature.mfcc(S=librosa_mel(sound, DEFAULT).T, n_mfcc=20).T
    made = mfcc(log_mel(sound, DEFAULT), 20)
    # Measured: 1.2e-4 dB, of sums of some hundred decibels.
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() < 5e-4


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_filters_equal_librosas(settings: LogMelSettings) -> None:
    librosa: Any = pytest.importorskip("librosa", reason="librosa is not installed")
    expected = librosa.filters.mel(
        sr=settings.rate, n_fft=settings.fft, n_mels=settings.bands, fmin=settings.low_hz, fmax=settings.high_hz
    )
    made = mel_filterbank(settings)
    assert made.shape == (settings.fft // 2 + 1, settings.bands)
    np.testing.assert_allclose(made, expected.T, atol=1e-8)


def test_no_filter_of_the_default_is_empty_or_reaches_above_its_end() -> None:
    filters = mel_filterbank(DEFAULT)
    assert (filters.sum(axis=0) > 0).all()
    hertz = np.linspace(0, DEFAULT.rate / 2, DEFAULT.fft // 2 + 1)
    assert not filters[hertz >= DEFAULT.high_hz].any()
    assert not filters[hertz <= DEFAULT.low_hz].any()


@pytest.mark.parametrize("settings", SETTINGS)
def test_however_the_sound_is_cut_the_numbers_are_equal(settings: LogMelSettings) -> None:
    sound = speech_like(2.3, settings.rate)
    whole = LogMelStream(settings).feed(sound)
    assert whole.dtype == np.float32 and whole.shape[1:] == (settings.step, settings.bands)
    assert len(whole) == (len(sound) - settings.block_samples) // settings.step_samples + 1
    rng = np.random.default_rng(1)
    for pieces in (
        list(sound.reshape(-1, 1)),
        cut(sound, rng.integers(0, len(sound), 40).tolist()),
        cut(sound, rng.integers(0, len(sound), 3).tolist()),
        cut(sound, list(range(800, len(sound), 800))),
    ):
        stream = LogMelStream(settings)
        assert np.array_equal(np.concatenate([stream.feed(piece) for piece in pieces]), whole)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_whole_sound_gives_the_streams_numbers(settings: LogMelSettings) -> None:
    sound = speech_like(1.7, settings.rate)
    steps = LogMelStream(settings).feed(sound).reshape(-1, settings.bands)
    whole = log_mel(sound, settings)
    assert len(whole) == (len(sound) - settings.fft) // settings.hop + 1
    assert np.array_equal(whole[: len(steps)], steps)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 0), (511, 0), (512, 1), (761, 1), (762, 2), (8262, 32)])
def test_only_frames_that_lie_within_the_sound_count(samples: int, frames: int) -> None:
    assert log_mel(np.zeros(samples, np.float32), DEFAULT).shape == (frames, 64)


def test_after_a_reset_the_next_sound_begins_afresh() -> None:
    sound = speech_like(1.5)
    stream = LogMelStream(DEFAULT)
    stream.feed(sound[:5000])
    stream.reset()
    assert np.array_equal(stream.feed(sound), LogMelStream(DEFAULT).feed(sound))


def test_the_given_sound_is_not_written_to_and_not_kept() -> None:
    sound = speech_like(1.0)
    sound.setflags(write=False)
    stream = LogMelStream(DEFAULT)
    first = stream.feed(sound[:9000])
    kept = first.copy()
    stream.feed(sound[9000:])
    assert np.array_equal(first, kept)


def test_a_step_wakes_no_other_threads() -> None:
    """OpenBLAS divides large matrix products; its threads then spin, each for 20 ms, every half second."""
    stream = LogMelStream(DEFAULT)
    sound = speech_like(0.5)
    stream.feed(sound)
    stream.feed(sound)
    # Those that an earlier test woke fall asleep.
    time.sleep(0.2)
    own, all_threads = time.thread_time(), time.process_time()
    for _ in range(10):
        stream.feed(sound)
        time.sleep(0.03)
    own, all_threads = time.thread_time() - own, time.process_time() - all_threads
    # Measured: 0.0 s; 0.2 s with one product for the step, on two cores.
    assert all_threads - own < 0.04


def test_silence_is_exactly_zero() -> None:
    window = log_mel(np.zeros(63 * 250 + 512, np.float32), DEFAULT)
    assert (window == -100.0).all()
    assert not normalise(window, DEFAULT).any()


@pytest.mark.parametrize("level", [0.0, 1e-38, 1e-20, 1e-6, 1.0, 1e3])
@pytest.mark.parametrize("normalization", ["window", "fixed"])
def test_finite_sound_gives_finite_windows(level: float, normalization: Normalization) -> None:
    settings = replace(DEFAULT, normalization=normalization)
    rng = np.random.default_rng(0)
    size = 63 * 250 + 512
    clipped = np.sign(rng.normal(size=size))
    click = np.zeros(size)
    click[5000] = 1
    for shape in (rng.normal(size=size), clipped, click, np.ones(size)):
        window = normalise(log_mel((level * shape).astype(np.float32), settings), settings)
        assert np.isfinite(window).all()


@pytest.mark.parametrize("gain", [0.1, 0.5, 10.0])
def test_a_windows_loudness_does_not_matter(gain: float) -> None:
    settings = replace(DEFAULT, floor=1e-30)
    sound = speech_like(1.1)
    quiet, loud = (normalise(log_mel(each, settings)[:64], settings) for each in (sound, np.float32(gain) * sound))
    assert np.abs(quiet - loud).max() < 1e-4


def test_a_window_has_mean_0_and_deviation_1() -> None:
    window = normalise(log_mel(speech_like(1.1), DEFAULT)[:64], DEFAULT)
    assert window.dtype == np.float32
    assert abs(window.mean()) < 1e-4
    assert window.std() == pytest.approx(1.0, abs=1e-3)


def test_what_hardly_varies_is_not_blown_up() -> None:
    window = np.random.default_rng(0).normal(-90, 1, (64, 64)).astype(np.float32)
    assert normalise(window, DEFAULT).std() == pytest.approx(1 / DEFAULT.deviation, rel=0.05)


def test_fixed_numbers_are_used_as_they_are() -> None:
    settings = replace(DEFAULT, normalization="fixed", mean=-40.0, deviation=20.0)
    window = log_mel(speech_like(1.1), settings)[:64]
    np.testing.assert_allclose(normalise(window, settings), (window + 40) / 20, rtol=1e-6)


@pytest.mark.parametrize("normalization", ["window", "fixed"])
def test_windows_may_be_stacked(normalization: Normalization) -> None:
    settings = replace(DEFAULT, normalization=normalization)
    windows = log_mel(speech_like(4.0), settings)[:192].reshape(3, 64, 64)
    together = normalise(windows, settings)
    assert together.dtype == np.float32
    for window, alone in zip(together, windows, strict=True):
        assert np.array_equal(window, normalise(alone, settings))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0}, "at least 1"),
        ({"bands": 0}, "at least 1"),
        ({"hop": -1}, "at least 1"),
        ({"high_hz": 8001.0}, "do not fit 16000 Hz"),
        ({"low_hz": 5200.0}, "do not fit"),
        ({"low_hz": -1.0}, "do not fit"),
        ({"floor": 0.0}, "above 0"),
        ({"deviation": 0.0}, "above 0"),
        ({"floor": float("nan")}, "above 0"),
        ({"deviation": float("inf")}, "above 0"),
        ({"mean": float("nan")}, "mean is a number"),
        ({"step": 65}, "gaps between windows"),
        ({"hop": 513}, "gaps between frames"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMelSettings(**change)


def test_a_step_of_the_default_is_half_a_second() -> None:
    assert (DEFAULT.step_samples, DEFAULT.block_samples, DEFAULT.step_seconds) == (8000, 8262, 0.5)
