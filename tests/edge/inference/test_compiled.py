"""The GPU path itself is run on SwiftShader, a real Vulkan driver that computes on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from edge.inference.compiled import Told, reason, told
from edge.inference.gpu_link import GpuProcess
from edge.inference.gpu_process import LITERT
from edge.inference.interpreter import load_interpreter
from tests.edge.inference.conftest import DATA

SWIFTSHADER = (
    "I0000 00:00:1795314943.5 22602 environment.cc:532] Selected adapter: SwiftShader Device (Subzero), "
    "arch=swiftshader, vendor=google, backend=Vulkan, adapterType=CPU / Software\n"
)
ORIN = (
    "Selected adapter: NVIDIA Tegra Orin (nvgpu), arch=ampere, vendor=nvidia, backend=Vulkan, adapterType=Integrated\n"
)
SPLIT = "62 operations will run on the GPU, and the remaining 3 operations will run on the CPU.\n"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (SWIFTSHADER, Told("SwiftShader Device (Subzero)", True, 0, 0)),
        (f"INFO: first\n{ORIN}{SPLIT}INFO: last\n", Told("NVIDIA Tegra Orin (nvgpu)", False, 62, 3)),
        ("Selected adapter: Mali, arch=valhall\n", Told("Mali", False, 0, 0)),
        ("INFO: nothing of it\n", Told("", False, 0, 0)),
    ],
)
def test_finds_the_device_and_the_split_in_what_litert_prints(printed: str, expected: Told) -> None:
    assert told(printed) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (
            "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open\nINTERNAL: No adapters found",
            "apt install libvulkan1",
        ),
        ("Failed to initialize WebGPU environment: INTERNAL: No adapters found", "finds no GPU: install its driver"),
        ("", "LiteRT cannot load it on the GPU: └ out of memory"),
    ],
)
def test_says_why_and_what_to_do(printed: str, expected: str) -> None:
    assert expected in reason(RuntimeError("ERROR: [compiled_model.h:1961]\n└ out  of memory\n"), printed)
    assert "\n" not in reason(RuntimeError(""), printed)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("small_int8", ""),
        ("small_float", ""),
        # A slice that LiteRT's GPU accelerator does not know stands in it.
        ("small_speech_head", "4 of 19 operations stay on the CPU"),
    ],
)
def test_the_gpu_answers_as_the_cpu_does(swiftshader: None, name: str, note: str) -> None:
    path = DATA / f"{name}.tflite"
    cpu = load_interpreter(path)
    process = GpuProcess()
    try:
        loaded = process.load(LITERT, path, cpu.input, threads=1, seconds=60)
        assert "SwiftShader" in loaded.device
        assert loaded.software
        assert loaded.note == note
        generator = np.random.default_rng(3)
        for _ in range(5):
            if cpu.input.dtype == np.float32:
                x = generator.random(cpu.input.shape, np.float32)
            else:
                x = generator.integers(-128, 128, cpu.input.shape).astype(np.int8)
            found = np.frombuffer(process.run(loaded.number, x), cpu.output.dtype).reshape(cpu.output.shape)
            if cpu.output.dtype == np.float32:
                np.testing.assert_allclose(found, cpu.run(x), rtol=0.01, atol=1e-3)
            else:
                assert np.abs(found.astype(int) - cpu.run(x)).max() <= 1
            assert found.any()
    finally:
        process.end()
