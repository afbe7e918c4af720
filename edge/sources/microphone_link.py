"""Our end of the pipe to the process that reads a microphone (see microphone_process.py)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.errors import MissingDependencyError, SourceError
from edge.sources.microphone_process import HEADER, OVERFLOW_FLAG

ANSWER_SECONDS = 20.0
"""Seconds in which a device has to be opened, or all to be listed; a small board with many devices takes three, and
while it boots several times that."""

_SLICE_SECONDS = 0.2
"""Seconds of one wait, after which is looked whether somebody closed the source."""

_GRACE_SECONDS = 0.5
"""Seconds of one last look before a device counts as silent: the whole program may have been stopped meanwhile."""

_POLITE_SECONDS = 0.5
"""Seconds in which the process may let go of the device by itself."""


class LinkError(Exception):
    """The microphone cannot be opened, stopped delivering, or its process ended; says why."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block as the process hands it on."""

    position: int
    """Number of its first sample since the device was opened; a gap means blocks that waited too long."""
    arrival: float
    """`time.monotonic()` at which its last sample arrived."""
    overflow: bool
    """Whether the sound system dropped sound before it."""
    data: bytes
    """Interleaved 16-bit samples."""


class Link:
    """A process that lists microphones or reads one.

    Parameters
    ----------
    arguments
        Of microphone_process.py.
    closed
        Ends every wait when it is set.

    Raises
    ------
    LinkError
        When it does not answer, or answers with an error.
    """

    def __init__(self, arguments: list[str], closed: threading.Event) -> None:
        self._closed = closed
        self._buffer = bytearray()
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("microphone_process.py")), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:  # no memory at the moment, too many processes or open files
            raise LinkError(f"no process can be started ({error.strerror or error})") from error
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        try:
            self.answer: dict[str, Any] = self._read_answer()
            """What it said first."""
        except BaseException:
            self.end()
            raise

    def next(self, seconds: float) -> Chunk | None:
        """The next block; None when the source was closed meanwhile.

        Raises
        ------
        LinkError
            When none comes in so many seconds, or the process ended.
        """
        if not self._fill(HEADER.size, seconds):
            return None
        position, arrival, flags, size = HEADER.unpack_from(self._buffer)
        if not self._fill(HEADER.size + size, seconds):
            return None
        data = bytes(self._buffer[HEADER.size : HEADER.size + size])
        del self._buffer[: HEADER.size + size]
        return Chunk(position, arrival, bool(flags & OVERFLOW_FLAG), data)

    def end(self, *, politely: bool = False) -> None:
        """End the process: at once, or after it has let go of the device."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        if politely:
            # It may be waiting for us to read on.
            process.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLITE_SECONDS)
        process.kill()
        process.stdout.close()
        # Inside a broken driver even a killed process can live on; then it is left behind, and reaped when it ends.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLITE_SECONDS)

    def _read_answer(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            if not self._fill(len(self._buffer) + 1, ANSWER_SECONDS, "answer"):
                raise LinkError("closed while it was opened")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LinkError(_explain(answer["error"]))
        return answer

    def _fill(self, size: int, seconds: float, what: str = "sound") -> bool:
        """Read until so many bytes wait; False when the source was closed."""
        deadline = time.monotonic() + seconds
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            ready = self._poll.poll(1000 * (_GRACE_SECONDS if left <= 0 else min(left, _SLICE_SECONDS)))
            if self._closed.is_set():
                return False
            if ready:
                part = os.read(self._output, 1 << 16)
                if not part:
                    raise LinkError(self._death())
                self._buffer += part
                deadline = time.monotonic() + seconds
            elif left <= 0:
                raise LinkError(f"no {what} for {seconds:g} s")
        return True

    def _death(self) -> str:
        try:
            status = self._process.wait(_POLITE_SECONDS)
        except subprocess.TimeoutExpired:
            status = 0
        if status < 0:
            return f"the sound system crashed ({signal.Signals(-status).name})"
        return "the device went away: was it unplugged?"


def list_devices(closed: threading.Event | None = None) -> list[dict[str, Any]]:
    """What PortAudio finds that can record; see `MicrophoneInfo` for the keys.

    Raises
    ------
    MissingDependencyError
        When PyAudio is not installed.
    SourceError
        When the sound system does not answer.
    """
    if find_spec("pyaudio") is None:
        raise MissingDependencyError(
            "pyaudio", "microphone", "the microphone (after  sudo apt install portaudio19-dev gcc python3-dev)"
        )
    try:
        link = Link(["list"], closed or threading.Event())
    except LinkError as error:
        raise SourceError(f"the microphones cannot be listed: {error}") from None
    link.end(politely=True)
    devices: list[dict[str, Any]] = link.answer["devices"]
    return devices


def _explain(error: str) -> str:
    """PortAudio's words, and what they mean where they hide it."""
    if "Device unavailable" in error or "-9985" in error:
        return f"another program may be using it ({error})"
    if "_portaudio" in error or "libportaudio" in error:
        return f"PyAudio is installed but does not load ({error}): sudo apt install libportaudio2"
    return error
