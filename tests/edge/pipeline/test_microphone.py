from __future__ import annotations

import threading
import time

import pytest

from edge.observation import AudioBlock, Observation
from edge.pipeline.microphone import MicrophoneLoop
from edge.pipeline.speech import SpeechPipeline
from tests.edge.pipeline.players import CONFIG, Played, endless, microphone
from tests.edge.speech_helpers import blocks, talk

pytestmark = pytest.mark.usefixtures("speech_model")


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
    monkeypatch.setattr("edge.pipeline.threaded._CLOSE_SECONDS", 0.1)
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
