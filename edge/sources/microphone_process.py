"""Reads a microphone through PyAudio, in a process of its own, and hands the sound on through a pipe.

Why a process: a driver that hangs inside a call cannot be interrupted, but its process can be ended; PortAudio and
ALSA look for devices and read their configuration only once in a process's life, so one that runs for months would
not see a microphone that was plugged in again; and both print their own worries on stderr, which is closed here and
stays free for our messages there. For the same reason nothing of affect-edge is imported, nor NumPy: this costs
little, and is started by its path.

    microphone_process.py list
    microphone_process.py capture NUMBER NAME RATES BLOCK_MILLISECONDS

The answer is a line of JSON, {"devices": ...}, {"opened": ...} or {"error": ...}; of an opened microphone blocks
follow, each a `HEADER` and its samples, until standard input is closed.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<QdII")
"""Number of the block's first sample, `time.monotonic()` on arrival, PortAudio's status flags, bytes that follow."""

OVERFLOW_FLAG = 2
"""paInputOverflow of portaudio.h: the sound system dropped sound before this block."""

RING_BLOCKS = 200
"""Blocks that wait for the reader at most, 10 seconds; then all of them go, and the numbers tell of it."""

_TICK = 0.05
"""Seconds between two looks at the ring: the callback, which must not wait, wakes nobody."""

_OPEN_CHANNELS = (1, 2)
"""Tried first, in this order; a device that has neither is opened with all that it has."""

_ANSWER_SECONDS = 25
"""In which a device has to be opened, or all to be listed; the reader waits for twenty."""

_STOP_SECONDS = 1
"""That the device is given to stop; the reader waits for half of it."""


def main(arguments: list[str]) -> None:
    # What the reader's terminal or service manager sends to all its processes must not look like a dead microphone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A driver that hangs would outlive a reader that was killed: no handler, which it would keep from running.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_ANSWER_SECONDS)
    # A library that crashes must not write the sound in our memory to disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries print to stdout too, where the blocks go.
    output = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    # A sound server is not to be started for a look at its devices.
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import pyaudio

        audio = pyaudio.PyAudio()
        if arguments[0] == "list":
            _answer(output, {"devices": _devices(audio)})
        else:
            number, name, rates, milliseconds = arguments[1:]
            stream = _Stream(audio, int(number), name, [int(rate) for rate in rates.split(",")], int(milliseconds))
            _answer(output, {"opened": {"rate": stream.rate, "channels": stream.channels}})
            signal.alarm(0)
            stream.hand_on(output)
    except BrokenPipeError:  # the reader is gone
        pass
    except Exception as error:  # whatever it is, the reader tells it
        _answer(output, {"error": " ".join(str(error).split()) or type(error).__name__})
    # Without `Pa_Terminate`, which may hang: the system closes what is open.
    os._exit(0)


class _Stream:
    """An open microphone and the ring that its callback fills."""

    def __init__(self, audio: Any, number: int, name: str, rates: list[int], milliseconds: int) -> None:
        info = audio.get_device_info_by_index(number)
        if info["name"] != name:
            raise OSError(f"device {number} is now '{info['name']}'")
        self._ring: deque[tuple[int, float, int, bytes]] = deque(maxlen=RING_BLOCKS)
        error: Exception | None = None
        most = info["maxInputChannels"]
        counts = dict.fromkeys(count for count in (*_OPEN_CHANNELS, most) if count <= most)
        for rate, channels in itertools.product(rates, counts):
            self.rate, self.channels, self._block = rate, channels, max(1, rate * milliseconds // 1000)
            try:
                self._stream = self._open(audio, number)
            except (OSError, ValueError) as refusal:
                error = refusal
            else:
                return
        raise error or OSError("it has no channels")

    def _open(self, audio: Any, number: int) -> Any:
        import pyaudio

        append, monotonic, count = self._ring.append, time.monotonic, itertools.count()
        go_on = (None, pyaudio.paContinue)

        def callback(data: bytes, frames: int, _: object, status: int) -> tuple[None, int]:
            append((next(count), monotonic(), status, data))
            return go_on

        return audio.open(
            input=True,
            input_device_index=number,
            format=pyaudio.paInt16,
            rate=self.rate,
            channels=self.channels,
            frames_per_buffer=self._block,
            stream_callback=callback,
        )

    def hand_on(self, output: int) -> None:
        """Write blocks until the reader closes standard input or the device ends."""
        ring, handed_on = self._ring, 0
        while self._stream.is_active():
            if select.select([0], [], [], 0 if ring else _TICK)[0]:
                break
            while ring:
                # Were only the oldest lost, a reader that is a bit too slow would get shreds, always ten seconds late.
                if len(ring) == RING_BLOCKS <= handed_on:
                    ring.clear()
                    handed_on = 0
                    break
                number, arrival, status, data = ring.popleft()
                handed_on += 1
                _write(output, HEADER.pack(number * self._block, arrival, status, len(data)) + data)
        else:
            return
        signal.alarm(_STOP_SECONDS)
        self._stream.stop_stream()
        self._stream.close()


def _devices(audio: Any) -> list[dict[str, Any]]:
    try:
        default = audio.get_default_input_device_info()["index"]
    except OSError:  # there is none
        default = None
    found = (audio.get_device_info_by_index(number) for number in range(audio.get_device_count()))
    return [
        {
            "number": info["index"],
            "name": info["name"],
            "channels": info["maxInputChannels"],
            "rate": int(info["defaultSampleRate"]),
            "default": info["index"] == default,
        }
        for info in found
        if info["maxInputChannels"] > 0
    ]


def _answer(output: int, answer: dict[str, Any]) -> None:
    _write(output, json.dumps(answer).encode() + b"\n")


def _write(output: int, data: bytes) -> None:
    while data:
        data = data[os.write(output, data) :]


if __name__ == "__main__":
    # Its folder's modules are no modules of their own.
    sys.path = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]
    main(sys.argv[1:])
