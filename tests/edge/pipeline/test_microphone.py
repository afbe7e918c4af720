from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.config import Config
from edge.config_sections import SmoothingConfig
from edge.errors import SourceError
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from edge.observation import AudioBlock, Frame, Observation
from edge.pipeline.camera import CameraLoop
from edge.pipeline.faces import FacePipeline
from edge.pipeline.microphone import MicrophoneLoop, run_together
from edge.pipeline.sinks import Sink, journal_sink
from edge.pipeline.speech import SpeechPipeline
from edge.sources import FrameSource
from edge.sources.demo import DemoSource
from edge.sources.sound import AudioSource, SoundFigures
from tests.edge.speech_helpers import RATE, blocks, talk

CONFIG = Config(smoothing=SmoothingConfig(unsure_below=0.0))

pytestmark = pytest.mark.usefixtures("speech_model")


class Played(AudioSource):
    """Hands out what it is given, then ends, fails, or like a live microphone waits until it is closed."""

    def __init__(self, sound: list[AudioBlock], *, live: bool = False, error: BaseException | None = None) -> None:
        self.name, self.live, self.rate, self.figures = "played", live, RATE, SoundFigures()
        self.closed = threading.Event()
        self._sound, self._error = iter(sound), error

    def read(self) -> AudioBlock | None:
        if self.closed.is_set():
            return None
        block = next(self._sound, None)
        if block is None and self._error is not None:
            raise self._error
        if block is None and self.live:
            self.closed.wait()
        return block

    def close(self) -> None:
        self.closed.set()


class Failing(FrameSource):
    """A live camera that is unplugged after a few frames, or when it is told to."""

    def __init__(self, error: BaseException, *, wait_for: threading.Event | None = None) -> None:
        self.name, self.live = "camera", True
        self._error, self._wait_for, self._left = error, wait_for, 3

    def read(self) -> Frame | None:
        if self._left == 0:
            if self._wait_for is not None:
                self._wait_for.wait(10)
            raise self._error
        self._left -= 1
        return Frame(np.zeros((48, 64), np.uint8), self._left, 0.0, 0.0, self.name)

    def close(self) -> None:
        pass


def microphone(source: AudioSource, *sinks: Sink) -> MicrophoneLoop:
    return MicrophoneLoop(source, SpeechPipeline.from_config(CONFIG), sinks)


def camera(source: FrameSource | None = None, *sinks: Sink) -> CameraLoop:
    demo = source or DemoSource(width=320, height=240, fps=15, paced=False, frames=10)
    return CameraLoop(demo, FacePipeline.from_config(CONFIG), sinks)


def endless() -> Played:
    return Played(blocks(talk(3, -25)), live=True)


def test_every_observation_goes_to_every_sink_and_is_counted() -> None:
    first: list[Observation] = []
    second: list[Observation] = []
    threads: set[str] = set()
    source = Played(blocks(talk(6, -25)))
    loop = microphone(source, first.append, second.append, lambda _: threads.add(threading.current_thread().name))
    loop.start()
    loop.wait()
    loop.close()
    assert first == second
    assert loop.figures.observations == len(first) > 5
    assert loop.figures.blocks == 120
    assert loop.figures.sound_seconds == pytest.approx(6.0)
    assert {one.modality for one in first} == {"speech"}
    assert threads == {"microphone"}
    assert source.closed.is_set()
    assert loop.error is None


def test_what_waited_in_the_resampler_at_the_end_is_heard() -> None:
    """2.016 s: the last window ends with the last sample, which a filter holds back."""
    seen: list[Observation] = []
    samples = talk(2.02, -25, rate=48_000)
    loop = microphone(Played(blocks(samples, rate=48_000, size=2400)), seen.append)
    loop.start()
    loop.wait()
    assert loop.pipeline.figures.hops == len(seen) == 3


def test_a_microphone_that_gives_nothing_can_be_stopped() -> None:
    source = endless()
    loop = microphone(source)
    loop.start()
    loop.wait(duration=0.3)
    before = loop.ended
    loop.close()
    assert (before, loop.ended) == (False, True)
    assert source.closed.is_set()
    assert loop.error is None


def test_what_has_to_happen_in_time_does_so_without_sound_too() -> None:
    happened = threading.Event()
    loop = MicrophoneLoop(Played([], live=True), SpeechPipeline.from_config(CONFIG), [], after_block=happened.set)
    loop.start()
    loop.wait(duration=1)
    loop.close()
    assert happened.is_set()


def test_stop_ends_the_waiting() -> None:
    loop = microphone(endless())
    loop.start()
    threading.Timer(0.1, loop.stop).start()
    began = time.monotonic()
    loop.wait(duration=30)
    loop.close()
    assert time.monotonic() - began < 10


