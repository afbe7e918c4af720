"""Computes models on a GPU, in a process of its own, and hands the answers on through a pipe.

Why a process: a driver that hangs inside a call cannot be interrupted, but its process can be ended; one that crashes
does not take the camera with it; and what the libraries print on stderr stays out of ours. An order is a `HEADER`, a
JSON object and bytes, and so is the answer to it (see gpu_link.py):

    {"load": WAY, "model": PATH, "source": SHA256, "shape": [...], "dtype": NAME, "threads": N,
     "engines": FOLDER or null, "seconds": S}  ->  {"number": M, "device": NAME, "note": TEXT, "software": BOOL}
    {"run": M, "seconds": S} and the input tensor  ->  {} and the output tensor

Or {"error": TEXT}. It ends when its standard input is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HEADER: Final = struct.Struct("<II")
"""Bytes of the JSON object and of the tensor that follow."""

LITERT: Final = "litert"
"""The way through LiteRT; the others are ONNX Runtime's providers."""

_GRACE_SECONDS = 5
"""After an order's time this process ends itself, should the one that gave the order be gone."""

_Compute = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def main() -> None:
    # What the reader's terminal or service manager sends to all its processes must not look like a broken driver.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # No handler, which a call that hangs would keep from running.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # A driver that crashes must not write the pictures in our memory to disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries print to stdout too, where the answers go.
    answers = os.dup(1)
    os.dup2(2, 1)
    printed = _Printed()
    models: list[tuple[_Compute, npt.NDArray[Any]]] = []
    with contextlib.suppress(EOFError, BrokenPipeError):  # the reader is gone
        while True:
            order, payload = _receive()
            signal.alarm(int(order["seconds"]) + _GRACE_SECONDS)
            data = b""
            try:
                if "run" in order:
                    compute, x = models[order["run"]]
                    x.reshape(-1).view(np.uint8)[:] = np.frombuffer(payload, np.uint8)
                    answer: dict[str, Any] = {}
                    data = np.ascontiguousarray(compute(x)).tobytes()
                else:
                    with printed:
                        model, answer = _load(order, printed)
                    models.append(model)
                    answer["number"] = len(models) - 1
            except Exception as error:  # whatever it is, the reader tells it
                answer = {"error": " ".join(str(error).split()) or type(error).__name__}
            signal.alarm(0)
            _send(answers, answer, data)
    # Without the libraries' own farewells, which may hang: the system closes what is open.
    os._exit(0)


class _Printed:
    """Keeps what is printed on stderr while a model is loaded, for its reader to tell; what comes later is dropped.

    Stderr is a file in memory, made by the reader, which also looks there for the last words of a crash.
    """

    def __init__(self) -> None:
        self._file = os.dup(2)
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        self._earlier = ""

    def __enter__(self) -> None:
        self._divert(self._file)

    def __exit__(self, *_: object) -> None:
        self._divert(self._nowhere)
        self._earlier += self.text()
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)

    def text(self) -> str:
        """Of this model."""
        return os.pread(self._file, 1 << 20, 0).decode(errors="replace")

    def whole(self) -> str:
        """Of all models so far: what is amiss with Vulkan is only told with the first."""
        return self._earlier + self.text()

    def _divert(self, target: int) -> None:
        os.dup2(target, 1)
        os.dup2(target, 2)


def _load(order: dict[str, Any], printed: _Printed) -> tuple[tuple[_Compute, npt.NDArray[Any]], dict[str, Any]]:
    """What computes, the array that its input goes into, and what to answer."""
    path, threads = Path(order["model"]), order["threads"]
    x = np.zeros(order["shape"], np.dtype(order["dtype"]))
    if order["load"] != LITERT:
        from edge.inference.onnx_model import OnnxModel

        engines = Path(order["engines"]) if order["engines"] else None
        model = OnnxModel(path, provider=order["load"], threads=threads, source=order["source"], engines=engines)
        if (model.shape, model.dtype) != (x.shape, x.dtype):
            raise RuntimeError(
                f"{path}: takes {model.dtype} {list(model.shape)}, the .tflite {x.dtype} {list(x.shape)}"
            )
        return (model, x), {"device": "", "note": "", "software": False}

    from edge.inference import compiled

    try:
        gpu = compiled.CompiledGpu(path, threads=threads)
    except ImportError as error:
        raise RuntimeError(f"LiteRT has no CompiledModel here ({error}): pip install -U ai-edge-litert") from error
    except RuntimeError as error:
        raise RuntimeError(compiled.reason(error, printed.whole())) from error
    told = compiled.told(printed.text())
    note = f"{told.on_cpu} of {told.on_cpu + told.on_gpu} operations stay on the CPU" if told.on_cpu else ""
    return (gpu, x), {"device": told.device, "note": note, "software": told.software}


def _receive() -> tuple[dict[str, Any], bytes]:
    words, size = HEADER.unpack(_read(HEADER.size))
    return json.loads(_read(words)), _read(size)


def _read(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(descriptor: int, answer: dict[str, Any], data: bytes) -> None:
    words = json.dumps(answer).encode()
    left = memoryview(HEADER.pack(len(words), len(data)) + words + data)
    while left:
        left = left[os.write(descriptor, left) :]
