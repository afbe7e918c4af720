"""Each change to a spectrogram does what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("scipy")

from edge.features.logmel import LogMelSettings, log_mel, mel_centres
from tests.training.speech_corpus import tone
from training.datasets.speech_augment import add_power, loudness, mask, reverberate, stationary, vary, warp
from training.recipe_parts import SpeechAugmentation

SETTINGS = LogMelSettings()
FRAME_RATE = SETTINGS.rate / SETTINGS.hop
STILL: dict[str, Any] = {
    "stretch": 0.0,
    "pitch": 0.0,
    "gain": 0.0,
    "colour": 0.0,
    "room": 0.0,
    "noise": 0.0,
    "mask_frames": 0,
    "mask_bands": 0,
}
"""Nothing at all; tests switch on what they are about."""

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def voice() -> FloatArray:
    return log_mel(tone(600, np.random.default_rng(1), seconds=1.5), SETTINGS)


def varied(voice: FloatArray, seed: int = 0, noises: list[Any] | None = None, **changes: Any) -> FloatArray:
    options = SpeechAugmentation(**STILL | changes)
    return vary(voice, noises or [], options, SETTINGS, np.random.default_rng(seed))


def test_without_changes_nothing_changes(voice: FloatArray) -> None:
    assert varied(voice) == pytest.approx(voice, abs=1e-3)
    assert varied(voice).dtype == np.float32


def test_what_is_given_is_not_written_to(voice: FloatArray) -> None:
    before = voice.copy()
    vary(voice, [voice.astype(np.float16)], SpeechAugmentation(room=1.0, noise=1.0), SETTINGS, np.random.default_rng(1))
    assert np.array_equal(voice, before)


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_tempo_changes_the_length_and_not_the_pitch(voice: FloatArray, tempo: float) -> None:
    slower = warp(voice, tempo, 1.0, SETTINGS)
    assert len(slower) == round(tempo * len(voice))
    assert slower[[0, -1]] == pytest.approx(voice[[0, -1]], abs=1e-3)
    assert slower.max(axis=0).argmax() == voice.max(axis=0).argmax()
    # It swells to its middle as it did.
    assert np.abs(np.argmax(slower.max(axis=1)) / len(slower) - np.argmax(voice.max(axis=1)) / len(voice)) < 0.1


@pytest.mark.parametrize("pitch", [0.85, 1.2])
def test_pitch_moves_the_bands_and_not_the_length(voice: FloatArray, pitch: float) -> None:
    higher = warp(voice, 1.0, pitch, SETTINGS)
    assert higher.shape == voice.shape
    centres = mel_centres(SETTINGS)
    before, after = (centres[each.mean(axis=0).argmax()] for each in (voice, higher))
    assert after / before == pytest.approx(pitch, rel=0.06)
    # The same as a tone that really is higher, where it is loud.
    real = log_mel(tone(600 * pitch, np.random.default_rng(1), seconds=1.5), SETTINGS)
    assert np.abs(higher.mean(axis=0).argmax() - real.mean(axis=0).argmax()) <= 1


def test_lengths_stay_within_the_recipe(voice: FloatArray) -> None:
    lengths = [len(varied(voice, seed, stretch=0.2)) / len(voice) for seed in range(200)]
    assert 0.81 < min(lengths) < 0.85
    assert 1.18 < max(lengths) < 1.23


@pytest.mark.parametrize("seconds", [0.2, 0.6])
def test_a_room_has_a_tail_that_falls_by_sixty_decibels(seconds: float) -> None:
    clap = np.full((120, SETTINGS.bands), -100, np.float32)
    clap[:20] = -20
    heard = reverberate(clap, seconds, 0.0, SETTINGS)
    assert (heard >= clap - 1e-3).all(), "what was there is there"
    later = round(seconds * FRAME_RATE)
    fallen = heard[20] - heard[20 + later]
    assert fallen == pytest.approx(np.full(SETTINGS.bands, 60 * later / (seconds * FRAME_RATE)), abs=1.0)
    assert np.diff(heard[20:], axis=0).max() < 1e-3, "it only falls"
    assert reverberate(clap, seconds, -12.0, SETTINGS)[25] == pytest.approx(heard[25] - 12, abs=0.5)


def test_powers_of_two_sounds_add_up() -> None:
    one, other = (np.full((4, 4), level, np.float32) for level in (-30, -30))
    assert add_power(one, other) == pytest.approx(np.full((4, 4), -30 + 10 * np.log10(2)), abs=1e-3)
    assert add_power(one, other - 60) == pytest.approx(one, abs=1e-2)


def test_stationary_noise_has_its_level() -> None:
    level = np.linspace(-30, -60, 64).astype(np.float32)
    noise = stationary((2000, 64), level, np.random.default_rng(0))
    assert noise.shape == (2000, 64)
    assert 10 * np.log10(np.mean(10 ** (noise / 10), axis=0)) == pytest.approx(level, abs=0.5)
    others = [stationary((50, 64), 0.0, np.random.default_rng(seed)) for seed in range(4)]
    assert not np.array_equal(others[0], others[1])
    assert stationary((5000, 64), 0.0, np.random.default_rng(0)).shape == (5000, 64), "longer than the piece"
    assert stationary((10, 300), 0.0, np.random.default_rng(0)).shape == (10, 300), "wider than the piece"


@pytest.fixture
def hum() -> FloatArray:
    """One loud band, silence in all others."""
    voice = np.full((400, SETTINGS.bands), -95, np.float32)
    voice[:, 5] = -20
    return voice


def test_loudness(hum: FloatArray) -> None:
    assert loudness(hum) == -20
    hum[:30, 5] = 0
    assert loudness(hum) == -20, "a short bang does not count"
    hum[:60, 5] = 0
    assert loudness(hum) == 0


def test_noise_reaches_the_level_that_is_asked_for(hum: FloatArray) -> None:
    sound = np.full((50, SETTINGS.bands), -70, np.float16)
    kinds = set()
    for seed in range(12):
        noisy = varied(hum, seed, noise=1.0, noise_decibels=(25.0, 25.0), noises=[sound])
        assert noisy[:, 5] == pytest.approx(hum[:, 5], abs=2), "the voice is as loud as it was"
        others = np.delete(noisy, 5, axis=1)
        power = 10 * np.log10(np.mean(10 ** (others / 10), axis=0))
        if np.ptp(others) < 0.1:
            kinds.add("recorded")
            assert others == pytest.approx(np.full_like(others, -45), abs=0.1)
        else:
            kinds.add("made")
            assert power.max() == pytest.approx(-45, abs=1.5)
    assert kinds == {"recorded", "made"}


def test_noise_shorter_than_the_voice_is_repeated(hum: FloatArray) -> None:
    sound = np.full((3, SETTINGS.bands), -70, np.float16)
    for seed in range(6):
        assert varied(hum, seed, noise=1.0, noises=[sound]).shape == hum.shape


def test_gain_is_the_same_everywhere(voice: FloatArray) -> None:
    loud = np.maximum(voice, -60)
    differences = [varied(loud, seed, gain=6.0) - loud for seed in range(200)]
    assert max(np.ptp(each) for each in differences) < 1e-3
    assert np.std([each.mean() for each in differences]) == pytest.approx(6.0, rel=0.15)


def test_colour_is_the_same_at_all_times(voice: FloatArray) -> None:
    loud = np.maximum(voice, -60)
    differences = [varied(loud, seed, colour=3.0) - loud for seed in range(50)]
    assert max(np.ptp(each, axis=0).max() for each in differences) < 1e-3
    curves = np.stack([each[0] for each in differences])
    assert np.abs(np.diff(curves, axis=1)).max() < 2.0, "smooth"
    assert 1.0 < curves.std() < 6.0


def test_nothing_falls_below_the_floor(voice: FloatArray) -> None:
    for seed in range(20):
        assert varied(voice - 90, seed, gain=20.0).min() >= -100.001


@pytest.mark.parametrize(("frames", "bands"), [(0, 0), (20, 0), (0, 12), (20, 12)])
def test_masks(frames: int, bands: int) -> None:
    widest = np.zeros(2, int)
    for seed in range(60):
        windows = np.ones((3, 64, 64), np.float32)
        mask(windows, SpeechAugmentation(mask_frames=frames, mask_bands=bands), np.random.default_rng(seed))
        assert set(np.unique(windows)) <= {0.0, 1.0}
        dark_frames = (windows == 0).all(axis=2).sum(axis=1)
        dark_bands = (windows == 0).all(axis=(0, 1)).sum()
        assert dark_frames.max() <= frames, "one stretch in each window"
        assert dark_bands <= 2 * bands, "two bands, the same in all windows"
        widest = np.maximum(widest, [dark_frames.max(), dark_bands])
        if not frames:
            assert (windows == windows[0, 0]).all()
    assert (widest >= 0.8 * np.array([frames, bands])).all()
