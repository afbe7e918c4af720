"""One system in a process of its own: the parent's side of `child`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.ending import last_words
from benchmarks.peers.places import Ready
from edge.errors import AffectEdgeError

Threads = Literal["shipped", "one"]

_CHUNK = 1 << 20


class SystemFailedError(AffectEdgeError):
    """A system's process ended, or gave no answer in time."""


@dataclass(frozen=True)
class Item:
    """What a system is given at once."""

    about: dict[str, Any]
    """As `child` tells it: the kind, the shape, the time or the rate."""
    data: bytes

    @classmethod
    def frame(cls, image: npt.NDArray[np.uint8], seconds: float) -> Item:
        """A decoded picture, (height, width, 3) BGR, and its time."""
        return cls({"kind": "frame", "shape": list(image.shape), "time": seconds}, image.tobytes())

    @classmethod
    def sound(cls, samples: npt.NDArray[np.float32], rate: int) -> Item:
        """(n,) samples and their rate, Hertz."""
        return cls({"kind": "sound", "shape": list(samples.shape), "rate": rate}, samples.tobytes())

    @classmethod
    def text(cls, text: str) -> Item:
        """A sentence."""
        return cls({"kind": "text"}, text.encode())

    @classmethod
    def face(cls, image: npt.NDArray[np.uint8]) -> Item:
        """A face alone, (48, 48) grey."""
        return cls({"kind": "face", "shape": list(image.shape)}, image.tobytes())


class SystemProcess:
    """A system, for as long as the `with` block lasts.

    Parameters
    ----------
    ready
        What to start.
    threads
        'shipped' leaves it alone; 'one' asks each library for one thread and keeps the process on one core.
    patience
        Seconds that an answer may take.

    Raises
    ------
    SystemFailedError
        It cannot be started.
    """

    def __init__(self, ready: Ready, *, threads: Threads = "shipped", patience: float = 120.0) -> None:
        self.name = ready.system.name
        self._patience = patience
        self._scratch = tempfile.TemporaryDirectory(prefix="affect-edge-")
        folder = Path(self._scratch.name)
        self._said = folder / "stderr"
        self._waiting = b""
        settings = json.dumps(ready.settings(threads=threads, scratch=folder))
        self.began = time.perf_counter()
        """When its process was started."""
        try:
            with self._said.open("wb") as said:
                self._process = subprocess.Popen(
                    [*ready.command, settings],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    cwd=folder,
                    # Ctrl-C is this process's alone to answer.
                    start_new_session=True,
                )
        except OSError as error:
            self._scratch.cleanup()
            raise SystemFailedError(f"{ready.command[0]} cannot be started: {error.strerror}") from None
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)

    def __enter__(self) -> SystemProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, item: Item) -> dict[str, Any]:
        """Its answer to an item, with 'seconds' and 'cpu_seconds' as the child measured them; raises as `ask`."""
        return self.ask({"item": item.about, "bytes": len(item.data)}, item.data)

    def ask(self, question: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        """Its answer to a question.

        Raises
        ------
        SystemFailedError
            It ended, or did not answer in time: then it is ended.
        """
        end = time.monotonic() + self._patience
        try:
            self._send(json.dumps(question).encode() + b"\n" + data, end)
            answer: dict[str, Any] = json.loads(self._line(end))
        except BrokenPipeError:
            raise SystemFailedError(f"ended {self._ending()}") from None
        except TimeoutError:
            self._kill()
            raise SystemFailedError(f"no answer within {self._patience:g} s; it was ended") from None
        except json.JSONDecodeError:
            self._kill()
            raise SystemFailedError("its answer is no JSON; it was ended") from None
        return answer

    def close(self) -> None:
        """End the process and forget its files."""
        stdin, stdout = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        stdout.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._kill()
        self._scratch.cleanup()

    def _send(self, data: bytes, end: float) -> None:
        stdin, _ = self._pipes()
        view = memoryview(data)
        while view:
            self._wait(lambda left: select.select([], [stdin], [], left)[1], end)
            view = view[os.write(stdin.fileno(), view[:_CHUNK]) :]

    def _line(self, end: float) -> bytes:
        _, stdout = self._pipes()
        while b"\n" not in self._waiting:
            self._wait(lambda left: select.select([stdout], [], [], left)[0], end)
            read = os.read(stdout.fileno(), _CHUNK)
            if not read:
                raise BrokenPipeError
            self._waiting += read
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    @staticmethod
    def _wait(ready: Callable[[float], object], end: float) -> None:
        left = end - time.monotonic()
        if left <= 0 or not ready(left):
            raise TimeoutError

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None and self._process.stdout is not None  # opened as pipes
        return self._process.stdin, self._process.stdout

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ending(self) -> str:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._kill()
            return "its answers, though it lived on"
        return last_words(code, self._said)
