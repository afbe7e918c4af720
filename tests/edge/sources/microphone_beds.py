"""Microphones for tests: virtual ones of ALSA and PulseAudio, and a stand-in for PyAudio where none can misbehave so.

ALSA reads its configuration once per process; as each microphone is read by a process of its own, setting
ALSA_CONFIG_PATH in a test is enough.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.observation import AudioBlock
from edge.sources.sound import AudioSource, SoundFigures

ALSA = Path("/usr/share/alsa/alsa.conf")
RATE = 16000

needs_pyaudio = pytest.mark.skipif(
    importlib.util.find_spec("pyaudio") is None or not ALSA.exists(),
    reason="PyAudio is not installed (it needs portaudio19-dev, gcc and python3-dev), or ALSA's configuration is not",
)
needs_pulseaudio = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("pulseaudio", "pacat", "pactl")),
    reason="pulseaudio or pulseaudio-utils is not installed",
)

_FILE_DEVICES = """
<{alsa}>
pcm.bedmic {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{played}" format "raw" }}
pcm.noise {{ type file slave.pcm {{ type null }} file "/dev/null" infile "/dev/urandom" format "raw" }}
# Without a converter by this name the plug can only pass sound through.
pcm.only48 {{ type plug slave {{ pcm "noise" rate 48000 }} rate_converter "none" }}
pcm.!default {{ type plug slave.pcm bedmic }}
ctl.!default {{ type null }}
"""

_PULSE_DEVICES = """
<{alsa}>
pcm.monitor {{ type pulse device spk.monitor }}
pcm.pipemic {{ type pulse device pipemic }}
pcm.!default {{ type pulse }}
ctl.!default {{ type pulse }}
"""


def noise(seconds: float, seed: int = 1) -> npt.NDArray[np.int16]:
    """(n,) int16 at `RATE`, no sample of which is 0."""
    generator = np.random.default_rng(seed)
    count = round(seconds * RATE)
    samples: npt.NDArray[np.int16] = generator.integers(1, 12000, count, dtype=np.int16)
    samples[generator.random(count) < 0.5] *= -1
    return samples


def use_file_devices(monkeypatch: pytest.MonkeyPatch, folder: Path, played: npt.NDArray[np.int16]) -> None:
    """ALSA devices that are not paced: `bedmic` records `played`, `noise` without end, `only48` at 48 kHz only."""
    file = folder / "played.raw"
    played.tofile(file)
    config = folder / "asound.conf"
    config.write_text(_FILE_DEVICES.format(alsa=ALSA, played=file))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))


class PulseBed:
    """A PulseAudio daemon of our own: `monitor` hears what `play` plays, `pipemic` what `feed` feeds."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "pipe.fifo"
        self._folder = folder
        self._environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        sound = f"rate={RATE} channels=1 format=s16le"
        self._daemon = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"),
                *("--use-pid-file=no", "--log-target=stderr"),
                *("-L", "module-native-protocol-unix auth-anonymous=1"),
                *("-L", f"module-null-sink sink_name=spk {sound}"),
                *("-L", f"module-pipe-source source_name=pipemic file={self.fifo} {sound}"),
            ],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while self._control("info") != 0:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.skip("pulseaudio does not start here")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def make_default(self, source: str) -> None:
        assert self._control("set-default-source", source) == 0

    def play(self, samples: npt.NDArray[np.int16]) -> None:
        """In real time, until the last sample has been played."""
        subprocess.run(
            ["pacat", "--raw", f"--rate={RATE}", "--format=s16le", "--channels=1", "--device=spk"],
            input=samples.tobytes(),
            env=self._environment,
            check=True,
            timeout=60,
        )

    @contextmanager
    def feed(self) -> Iterator[None]:
        """Noise for `pipemic`, in real time, while the block lasts."""
        ended = threading.Event()

        def write() -> None:
            pipe = os.open(self.fifo, os.O_RDWR)
            began, written = time.monotonic(), 0
            while not ended.wait(0.02):
                due = round((time.monotonic() - began) * RATE)
                os.write(
                    pipe, np.random.default_rng(due).integers(-9000, 9000, due - written, dtype=np.int16).tobytes()
                )
                written = due
            os.close(pipe)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _control(self, *arguments: str) -> int:
        return subprocess.run(
            ["pactl", *arguments], env=self._environment, capture_output=True, check=False, timeout=20
        ).returncode


@contextmanager
def pulse_bed(monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseBed]:
    """A running `PulseBed` that microphones are opened on."""
    # The path of a socket may have 108 bytes; pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="pulse") as name:
        folder = Path(name)
        config = folder / "asound.conf"
        config.write_text(_PULSE_DEVICES.format(alsa=ALSA))
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        monkeypatch.setenv("HOME", name)
        bed = PulseBed(folder)
        bed.start()
        try:
            yield bed
        finally:
            bed.stop()