def test_a_source_that_does_not_come_back_is_left_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.pipeline.microphone._CLOSE_SECONDS", 0.1)
    released = threading.Event()

    class Hanging(Played):
        def read(self) -> AudioBlock | None:
            released.wait(10)
            return None

    loop = microphone(Hanging([]))
    loop.start()
    loop.close()
    assert "played: does not answer; left behind" in caplog.text
    released.set()


def test_both_run_until_the_camera_ends() -> None:
    faces: list[Observation] = []
    voices: list[Observation] = []
    source = endless()
    loop = microphone(source, voices.append)
    assert run_together(camera(None, faces.append), loop) == 0
    assert {one.modality for one in faces} == {"face"}
    assert source.closed.is_set()
    assert loop.ended


def test_a_sound_file_is_read_to_its_end_though_the_camera_s_is_over() -> None:
    voices: list[Observation] = []
    assert run_together(camera(), microphone(Played(blocks(talk(60, -25))), voices.append)) == 0
    assert len(voices) > 100


def test_the_camera_goes_on_when_the_microphone_fails(caplog: pytest.LogCaptureFixture) -> None:
    loop = microphone(Played([], error=SourceError("the cable was cut")))
    frames = camera()
    assert run_together(frames, loop) == 1
    assert frames.figures.frames == 10
    assert [record.getMessage() for record in caplog.records] == ["the cable was cut; the camera goes on"]
    assert caplog.records[0].levelno == logging.ERROR


def test_the_microphone_goes_on_when_the_camera_fails(caplog: pytest.LogCaptureFixture) -> None:
    voices: list[Observation] = []
    loop = microphone(Played(blocks(talk(30, -25))), voices.append)
    assert run_together(camera(Failing(SourceError("unplugged"))), loop) == 1
    assert len(voices) > 50
    assert [record.getMessage() for record in caplog.records] == ["unplugged; the microphone goes on"]


def test_the_last_that_fails_is_raised() -> None:
    source = Played([], error=SourceError("the cable was cut"))
    with pytest.raises(SourceError, match="unplugged"):
        run_together(camera(Failing(SourceError("unplugged"), wait_for=source.closed)), microphone(source))
    with pytest.raises(SourceError, match="the cable was cut"):
        run_together(None, microphone(Played([], error=SourceError("the cable was cut"))))
    with pytest.raises(SourceError, match="unplugged"):
        run_together(camera(Failing(SourceError("unplugged"))), None)


def test_of_two_that_fail_none_is_said_to_go_on_after_the_last(caplog: pytest.LogCaptureFixture) -> None:
    class Later(Played):
        def read(self) -> AudioBlock | None:
            while not caplog.records:
                time.sleep(0.01)
            return super().read()

    later = Later([], error=SourceError("the cable was cut"))
    with pytest.raises(SourceError, match="the cable was cut"):
        run_together(camera(Failing(SourceError("unplugged"))), microphone(later))
    assert [record.getMessage() for record in caplog.records] == ["unplugged; the microphone goes on"]


def test_a_mistake_in_one_ends_both() -> None:
    def mistaken(_: Observation) -> None:
        raise BrokenPipeError

    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        run_together(
            camera(DemoSource(width=64, height=48, fps=15, paced=True)),
            microphone(Played(blocks(talk(3, -25)), live=True), mistaken),
            duration=60,
        )
    assert time.monotonic() - began < 30
    source = endless()
    with pytest.raises(ZeroDivisionError):
        run_together(camera(Failing(ZeroDivisionError())), microphone(source))
    assert source.closed.is_set()


def test_a_duration_ends_both() -> None:
    source = endless()
    began = time.monotonic()
    frames = camera(DemoSource(width=64, height=48, fps=15, paced=True))
    assert run_together(frames, microphone(source), duration=0.5) == 0
    assert run_together(None, microphone(endless()), duration=0.3) == 0
    assert time.monotonic() - began < 10


def test_one_journal_takes_both(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path, batch_seconds=0) as journal:
        faces, voices = journal_sink(journal, interval=0), journal_sink(journal, interval=0)
        frames = camera(DemoSource(width=640, height=480, fps=15, paced=False, frames=30), faces)
        loop = microphone(Played(blocks(talk(30, -25))), voices)
        assert run_together(frames, loop) == 0
        assert journal.last_error is None
    with JournalReader(path) as reader:
        records = list(reader.records(Selection()))
        found = [record.observation.modality for record in records]
    assert (found.count("face"), found.count("speech")) == (frames.figures.faces, loop.figures.observations)
    assert found.count("face") > 10
    assert found.count("speech") > 50
