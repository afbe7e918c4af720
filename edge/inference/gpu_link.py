"""Our end of the pipe to the process that computes on a GPU (see gpu_process.py)."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.inference.gpu_process import HEADER
from edge.inference.tensors import TensorInfo

RUN_SECONDS = 10.0
"""Seconds that one inference may take before the GPU counts as hung; less than a camera is waited for."""

_FAREWELL_SECONDS = 1.0
"""Seconds in which a killed process should be gone; inside a broken driver even that can take for ever."""

_START = """\
import sys
sys.path = [folder for folder in sys.path if folder] + sys.argv[1:]
from edge.inference.gpu_process import main
main()
"""
"""Finds this package wherever it lies, and nothing in the folder that happens to be the current one."""


class GpuError(RuntimeError):
    """A GPU does not do what was asked of it; says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in the process."""

    number: int
    device: str
    """Name of the GPU, empty where it is not known."""
    note: str
    """What to know of it besides, such as the operations that stay on the CPU; empty for nothing."""
    software: bool
    """Whether the GPU is a program that computes on the CPU."""


class GpuProcess:
    """A process that loads models on the GPU and runs them; safe to use by several threads, one after another.

    Once it has hung, crashed or ended it is not started again: every call raises with the same reason.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: str | None = None
        self.hung = False
        """Whether it was ended because it did not answer."""
        self._printed = _file_in_memory()
        root = str(Path(__file__).parents[2])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                bufsize=0,
            )
        except OSError as error:  # no memory at the moment, too many processes or open files
            os.close(self._printed)
            raise GpuError(f"no process can be started ({error.strerror or error})") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        atexit.register(self.end)

    @property
    def failure(self) -> str | None:
        """Why it cannot be used any more."""
        return self._failure

    def load(
        self,
        way: str,
        path: Path,
        tensor: TensorInfo,
        *,
        threads: int,
        seconds: float,
        source: str | None = None,
        engines: Path | None = None,
    ) -> Loaded:
        """Load a model.

        Parameters
        ----------
        way
            `gpu_process.LITERT` or one of ONNX Runtime's providers.
        path
            The .tflite or .onnx file.
        tensor
            The input that it must have.
        threads
            Of what stays on the CPU.
        seconds
            That it may take.
        source
            SHA-256 of the .tflite file, for an .onnx file that was made from it.
        engines
            Where TensorRT keeps what it builds.

        Raises
        ------
        GpuError
            It cannot be loaded, or not in time.
        """
        order = {
            "load": way,
            "model": str(path.absolute()),
            "source": source,
            "threads": threads,
            "engines": str(engines) if engines else None,
            "shape": tensor.shape,
            "dtype": tensor.dtype.str,
        }
        answer, _ = self._ask(order, b"", seconds)
        return Loaded(answer["number"], answer["device"], answer["note"], answer["software"])

    def run(self, number: int, x: npt.NDArray[Any]) -> bytearray:
        """Run a model that was loaded; the bytes of its output. Raises `GpuError`."""
        return self._ask({"run": number}, np.ascontiguousarray(x).data.cast("B"), RUN_SECONDS)[1]

    def end(self) -> None:
        """End the process at once."""
        with self._lock:
            self._end("it was ended")

    def _ask(
        self, order: dict[str, Any], payload: bytes | memoryview, seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        words = json.dumps(order | {"seconds": seconds}).encode()
        with self._lock:
            if self._failure:
                raise GpuError(self._failure)
            deadline = time.monotonic() + seconds
            try:
                self._write(HEADER.pack(len(words), len(payload)) + words, deadline)
                self._write(payload, deadline)
                size, length = HEADER.unpack(self._read(HEADER.size, deadline))
                answer: dict[str, Any] = json.loads(self._read(size, deadline))
                data = self._read(length, deadline)
            except TimeoutError:
                self.hung = True
                self._end(f"it did not answer within {seconds:g} s: its driver hangs")
                raise GpuError(self._failure) from None
            except (EOFError, BrokenPipeError):
                self._end(self._death())
                raise GpuError(self._failure) from None
            except BaseException:  # interrupted in the middle of an answer: nothing can be read from it again
                self._end("it was interrupted")
                raise
        if "error" in answer:
            raise GpuError(answer["error"])
        return answer, data

    def _write(self, data: bytes | memoryview, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._input, left) :]
            except BlockingIOError:
                _wait(self._input, select.POLLOUT, deadline)

    def _read(self, size: int, deadline: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            _wait(self._output, select.POLLIN, deadline)
            part = os.read(self._output, size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _death(self) -> str:
        """How it ended by itself, with its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_SECONDS)
        status = self._process.returncode or 0
        how = f"crashed ({signal.Signals(-status).name})" if status < 0 else f"ended (exit code {status})"
        words = os.pread(self._printed, 1 << 20, 0).decode(errors="replace").split("\n")
        last = next((" ".join(line.split()) for line in reversed(words) if line.strip()), "")
        return f"it {how}" + (f", saying: {last[:200]}" if last else "")

    def _end(self, reason: str) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        atexit.unregister(self.end)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.kill()
        process.stdout.close()
        # Inside a broken driver even a killed process can live on; then it is left behind, and reaped when it ends.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_FAREWELL_SECONDS)
        os.close(self._printed)


def _file_in_memory() -> int:
    """For what the process prints: nothing is written to disk, and it cannot block on a pipe that nobody reads."""
    try:
        return os.memfd_create("affect-edge-gpu")
    except (AttributeError, OSError):  # a Python built for an old C library, or a sandbox: a file without a name
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
        raise TimeoutError
