"""The process that computes on a GPU, with drivers that hang, crash and end: small programs in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.inference import gpu_link, onnx_model
from edge.inference.gpu_link import GpuError, GpuProcess
from edge.inference.interpreter import load_interpreter
from edge.inference.tensors import TensorInfo

PICTURE = TensorInfo("x", (1, 48, 48, 1), np.dtype(np.int8), 1 / 255, -128)


def load(process: GpuProcess, *, way: str = onnx_model.CPU, path: str = "x.onnx", seconds: float = 60) -> object:
    return process.load(way, Path(path), PICTURE, threads=1, seconds=seconds)


@pytest.mark.parametrize(
    ("program", "told", "hung"),
    [
        ("import time; time.sleep(600)", "it did not answer within 0.5 s: its driver hangs", True),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it crashed (SIGSEGV)", False),
        ("import sys; sys.exit('no luck')", "it ended (exit code 1), saying: no luck", False),
    ],
)
def test_a_process_that_fails_is_told_and_ended(
    monkeypatch: pytest.MonkeyPatch, program: str, told: str, hung: bool
) -> None:
    monkeypatch.setattr(gpu_link, "_START", program)
    process = GpuProcess()
    with pytest.raises(GpuError) as raised:
        load(process, seconds=0.5 if hung else 60)
    assert str(raised.value) == told
    assert process.hung is hung
    assert process._process.poll() is not None
    # From then on it says so at once.
    with pytest.raises(GpuError, match=r"^it "):
        process.run(0, np.zeros(1))
    assert process.failure == told


def test_a_process_that_does_not_read_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_link, "_START", "import time; time.sleep(600)")
    monkeypatch.setattr(gpu_link, "RUN_SECONDS", 0.5)
    process = GpuProcess()
    with pytest.raises(GpuError, match="did not answer"):
        process.run(0, np.zeros(1_000_000))  # more than a pipe takes


def test_what_cannot_be_loaded_is_told_and_the_process_goes_on(model_with_onnx: Path) -> None:
    pytest.importorskip("onnxruntime")
    process, path = GpuProcess(), model_with_onnx.with_suffix(".onnx")
    try:
        with pytest.raises(GpuError, match=r"none\.onnx: cannot be read: No such file"):
            load(process, path="none.onnx")
        with pytest.raises(GpuError, match="was built without NoSuchProvider"):
            load(process, path=str(path), way="NoSuchProvider")
        other = TensorInfo("x", (1, 48, 48, 3), np.dtype(np.float32), 1.0, 0)
        with pytest.raises(GpuError, match=r"takes int8 \[1, 48, 48, 1\], the .tflite float32 \[1, 48, 48, 3\]"):
            process.load(onnx_model.CPU, path, other, threads=1, seconds=60)
        assert process.failure is None
        loaded = process.load(onnx_model.CPU, path, PICTURE, threads=1, seconds=60)
        cpu = load_interpreter(model_with_onnx)
        for picture in np.random.default_rng(4).integers(-128, 128, (3, *PICTURE.shape)).astype(np.int8):
            # Every second column, so that the array's memory is not in one piece.
            strided = np.repeat(picture, 2, axis=-1)[..., :1]
            assert process.run(loaded.number, strided) == cpu.run(picture).tobytes()
        with pytest.raises(GpuError):
            process.run(7, np.zeros(PICTURE.shape, np.int8))
    finally:
        process.end()
    assert process._process.returncode is not None
    with pytest.raises(GpuError, match="it was ended"):
        load(process)


def test_it_ends_when_its_reader_is_gone() -> None:
    process = GpuProcess()
    assert process._process.stdin is not None
    process._process.stdin.close()
    assert process._process.wait(60) == 0
    process.end()
