"""Real PyAudio on virtual devices of ALSA and PulseAudio."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.errors import MissingDependencyError, SourceError
from edge.observation import AudioBlock
from edge.sources import AudioSource, microphone_link, open_audio_source
from edge.sources.microphone import MicrophoneSource, list_microphones
from tests.edge.sources.microphone_beds import (
    RATE,
    Reader,
    check_gaps,
    children,
    needs_pulseaudio,
    needs_pyaudio,
    noise,
    pulse_bed,
    use_file_devices,
)

pytestmark = needs_pyaudio


def read(source: AudioSource, count: int) -> list[AudioBlock]:
    blocks = [block for block in (source.read() for _ in range(count)) if block is not None]
    assert len(blocks) == count
    return blocks


def resident_kilobytes(process: int) -> int:
    return int(Path(f"/proc/{process}/status").read_text().partition("VmRSS:")[2].split()[0])


def test_samples_captured_are_the_samples_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = noise(200)
    use_file_devices(monkeypatch, tmp_path, played)
    expected = played / np.float32(2**15)
    heard = 0
    with open_audio_source("bedmic", rate=RATE) as source:
        assert (source.rate, source.name, source.live) == (RATE, "bedmic", True)
        first = source.read()
        assert first is not None
        block: AudioBlock | None = first
        # The device is some thousand times too fast, so blocks are lost: each must tell which samples it has.
        while block is not None and block.position + len(block.samples) <= len(played):
            place = slice(block.position, block.position + len(block.samples))
            np.testing.assert_array_equal(block.samples, expected[place])
            assert block.monotonic_time - first.monotonic_time == pytest.approx(
                (block.position - first.position) / RATE, abs=1e-6
            )
            heard += len(block.samples)
            end = place.stop
            block = source.read()
        assert heard >= 3 * RATE
        lost_later = 0 if block is None else block.position - end
        assert heard + source.figures.lost_samples - lost_later == end
    assert not children()


def test_an_hour_of_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory grows, the times are those of the count, and what was lost is counted."""
    use_file_devices(monkeypatch, tmp_path, noise(1))
    with MicrophoneSource("noise", rate=RATE) as source:
        (first,) = (block,) = read(source, 1)
        heard = len(first.samples)
        sizes = []
        for number in range(1, 72000):
            (block,) = read(source, 1)
            heard += len(block.samples)
            if number % 12000 == 0:
                sizes.append(sum(resident_kilobytes(process) for process in (os.getpid(), *children())))
        end = block.position + len(block.samples)
        assert heard == 3600 * RATE
        assert heard + source.figures.lost_samples == end
        # Where the test takes minutes, the clock is corrected by 25 ms in each: this device is far too fast.
        assert block.monotonic_time - first.monotonic_time == pytest.approx(
            (block.position - first.position) / RATE, abs=0.2
        )
        assert source.figures.blocks == 72000
        assert (source.figures.reopened, source.figures.stalled, source.figures.overflows) == (0, 0, 0)
    assert max(sizes) < sizes[0] + 1000, sizes


def test_device_that_takes_only_one_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_file_devices(monkeypatch, tmp_path, noise(1))
    for rate in (None, RATE):
        with MicrophoneSource("only48", rate=rate) as source:
            assert source.rate == 48000
            assert [len(block.samples) for block in read(source, 3)] == [2400] * 3


def test_devices_are_listed_and_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    use_file_devices(monkeypatch, tmp_path, noise(60))
    listed = {microphone.name: microphone for microphone in list_microphones()}
    assert {"bedmic", "noise", "only48", "default"} <= set(listed)
    assert listed["default"].default
    assert not listed["bedmic"].default
    assert listed["only48"].rate == 48000
    for spec, name in [("auto", "default"), ("BEDM", "bedmic"), (str(listed["noise"].number), "noise")]:
        with open_audio_source(spec) as source:
            assert source.name == name
    with pytest.raises(SourceError, match=r"there is no microphone 'usb'; this machine has \d+ \(bedmic\)"):
        open_audio_source("usb")
    with pytest.raises(SourceError, match="there is no microphone '99'"):
        open_audio_source("99")
    # ALSA and JACK tell a page about each device that they look for.
    assert capfd.readouterr() == ("", "")


