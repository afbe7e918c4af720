"""What no virtual device can do: a stand-in for PyAudio repeats itself, overflows, goes silent, hangs and crashes."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import SourceError
from edge.sources import microphone, microphone_link, microphone_process
from edge.sources.microphone import MicrophoneInfo, MicrophoneSource, choose
from tests.edge.sources.microphone_beds import Reader, StandIn, check_gaps, children, crash

LONG = 10**6
HEALTHY: list[list[Any]] = [["sound", LONG]]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(microphone, "PAUSES", (0.0, 0.1))
    return StandIn(monkeypatch, tmp_path)


def mic(blocks: list[list[Any]], name: str = "usb (hw:1,0)", **more: Any) -> dict[str, Any]:
    return {"name": name, "blocks": blocks, **more}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_stream_that_repeats_itself(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    # Faster than real time, but not so fast that a busy machine loses blocks.
    stand_in.plan([mic([["sound", 100], ["same", LONG]], pause=0.01)])
    source = MicrophoneSource()
    stand_in.plan([mic(HEALTHY, pause=0.01)])
    with Reader(source) as reader:
        reader.wait(lambda: source.figures.reopened == 1)
        reader.wait_for_blocks(100)
    assert (source.figures.stuck, source.figures.stalled) == (1, 0)
    # A look a second, three of which must agree; the device is faster than real time.
    assert source.figures.blocks >= 140
    assert [gap for gap in check_gaps(reader.blocks, source.figures) if gap > 1] == []
    stuck, back = warnings(caplog)
    assert stuck == "the microphone 'usb' repeats itself; it is opened anew until it delivers"
    assert back.startswith("the microphone 'usb' delivers again after")


def test_overflow_is_counted_and_its_length_taken_from_the_clock(stand_in: StandIn) -> None:
    stand_in.plan([mic([["sound", 20], ["overflow", 1], ["sound", LONG]], pause=0.05)])
    with Reader(MicrophoneSource()) as reader:
        reader.wait_for_blocks(40)
    figures = reader.source.figures
    assert figures.overflows == 1
    (gap,) = check_gaps(reader.blocks, figures)
    assert gap == pytest.approx(0.5 * 16000, abs=0.3 * 16000)
    assert figures.reopened == 0


def test_a_reader_that_is_too_slow_hears_stretches_not_shreds(stand_in: StandIn) -> None:
    stand_in.plan([mic(HEALTHY, pause=0.002)])
    stretches = [0]
    with MicrophoneSource() as source:
        expected = 0
        for _ in range(1200):
            block = source.read()
            assert block is not None
            if block.position != expected:
                stretches.append(0)
            stretches[-1] += 1
            expected = block.position + len(block.samples)
            time.sleep(0.004)
    # Were only the oldest lost, none but the first would be longer than what fits into the pipe, 32 blocks.
    assert len(stretches) > 1, "the reader was fast enough"
    assert max(stretches[1:]) > 100


def test_silence_is_told_once_and_the_microphone_opened_anew(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.plan([mic([["sound", 10], ["zeros", LONG]])])
    source = MicrophoneSource()
    # Longer than the sixty seconds: on a busy machine some of it is lost.
    stand_in.plan([mic([["zeros", 1900], ["sound", LONG]])])
    with Reader(source) as reader:
        # After 30 seconds of it, and again after 90.
        reader.wait(lambda: source.figures.reopened == 2)
        assert source.figures.silent == 1
        reader.wait(lambda: bool(reader.blocks[-1].samples.any()))
        reader.wait_for_blocks(100)
        assert (source.figures.silent, source.figures.reopened, source.figures.stalled) == (1, 2, 0)
    assert warnings(caplog) == [
        "the microphone 'usb' is silent, not even noise comes: is it muted?",
        "the microphone 'usb' is no longer silent",
    ]


def test_silent_microphone_that_does_not_open_again(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    stand_in.plan([mic([["zeros", LONG]])])
    source = MicrophoneSource()
    stand_in.plan([])
    with Reader(source) as reader:
        reader.wait(lambda: source.figures.stalled == 1)
        stand_in.plan([mic(HEALTHY)])
        reader.wait(lambda: source.figures.reopened == 1)
        reader.wait(lambda: bool(reader.blocks[-1].samples.any()))
    silent, gone, back, sounding = warnings(caplog)
    assert "is silent" in silent
    assert "does not open again: it is not among the devices" in gone
    assert "delivers again" in back
    assert "no longer silent" in sounding


@pytest.mark.parametrize("spec", ["0", "usb", "usb (hw:1,0)"])
def test_microphone_unplugged_and_plugged_in_elsewhere(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture, spec: str
) -> None:
    """With another number and card; what has its old number now is not what the user chose."""
    other = mic(HEALTHY, "webcam (hw:1,0)")
    stand_in.plan([mic([["sound", 30]], pause=0.05)])
    source = MicrophoneSource(spec)
    stand_in.plan([other])
    with Reader(source) as reader:
        reader.wait(lambda: source.figures.stalled == 1)
        time.sleep(1)
        assert source.figures.reopened == 0
        stand_in.plan([other, mic(HEALTHY, "usb (hw:2,0)", rates=[16000], pause=0.05)])
        reader.wait(lambda: source.figures.reopened == 1)
        reader.wait_for_blocks(10)
        assert source.figures.stalled == 1
    assert {block.source for block in reader.blocks} == {"usb"}
    gone, back = warnings(caplog)
    assert "stopped delivering: the device went away: was it unplugged?" in gone
    assert back.endswith("(usb (hw:2,0))")
    assert max(check_gaps(reader.blocks, source.figures)) > 0.5 * 16000


def test_any_other_takes_over_where_any_was_asked_for(stand_in: StandIn) -> None:
    stand_in.plan([mic([["sound", 50]])])
    with Reader(MicrophoneSource()) as reader:
        stand_in.plan([mic(HEALTHY, "webcam (hw:0,0)", rates=[44100]), mic(HEALTHY, "array (hw:3,0)", channels=6)])
        reader.wait(lambda: reader.source.figures.reopened == 1)
        reader.wait_for_blocks(20)
    # The rate stays: the one that has another is passed over.
    assert {block.rate for block in reader.blocks} == {16000}


@pytest.mark.parametrize("problem", ["hang", "crash"])
def test_driver_that_hangs_or_crashes(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, problem: str
) -> None:
    monkeypatch.setattr(microphone, "STALL_SECONDS", 0.5)
    stand_in.plan([mic([["sound", 50], ["hang" if problem == "hang" else "sound", LONG]])], stop_seconds=3600)
    source = MicrophoneSource()
    (process,) = children()
    stand_in.plan([mic(HEALTHY)])
    with Reader(source) as reader:
        reader.wait_for_blocks(10)
        if problem == "crash":
            crash(process)
        reader.wait(lambda: source.figures.reopened == 1)
        reader.wait_for_blocks(10)
        # The one that hangs is not left behind.
        assert process not in children()
        assert len(children()) == 1
    assert source.figures.stalled == 1
    assert ("crashed (SIGSEGV)" if problem == "crash" else "no sound for 0.5 s") in warnings(caplog)[0]
    assert not children()


def test_driver_that_hangs_when_it_is_asked(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_link, "ANSWER_SECONDS", 0.5)
    stand_in.plan([mic(HEALTHY)], start_seconds=3600)
    with pytest.raises(SourceError, match=r"cannot be listed: no answer for 0\.5 s"):
        MicrophoneSource()
    assert not children()


@pytest.mark.parametrize("hanging", ["stop_seconds", "start_seconds"])
def test_driver_that_hangs_does_not_outlive_a_program_that_is_killed(stand_in: StandIn, hanging: str) -> None:
    # It delivers nothing any more: its next block would find the pipe broken.
    stand_in.plan([mic([["sound", 1], ["hang", 1]])], **{hanging: 3600})
    call = "Link(['capture', '0', 'usb (hw:1,0)', '16000', '50'], threading.Event()).next(10)"
    program = f"import threading; from edge.sources.microphone_link import Link; {call}; print('heard', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        if hanging == "stop_seconds":
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"heard\n"
        while not (reading := children(parent.pid)):
            time.sleep(0.05)
        parent.kill()
    (process,) = reading
    deadline = time.monotonic() + 60
    status = Path(f"/proc/{process}/status")
    # What takes orphans in may be slow to bury them.
    while status.exists() and "\nState:\tZ" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_close_does_not_wait_for_a_driver_that_hangs(stand_in: StandIn) -> None:
    stand_in.plan([mic(HEALTHY)], stop_seconds=3600)
    source = MicrophoneSource()
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None
    assert not children()


def test_close_ends_a_wait_for_a_microphone_that_is_gone(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "PAUSES", (3600.0,))
    stand_in.plan([mic([["sound", 20]])])
    with Reader(MicrophoneSource()) as reader:
        reader.wait(lambda: reader.source.figures.stalled == 1)
    assert not children()


def test_signals_to_the_whole_program_do_not_end_it(stand_in: StandIn) -> None:
    """Ctrl-C and a service's stop reach every process; the source is closed by its owner, not taken for unplugged."""
    stand_in.plan([mic(HEALTHY)])
    with Reader(MicrophoneSource()) as reader:
        (process,) = children()
        os.kill(process, signal.SIGINT)
        os.kill(process, signal.SIGTERM)
        reader.wait_for_blocks(300)
        assert children() == {process}
    assert reader.source.figures.stalled == 0