class Reader:
    """Reads a source in a thread, as the loop does, and keeps the blocks; closes it from outside that thread."""

    def __init__(self, source: AudioSource) -> None:
        self.source = source
        self.blocks: list[AudioBlock] = []
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        for block in self.source:
            self.blocks.append(block)

    def wait(self, reached: Callable[[], bool], seconds: float = 40.0) -> float:
        """Until something is so; the seconds that it took. Fails after `seconds`."""
        began = time.monotonic()
        while not reached():
            assert time.monotonic() - began < seconds, self.source.figures
            time.sleep(0.02)
        return time.monotonic() - began

    def wait_for_blocks(self, count: int) -> None:
        """Until so many more have come."""
        wanted = len(self.blocks) + count
        self.wait(lambda: len(self.blocks) >= wanted)


def check_gaps(blocks: Sequence[AudioBlock], figures: SoundFigures) -> list[int]:
    """Samples that are missing between blocks, after a check that times and figures agree with them."""
    gaps = []
    for before, after in itertools.pairwise(blocks):
        gap = after.position - before.position - len(before.samples)
        assert gap >= 0
        if gap:
            gaps.append(gap)
        assert after.monotonic_time > before.monotonic_time
        # A gap is measured by the clock and counted in whole samples.
        passed = (after.position - before.position) / after.rate
        assert after.monotonic_time - before.monotonic_time == pytest.approx(passed, abs=0.5 / after.rate + 1e-6)
    assert figures.lost_samples == sum(gaps) + blocks[0].position
    return gaps


_STAND_IN = '''
"""Stands in for PyAudio: its devices and what they deliver are told by plan.json, read anew by each process."""
import json, pathlib, random, threading, time

paInt16, paContinue, SEED = 8, 0, 1
PLAN = json.loads((pathlib.Path(__file__).parent / "plan.json").read_text())
exec(PLAN.get("at_import", ""))


class Stream:
    def __init__(self, device, rate, channels, frames_per_buffer, stream_callback):
        if "error" in device:
            raise OSError(*device["error"])
        if rate not in device.get("rates", [rate]):
            raise OSError(-9997, "Invalid sample rate")
        if channels not in device.get("channel_counts", [channels]):
            raise OSError(-9998, "Invalid number of channels")
        self.active = True
        self.arguments = device, channels, frames_per_buffer, stream_callback
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        device, channels, frames, callback = self.arguments
        chance = random.Random(SEED)
        for kind, count in device["blocks"]:
            block = chance.randbytes(2 * channels * frames)
            for number in range(count):
                if kind == "hang":
                    time.sleep(3600)
                if kind == "sound":
                    block = chance.randbytes(2 * channels * frames)
                if kind == "zeros":
                    block = bytes(2 * channels * frames)
                time.sleep(device.get("pause", 0.0005))
                overflow = kind == "overflow"
                if overflow:
                    time.sleep(0.5)
                callback(block, frames, {}, 2 if overflow else 0)
        self.active = False

    def is_active(self):
        return self.active

    def stop_stream(self):
        time.sleep(PLAN.get("stop_seconds", 0))

    close = stop_stream


class PyAudio:
    def __init__(self):
        time.sleep(PLAN.get("start_seconds", 0))
        self.devices = PLAN["devices"]

    def get_device_count(self):
        return len(self.devices)

    def get_device_info_by_index(self, number):
        device = self.devices[number]
        channels, rate = device.get("channels", 1), device.get("rate", 16000)
        return {"index": number, "name": device["name"], "maxInputChannels": channels, "defaultSampleRate": float(rate)}

    def get_default_input_device_info(self):
        for number, device in enumerate(self.devices):
            if device.get("default"):
                return self.get_device_info_by_index(number)
        raise OSError("No Default Input Device Available")

    def open(self, input, input_device_index, format, **arguments):
        return Stream(self.devices[input_device_index], **arguments)
'''


class StandIn:
    """A package `pyaudio` that this process finds and those that it starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._plan = folder / "pyaudio" / "plan.json"
        self._plan.parent.mkdir()
        (self._plan.parent / "__init__.py").write_text(_STAND_IN)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.delitem(sys.modules, "pyaudio", raising=False)

    def plan(self, devices: Sequence[dict[str, Any]], **more: Any) -> None:
        """What is there from now on.

        A device has a `name` and `blocks`, pairs of a kind (sound, same, zeros, overflow, hang) and a count; it can
        have `rate`, `channels`, `default`, the `rates` and `channel_counts` that it takes, the `error` that opening it
        gives, and the `pause` between two blocks in seconds.
        """
        new = self._plan.with_suffix(".new")
        new.write_text(json.dumps({"devices": list(devices), **more}))
        new.rename(self._plan)


def children(of: int | None = None) -> set[int]:
    """The processes that read microphones for a process now, by default for this one."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == (of or os.getpid()) and b"microphone_process" in command:
            found.add(int(folder.name))
    return found


def crash(process: int) -> None:
    """As a library does that runs into its own bug."""
    os.kill(process, signal.SIGSEGV)