def test_no_microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "asound.conf"
    config.write_text("pcm.absent { type hw card 31 }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert list_microphones() == []
    for spec in ("auto", "0", "usb"):
        with pytest.raises(SourceError, match="no microphone was found: is one plugged in"):
            open_audio_source(spec)


def test_pyaudio_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_link, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"apt install portaudio19-dev.*pip install 'affect-edge\[micro"):
        open_audio_source("auto")


def test_process_ends_with_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_file_devices(monkeypatch, tmp_path, noise(1))
    program = (
        "import os; from edge.sources.microphone import MicrophoneSource; from pathlib import Path;"
        "s = MicrophoneSource('noise'); s.read();"
        "print(Path(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read_text(), flush=True); os._exit(9)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (9, "")
    process = Path("/proc") / answer.stdout.strip()
    deadline = time.monotonic() + 10
    while process.exists() and "\nState:\tZ" not in (process / "status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_pulseaudio
def test_real_time_capture_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    played = noise(4)
    with pulse_bed(monkeypatch) as bed, Reader(MicrophoneSource("monitor", rate=RATE)) as reader:
        reader.wait_for_blocks(2)
        bed.play(played)
        reader.wait(lambda: not reader.blocks[-1].samples.any())
        blocks = list(reader.blocks)
        assert blocks[-1].monotonic_time == pytest.approx(time.monotonic(), abs=1.0)
        assert blocks[-1].wall_time == pytest.approx(time.time(), abs=1.0)
    assert check_gaps(blocks, reader.source.figures) == []
    heard = np.concatenate([block.samples for block in blocks]) * 2**15
    start, end = np.flatnonzero(heard)[[0, -1]]
    # The monitor has passed on some milliseconds of silence before it learns that there was sound.
    starts = np.flatnonzero(played == heard[start])
    (offset,) = (n for n in starts if np.array_equal(played[n : n + 100], heard[start : start + 100]))
    assert offset < RATE // 2
    np.testing.assert_array_equal(heard[start : end + 1], played[offset:])


@needs_pulseaudio
def test_dead_microphone_is_noticed_and_mended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its pipe has no writer: the device is there, delivers nothing, and PortAudio hangs when it is to stop it."""
    with pulse_bed(monkeypatch) as bed:
        with bed.feed():
            source = MicrophoneSource("pipemic", rate=RATE)
            reader = Reader(source).__enter__()
            reader.wait_for_blocks(20)
        fed = time.monotonic()
        assert reader.wait(lambda: source.figures.stalled == 1) < 5
        # Every attempt fails meanwhile.
        time.sleep(4)
        count = len(reader.blocks)
        with bed.feed():
            reader.wait(lambda: source.figures.reopened == 1)
            reader.wait_for_blocks(20)
        reader.__exit__()
    assert source.figures.stalled == 1
    (gap,) = check_gaps(reader.blocks, source.figures)
    assert reader.blocks[count].position - reader.blocks[count - 1].position - 800 == gap
    # What had waited in the pipe came at once: the clock, which takes it for heard just then, is ahead by its length.
    ahead = reader.blocks[count - 1].monotonic_time + 800 / RATE - fed
    assert gap > (7 - max(0.0, ahead)) * RATE
    assert reader.blocks[-1].monotonic_time == pytest.approx(time.monotonic(), abs=2.0)
    stopped, back = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert (
        stopped == "the microphone 'pipemic' stopped delivering: no sound for 3 s; it is opened anew until it delivers"
    )
    assert back.startswith("the microphone 'pipemic' delivers again after ")
    assert not children()


@needs_pulseaudio
def test_sound_server_that_dies_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with pulse_bed(monkeypatch) as bed, Reader(MicrophoneSource("monitor", rate=RATE)) as reader:
        reader.wait_for_blocks(5)
        bed.stop()
        assert reader.wait(lambda: reader.source.figures.stalled == 1) < 5
        bed.start()
        reader.wait(lambda: reader.source.figures.reopened == 1)
        reader.wait_for_blocks(20)
        assert reader.source.figures.stalled == 1
        assert len(check_gaps(list(reader.blocks), reader.source.figures)) == 1


@needs_pulseaudio
def test_microphone_that_is_dead_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pulse_bed(monkeypatch) as bed:
        with pytest.raises(SourceError, match="no sound comes from the microphone 'pipemic': no sound for 3 s"):
            open_audio_source("pipemic")
        # The system's default is that dead one; the others are tried.
        bed.make_default("pipemic")
        with open_audio_source("auto") as source:
            assert source.name == "monitor"
        assert not children()
