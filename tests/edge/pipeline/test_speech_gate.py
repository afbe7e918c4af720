from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge.config import Config
from edge.features.logmel import LogMelSettings, LogMelStream
from edge.features.resampling import resample
from edge.pipeline.speech_gate import SpeechGate
from tests.edge.speech_helpers import RATE, FloatArray, hum, noise, talk

SETTINGS = LogMelSettings()
SPEECH_DATA = Path(os.environ.get("AFFECT_EDGE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "speech"


def gate() -> SpeechGate:
    speech = Config().speech
    return SpeechGate(SETTINGS, margin_db=speech.margin_db, silence_dbfs=speech.silence_dbfs)


def opened(samples: FloatArray, over: SpeechGate | None = None) -> list[bool]:
    """For each half second, whether the gate is open."""
    over = over or gate()
    return [over(step) for step in LogMelStream(SETTINGS).feed(samples)]


def join(*sounds: FloatArray) -> FloatArray:
    return np.concatenate(sounds)


@pytest.mark.parametrize(
    ("samples", "dbfs"),
    [
        (np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32), -3.0),
        (0.01 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32), -43.0),
        # 200 to 5200 Hz of 8000 have 5/8 of white noise's power.
        (noise(1, -30), -32.0),
        # What lies below 200 Hz does not count, nor does a constant offset.
        (noise(1, -60) + np.float32(0.3), -62.0),
        (noise(1, -60) + 0.01 * np.sin(2 * np.pi * 80 * np.arange(RATE) / RATE).astype(np.float32), -62.0),
    ],
)
def test_the_level_is_that_of_the_sound(samples: FloatArray, dbfs: float) -> None:
    over = gate()
    opened(samples, over)
    assert over.level == pytest.approx(dbfs, abs=1.0)


@pytest.mark.parametrize("dbfs", [-15, -30, -50])
@pytest.mark.parametrize("seed", [0, 1])
def test_who_talks_for_a_minute_without_a_pause_is_heard_throughout(dbfs: float, seed: int) -> None:
    assert np.mean(opened(talk(60, dbfs, seed=seed))) == 1.0
    in_a_room = talk(60, dbfs, seed=seed) + noise(60, dbfs - 15, seed=seed)
    assert np.mean(opened(in_a_room)) > 0.97


@pytest.mark.parametrize(
    "sound",
    [
        noise(60, -20),
        noise(60, -60),
        hum(60, -15),
        hum(60, -30, hertz=50) + noise(60, -50),
    ],
    ids=["loud noise", "quiet noise", "hum", "hum and noise"],
)
def test_what_is_even_is_no_speech_however_loud(sound: FloatArray) -> None:
    assert not any(opened(sound))


def rumble(seconds: float, dbfs: float) -> FloatArray:
    """Noise whose power falls with the square of the frequency, as of wind and engines: rougher than white noise."""
    white = np.fft.rfft(noise(seconds, 0))
    coloured = np.fft.irfft(white / np.maximum(np.fft.rfftfreq(round(seconds * RATE), 1 / RATE), 30))
    samples: FloatArray = (coloured / coloured.std() * 10 ** (dbfs / 20)).astype(np.float32)
    return samples


def test_rumble_is_no_speech() -> None:
    assert np.mean(opened(rumble(60, -20))) < 0.05


@pytest.mark.parametrize("silence", [np.zeros(8 * RATE, np.float32), noise(8, -100), noise(8, -75)])
def test_silence_is_silent(silence: FloatArray) -> None:
    assert not any(opened(silence))


def test_a_fan_that_is_louder_at_once_is_known_after_two_seconds() -> None:
    found = opened(join(noise(12, -60), noise(20, -30)))
    assert not any(found[:23])
    assert sum(found) <= 5
    assert not any(found[30:])


def test_a_louder_room_that_is_uneven_is_known_after_ten_seconds() -> None:
    """A machine that goes up and down by 5.5 decibels, twice a second."""
    time = np.arange(30 * RATE) / RATE
    machine = hum(30, -25, hertz=300) * np.where(time % 0.5 < 0.25, 1, 10 ** (-5.5 / 20)).astype(np.float32)
    found = opened(join(noise(12, -60), machine))
    assert sum(found[24:44]) >= 18
    assert not any(found[24 + 22 :])


def test_speech_is_heard_over_the_fan_afterwards() -> None:
    found = opened(join(noise(10, -60), noise(10, -35), talk(5, -22) + noise(5, -35), noise(5, -35)))
    assert all(found[40:49])
    assert not any(found[52:])


def test_speech_out_of_silence_is_heard_at_once() -> None:
    for before in (noise(5, -70), np.zeros(5 * RATE, np.float32)):
        found = opened(join(before, talk(3, -30)))
        assert not any(found[:9])
        assert all(found[10:])


def test_speech_from_the_first_sample_is_heard() -> None:
    assert all(opened(talk(3, -30)))


def test_digital_silence_is_not_taken_for_the_room() -> None:
    """A microphone that is muted for a while and then gives its usual noise, which alone would seem loud."""
    over = gate()
    assert not any(opened(noise(10, -55), over))
    assert not any(opened(np.zeros(30 * RATE, np.float32), over))
    assert not any(opened(noise(10, -55, seed=1), over))


def test_a_gate_that_is_reset_knows_no_floor() -> None:
    over = gate()
    opened(noise(5, -30), over)
    assert over.floor == pytest.approx(-33, abs=1)
    over.reset()
    assert over.floor == -np.inf


@pytest.mark.data
def test_on_recordings() -> None:
    """Of RAVDESS' speech nearly all passes; of rain and helicopters (ESC-10) little does."""
    soundfile = pytest.importorskip("soundfile")
    if not SPEECH_DATA.is_dir():
        pytest.skip(f"no recordings in {SPEECH_DATA}; AFFECT_EDGE_DATA names the folder above")

    def steps(path: Path) -> FloatArray:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return LogMelStream(SETTINGS).feed(resample(samples.mean(axis=1), rate, RATE))

    heard = []
    for path in sorted((SPEECH_DATA / "ravdess").rglob("*.ogg"))[::30]:
        over = gate()
        found = [(over(step), over.level) for step in steps(path)]
        loudest = max(level for _, level in found)
        heard += [answer for answer, level in found if level > loudest - 20]
    assert len(heard) > 100
    assert np.mean(heard) > 0.98
    manifest = (SPEECH_DATA / "esc10" / "manifest.csv").read_text().splitlines()
    for kind, most in (("Rain", 0.25), ("Helicopter", 0.25)):
        names = [line.split(",")[0] for line in manifest if kind in line]
        found_open: list[bool] = []
        for name in names:
            over = gate()
            found_open += [over(step) for step in steps(next((SPEECH_DATA / "esc10").rglob(name)))]
        assert len(names) >= 30
        assert np.mean(found_open) < most
