from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge.errors import SourceError
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from edge.observation import AudioBlock, Observation
from edge.pipeline.sinks import journal_sink
from edge.pipeline.threaded import ThreadedLoop
from edge.pipeline.together import run_together
from edge.sources.demo import DemoSource
from tests.edge.pipeline.players import Failing, Played, Written, camera, endless, microphone, text
from tests.edge.speech_helpers import blocks, talk

pytestmark = pytest.mark.usefixtures("speech_model", "text_model")


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


def test_three_run_until_the_camera_ends() -> None:
    faces: list[Observation] = []
    voices: list[Observation] = []
    words: list[Observation] = []
    sound, pipe = endless(), Written("i am happy", live=True)
    assert run_together(camera(None, faces.append), microphone(sound, voices.append), text(pipe, words.append)) == 0
    assert {one.modality for one in faces} == {"face"}
    assert [one.label for one in words] == ["happy"]
    assert sound.closed.is_set()
    assert pipe.closed.is_set()


def test_text_runs_alone_and_beside_one() -> None:
    words: list[Observation] = []
    assert run_together(None, None, text(Written("i am happy", "i am sad"), words.append)) == 0
    assert [one.label for one in words] == ["happy", "sad"]
    assert run_together(camera(), None, text(Written("i am sad"), words.append)) == 0
    assert run_together(None, microphone(Played(blocks(talk(1, -25)))), text(Written("wow"), words.append)) == 0
    assert [one.label for one in words[2:]] == ["sad", "surprise"]


def test_what_has_an_end_is_read_to_it_and_what_has_none_is_not_waited_for() -> None:
    """Of those without a camera the microphone comes first."""
    words: list[Observation] = []
    sound = Played(blocks(talk(1, -25)))
    assert run_together(None, microphone(sound), text(Written(*["i am happy"] * 3000), words.append)) == 0
    assert len(words) == 3000
    pipe = Written(live=True)
    assert run_together(None, microphone(Played(blocks(talk(1, -25)))), text(pipe)) == 0
    assert pipe.closed.is_set()
    lines = Written(*["i am happy"] * 1000)
    assert run_together(camera(), microphone(endless()), text(lines, words.append)) == 0
    assert len(words) == 4000


def test_the_microphone_goes_on_when_the_text_ends() -> None:
    sound = endless()
    stopper = threading.Event()
    loop, lines = microphone(sound), Written("i am happy")

    def stop() -> None:
        lines.closed.wait(30)
        stopper.set()
        loop.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    assert run_together(None, loop, text(lines)) == 0
    assert stopper.is_set()
    thread.join()


def test_of_three_those_that_go_on_are_named(caplog: pytest.LogCaptureFixture) -> None:
    class Later(Written):
        def _take(self, seconds: float | None) -> bytes | None:
            while not caplog.records:
                time.sleep(0.01)
            return super()._take(seconds)

    words: list[Observation] = []
    loops = (
        camera(Failing(SourceError("unplugged"), wait_for=(lines := Later("i am sad")).closed)),
        microphone(Played([], error=SourceError("the cable was cut"))),
        text(lines, words.append),
    )
    with pytest.raises(SourceError, match="unplugged"):  # the text has ended by then: it was the last
        run_together(*loops)
    assert [one.label for one in words] == ["sad"]
    assert [record.getMessage() for record in caplog.records] == [
        "the cable was cut; the camera and the text go on",
    ]


def test_two_of_three_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    class Last(Written):
        def _take(self, seconds: float | None) -> bytes | None:
            while len(caplog.records) < 2:
                time.sleep(0.01)
            return super()._take(seconds)

    words: list[Observation] = []
    sound = Played([], error=SourceError("the cable was cut"))
    frames = camera(Failing(SourceError("unplugged"), wait_for=sound.closed))
    assert run_together(frames, microphone(sound), text(Last("i am sad"), words.append)) == 2
    assert [one.label for one in words] == ["sad"]
    assert [record.getMessage() for record in caplog.records] == [
        "the cable was cut; the camera and the text go on",
        "unplugged; the text goes on",
    ]


def test_a_mistake_in_the_text_s_loop_ends_all() -> None:
    def mistaken(_: Observation) -> None:
        raise BrokenPipeError

    sound, pipe = endless(), Written("i am happy", live=True)
    with pytest.raises(BrokenPipeError):
        run_together(None, microphone(sound), text(pipe, mistaken), duration=60)
    assert sound.closed.is_set()
    assert pipe.closed.is_set()


def test_stopping_all_ends_all() -> None:
    loops: list[ThreadedLoop[Any]] = [microphone(endless()), text(Written(live=True))]
    timers = [threading.Timer(0.2, loop.stop) for loop in loops]
    for timer in timers:
        timer.start()
    assert run_together(None, *loops) == 0
    for timer in timers:
        timer.join()
    assert all(loop.ended for loop in loops)


def test_nothing_to_run_is_no_failure() -> None:
    assert run_together(None) == 0
    assert run_together(None, None) == 0
