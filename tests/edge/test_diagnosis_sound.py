from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.config import Config, parse_config
from edge.diagnosis import Check
from edge.diagnosis_sound import check_loudness, check_microphones, check_speech_model
from edge.errors import MissingDependencyError, SourceError
from edge.observation import AudioBlock
from edge.sources.microphone import MicrophoneInfo
from edge.sources.sound import AudioSource, SoundFigures
from tests.edge.speech_helpers import FloatArray, blocks, noise


class Played(AudioSource):
    def __init__(self, samples: FloatArray, rate: int = 16_000) -> None:
        self.name, self.live, self.rate, self.figures = "Blue", True, rate, SoundFigures()
        self.closed = False
        self._blocks = iter(blocks(samples, rate=rate))

    def read(self) -> AudioBlock | None:
        return next(self._blocks, None)

    def close(self) -> None:
        self.closed = True


def configured(text: str) -> Config:
    return parse_config(text, Path("c.toml"))


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Callable[[object, object], None]:
    """Sets what listing the microphones and opening one gives or raises."""

    def answer(value: object) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    def set_up(listed: object, opened: object) -> None:
        monkeypatch.setattr("edge.sources.microphone.list_microphones", lambda: answer(listed))
        monkeypatch.setattr("edge.sources.sound.open_audio_source", lambda spec: answer(opened))

    return set_up


def told(checks: list[Check]) -> list[tuple[str, str, str]]:
    return [(check.state, check.name, check.detail) for check in checks]


def test_microphones_are_listed_and_the_one_in_use_is_heard(devices: Callable[[object, object], None]) -> None:
    source = Played(noise(3, -42) + np.float32(0.2))
    devices(
        [MicrophoneInfo(3, "Blue: USB (hw:1,0)", 2, 48_000, True), MicrophoneInfo(5, "old", 1, 8_000, False)], source
    )
    assert told(list(check_microphones(Config()))) == [
        ("ok", "3 Blue: USB (hw:1,0)", "2 channels, 48000 Hz, the system's default"),
        ("ok", "5 old", "1 channel, 8000 Hz"),
        ("ok", "in use: Blue", "delivers 16000 Hz, -42 dBFS"),
    ]
    assert source.closed


@pytest.mark.parametrize(
    ("samples", "detail"),
    [
        (np.zeros(20_000, np.float32), "nothing but zeros in 1.0 s: muted, or the wrong one?"),
        (noise(2, -85), "-85 dBFS in 1.0 s: muted, or the wrong one?"),
    ],
)
def test_a_muted_microphone_is_told(samples: FloatArray, detail: str) -> None:
    check = check_loudness(Played(samples))
    assert (check.state, check.detail) == ("warn", detail)
    assert "unmute" in str(check.mend)


def test_a_microphone_that_stops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.diagnosis_sound.PATIENCE_SECONDS", 0.1)
    closed = threading.Event()

    class Stopped(Played):
        def read(self) -> AudioBlock | None:
            block = super().read()
            if block is None:
                closed.wait(10)
            return block

        def close(self) -> None:
            closed.set()

    check = check_loudness(Stopped(noise(0.2, -40)))
    assert (check.state, check.detail) == ("warn", "stopped delivering after 0.20 s")


def test_without_one_auto_is_a_warning_and_a_named_one_a_failure(devices: Callable[[object, object], None]) -> None:
    devices([], SourceError("no microphone was found"))
    assert told(list(check_microphones(Config()))) == [("warn", "in use", "no microphone was found")]
    assert told(list(check_microphones(configured("microphone.source = 'Blue'"))))[0][0] == "fail"


def test_without_pyaudio_it_says_what_to_install(devices: Callable[[object, object], None]) -> None:
    devices(MissingDependencyError("pyaudio", "microphone", "a microphone"), None)
    ((state, _, detail),) = told(list(check_microphones(Config())))
    assert state == "warn"
    assert "pip install 'affect-edge[microphone]'" in detail


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("none", "switched off in the configuration"),
        ("-", "sound comes from '-', says the configuration"),
        ("/somewhere/clip.wav", "sound comes from '/somewhere/clip.wav', says the configuration"),
    ],
)
def test_what_is_no_microphone_is_not_opened(
    devices: Callable[[object, object], None], source: str, detail: str
) -> None:
    devices(AssertionError("listed"), AssertionError("opened"))
    (check,) = check_microphones(configured(f"microphone.source = '{source}'"))
    assert (check.state, check.detail) == ("info", detail)


def test_the_speech_model_and_its_encoder_are_checked_together(speech_model: Path) -> None:
    (check,) = check_speech_model(Config())
    assert (check.state, check.detail) == ("ok", "speech 1 fits its encoder speech 1")
    (speech_model.parent.parent / "speech-encoder" / "speech.tflite").unlink()
    (check,) = check_speech_model(Config())
    assert check.state == "warn"
    assert "the encoder that" in check.detail
    (check,) = check_speech_model(configured("microphone.source = 'Blue'"))
    assert check.state == "fail"
    assert list(check_speech_model(configured("microphone.source = 'none'"))) == []