def test_loose_plug_does_not_fill_the_log(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    stand_in.plan([mic([["sound", 10]])])
    with Reader(MicrophoneSource()) as reader:
        reader.wait(lambda: reader.source.figures.stalled >= 4)
    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize(
    ("channels", "mix"), [(2, lambda heard: heard.mean(axis=1)), (6, lambda heard: heard[:, 0]), (1, np.ravel)]
)
def test_microphone_that_has_only_so_many_channels(
    stand_in: StandIn, channels: int, mix: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
) -> None:
    stand_in.plan([mic(HEALTHY, channels=channels, channel_counts=[channels], pause=0.02)])
    with MicrophoneSource() as source:
        block = source.read()
    assert block is not None
    chance = random.Random(1)
    chance.randbytes(channels * 1600)
    heard = np.frombuffer(chance.randbytes(channels * 1600), "<i2").reshape(-1, channels).astype(np.float32) / 2**15
    np.testing.assert_allclose(block.samples, mix(heard), atol=1e-6)


@pytest.mark.parametrize(("most", "tried"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 6])])
def test_microphone_that_refuses_is_asked_once_for_each_way(stand_in: StandIn, most: int, tried: list[int]) -> None:
    """Each refusal takes time, of which there are ten seconds."""
    stand_in.plan([])
    asked = []

    class Refusing:
        def get_device_info_by_index(self, number: int) -> dict[str, Any]:
            return {"name": "usb", "maxInputChannels": most}

        def open(self, *, rate: int, channels: int, **_: object) -> None:
            asked.append((rate, channels))
            raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        microphone_process._Stream(Refusing(), 0, "usb", [48000, 44100], 50)
    assert asked == [(rate, channels) for rate in (48000, 44100) for channels in tried]


