"""Recordings as spectrograms: formats, what is spoken, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soundfile")
pytest.importorskip("tensorflow")

from edge.errors import DataError
from edge.features.logmel import LogMelSettings, log_mel
from tests.training.speech_corpus import RATE, hiss, tone, write_sound
from training.datasets import speech_spectra
from training.datasets.speech_corpora import read_clips
from training.datasets.speech_spectra import MARGIN_FRAMES, Cleaning, Spectrum, read_sound, read_spectra
from training.recipe_parts import SpeechData
from training.speech import taken

SETTINGS = LogMelSettings()
LABELS = ("angry", "calm")
NAMES = [f"03-01-05-01-01-01-{actor:02}" for actor in range(1, 25)]


def read(folder: Path) -> tuple[list[Spectrum], Cleaning]:
    return read_spectra(read_clips(folder), SETTINGS, processes=1, progress=False)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_formats(tmp_path: Path, suffix: str, rng: np.random.Generator) -> None:
    sound = tone(440, rng)
    write_sound(tmp_path / f"{NAMES[0]}{suffix}", sound)
    ((spectrum,), cleaning) = read(tmp_path)
    assert cleaning.as_dict() == {"read": 1, "silent": [], "contradictory": [], "doubles": []}
    expected = log_mel(sound, SETTINGS)
    assert spectrum.decibels.dtype == np.float16
    assert spectrum.decibels.shape == expected.shape
    # Vorbis loses what is not heard; the loud bands are kept.
    loud = expected > expected.max() - 20
    assert np.abs(spectrum.decibels.astype(np.float32) - expected)[loud].max() < (2.0 if suffix == ".ogg" else 0.05)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000])
def test_other_rates_and_channels(tmp_path: Path, rate: int, rng: np.random.Generator) -> None:
    sound = tone(440, rng, rate=rate)
    write_sound(tmp_path / f"{NAMES[0]}.wav", np.stack([1.5 * sound, 0.5 * sound], axis=1), rate)
    (clip,) = read_clips(tmp_path)
    samples = read_sound(clip, RATE)
    assert samples.shape == (round(len(sound) * RATE / rate),)
    assert samples.dtype == np.float32
    strongest = np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples)
    assert strongest == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(np.abs(sound).max(), rel=0.05), "the channels' mean"


def test_silence_before_and_after_is_trimmed(tmp_path: Path, rng: np.random.Generator) -> None:
    voice = tone(440, rng, seconds=1.0) * np.float32(2)
    pause = np.zeros(RATE, np.float32) + rng.normal(0, 1e-5, RATE).astype(np.float32)
    write_sound(tmp_path / f"{NAMES[0]}.flac", np.concatenate([pause, voice, pause]))
    ((spectrum,), _) = read(tmp_path)
    frames = RATE / SETTINGS.hop
    assert spectrum.begin == pytest.approx(frames - MARGIN_FRAMES, abs=4)
    assert spectrum.end == pytest.approx(2 * frames + MARGIN_FRAMES, abs=4)
    assert spectrum.spoken.shape == (spectrum.end - spectrum.begin, SETTINGS.bands)
    assert spectrum.spoken.dtype == np.float32
    (whole,) = taken(
        [spectrum], SpeechData(corpora=("ravdess",), labels=LABELS, validation_speakers=("x",), trim=False)
    )
    assert np.array_equal(whole.spoken, spectrum.decibels), "the whole recording, for a recipe that asks for it"
    assert len(whole.spoken) > 2.9 * frames


def test_a_recording_shorter_than_a_window(tmp_path: Path, rng: np.random.Generator) -> None:
    write_sound(tmp_path / f"{NAMES[0]}.wav", tone(440, rng, seconds=0.1))
    ((spectrum,), _) = read(tmp_path)
    assert len(spectrum.decibels) > SETTINGS.frames
    assert 0 < spectrum.end - spectrum.begin < SETTINGS.frames


def test_what_is_left_out(tmp_path: Path, rng: np.random.Generator) -> None:
    same, twice, kept = (tone(hertz, rng) for hertz in (300, 500, 700))
    write_sound(tmp_path / "1001_DFA_ANG_XX.wav", same)
    write_sound(tmp_path / "1001_DFA_SAD_XX.wav", same)
    write_sound(tmp_path / "1002_DFA_ANG_XX.wav", twice)
    write_sound(tmp_path / "1002_IEO_ANG_XX.wav", twice)
    write_sound(tmp_path / "1003_DFA_ANG_XX.wav", kept)
    write_sound(tmp_path / "1004_DFA_ANG_XX.wav", kept * np.float32(1e-3))
    write_sound(tmp_path / "1005_DFA_ANG_XX.wav", np.zeros(RATE, np.float32))
    write_sound(tmp_path / "1005_DFA_SAD_XX.wav", np.zeros(RATE, np.float32))
    write_sound(tmp_path / "1006_DFA_ANG_XX.wav", np.zeros(0, np.float32))
    spectra, cleaning = read(tmp_path)
    assert [each.clip.path.stem for each in spectra] == ["1002_DFA_ANG_XX", "1003_DFA_ANG_XX"]
    assert cleaning.as_dict() == {
        "read": 9,
        "silent": ["1004_DFA_ANG_XX.wav", "1005_DFA_ANG_XX.wav", "1005_DFA_SAD_XX.wav", "1006_DFA_ANG_XX.wav"],
        "contradictory": ["1001_DFA_ANG_XX.wav", "1001_DFA_SAD_XX.wav"],
        "doubles": ["1002_IEO_ANG_XX.wav"],
    }


def test_nothing_is_left(tmp_path: Path) -> None:
    write_sound(tmp_path / f"{NAMES[0]}.wav", np.zeros(RATE, np.float32))
    with pytest.raises(DataError, match="no recording is left"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all" * 100], ids=["empty", "cut", "text"])
def test_a_file_that_cannot_be_decoded(tmp_path: Path, content: bytes, rng: np.random.Generator) -> None:
    write_sound(tmp_path / f"{NAMES[0]}.wav", tone(440, rng))
    (tmp_path / f"{NAMES[1]}.wav").write_bytes(content)
    with pytest.raises(DataError, match=rf"{NAMES[1]}\.wav: cannot be decoded") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_samples_that_are_no_numbers(tmp_path: Path, rng: np.random.Generator) -> None:
    import soundfile

    sound = tone(440, rng)
    sound[100] = np.nan
    soundfile.write(tmp_path / f"{NAMES[0]}.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=rf"{NAMES[0]}\.wav: .*not finite"):
        read(tmp_path)


def test_several_processes_give_the_same_in_the_same_order(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_spectra, "CHUNK", 2)
    for name in NAMES[:5]:
        write_sound(tmp_path / f"{name}.flac", hiss(rng, seconds=0.3))
    clips = read_clips(tmp_path)
    one, two = (read_spectra(clips, SETTINGS, processes=count, progress=False)[0] for count in (1, 2))
    assert [each.clip for each in one] == clips
    for first, second in zip(one, two, strict=True):
        assert first.clip == second.clip
        assert np.array_equal(first.decibels, second.decibels)
    (tmp_path / f"{NAMES[4]}.flac").write_bytes(b"cut")
    with pytest.raises(DataError, match="cannot be decoded"):  # a process hands it on
        read_spectra(clips, SETTINGS, processes=2, progress=False)