def test_microphone_that_another_program_has(stand_in: StandIn) -> None:
    stand_in.plan([mic(HEALTHY, error=[-9985, "Device unavailable"])])
    with pytest.raises(SourceError, match=r"'usb \(hw:1,0\)': another program may be using it"):
        MicrophoneSource("usb")


def test_rate_that_is_asked_for_comes_first(stand_in: StandIn) -> None:
    stand_in.plan([mic(HEALTHY, rate=44100)])
    for asked, expected in [(None, 44100), (22050, 22050)]:
        with MicrophoneSource("usb", rate=asked) as source:
            assert source.rate == expected
    stand_in.plan([mic(HEALTHY, rate=44100, rates=[32000])])
    with MicrophoneSource("usb", rate=16000) as source:
        assert source.rate == 32000


def test_names_and_numbers() -> None:
    def device(number: int, name: str, default: bool = False) -> MicrophoneInfo:
        return MicrophoneInfo(number, name, 1, 16000, default)

    devices = [device(0, "USB mic A (hw:1,0)"), device(4, "USB mic"), device(5, "default", True), device(7, "Webcam")]

    def names(spec: str) -> list[str]:
        return [found.name for found in choose(devices, spec)]

    assert names("auto") == ["default", "USB mic A (hw:1,0)", "USB mic", "Webcam"]
    assert names("4") == ["USB mic"]
    assert names("usb mic") == ["USB mic"]
    assert names("usb") == ["USB mic A (hw:1,0)", "USB mic"]
    assert devices[0].model == "USB mic A"
    for spec in ("1", "array"):
        with pytest.raises(SourceError, match=rf"no microphone '{spec}'; this machine has 0 \(USB mic A"):
            choose(devices, spec)
