"""A model on the GPU through LiteRT's CompiledModel: its WebGPU accelerator, on Vulkan, which comes inside the wheel.

Operations that the accelerator cannot compute are left to the CPU. Which they are, and the device's name, LiteRT only
prints; `told` finds both in what it printed.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_ADAPTER = re.compile(r"Selected adapter: (?P<name>.+?), arch=.*?(?:adapterType=(?P<kind>.*))?$", re.MULTILINE)
_SPLIT = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations")
_REFUSED = "No operations will run on the GPU"
_REASONS = (
    (
        "Couldn't load Vulkan",
        "there is no Vulkan (libvulkan.so.1): sudo apt install libvulkan1, and the Vulkan driver of the GPU",
    ),
    (
        "No adapters found",
        "Vulkan finds no GPU: install its driver, and let this user into the group that owns /dev/dri/renderD128",
    ),
)


def litert_version() -> str | None:
    """The installed version of LiteRT that has a CompiledModel, read without importing it; None where there is none."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return None
    if importlib.util.find_spec("ai_edge_litert.compiled_model") is None:
        return None
    try:
        return version("ai-edge-litert")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """What LiteRT printed while it loaded a model."""

    device: str
    """The GPU's name; empty where none was told."""
    software: bool
    """Whether the device is a program: SwiftShader and llvmpipe compute on the CPU."""
    on_gpu: int
    on_cpu: int
    """Operations on either; both 0 where all are on the GPU."""


def told(printed: str) -> Told:
    """Read what LiteRT printed on stderr."""
    adapter, split = _ADAPTER.search(printed), _SPLIT.search(printed)
    on_gpu, on_cpu = (int(count) for count in split.groups()) if split else (0, 0)
    kind = (adapter["kind"] or "") if adapter else ""
    return Told(adapter["name"] if adapter else "", kind.startswith("CPU"), on_gpu, on_cpu)


def reason(error: BaseException, printed: str) -> str:
    """One line on why a model could not be loaded, and the mend where it is known."""
    for mark, meaning in _REASONS:
        if mark in printed:
            return meaning
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"LiteRT cannot load it on the GPU: {' '.join(lines[-1].split()) if lines else type(error).__name__}"


class CompiledGpu:
    """A model that LiteRT computes on the GPU.

    Made and used in a process of its own (see `gpu_process`): a driver may hang or crash, and LiteRT prints two dozen
    lines with each model that nothing in Python turns off.

    Parameters
    ----------
    path
        The .tflite file; one input, one output.
    threads
        Of what stays on the CPU.

    Raises
    ------
    ImportError
        ai-edge-litert is not installed, or is older than its CompiledModel.
    RuntimeError
        There is no GPU, or it cannot load the model.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        from ai_edge_litert import compiled_model as litert

        both = litert.HardwareAccelerator.GPU | litert.HardwareAccelerator.CPU
        options = litert.Options(hardware_accelerators=both, cpu_options=litert.CpuOptions(num_threads=threads))
        # Its bytes, not its path: see `edge.inference.interpreter`. They are to stay where they are.
        self._content = path.read_bytes()
        self._model = litert.CompiledModel.from_buffer(self._content, options=options)
        (signature,) = self._model.get_signature_list()
        (output,) = self._model.get_output_tensor_details(signature).values()
        self._shape: tuple[int, ...] = tuple(output["shape"])
        self._dtype: np.dtype[Any] = np.dtype(output["dtype"])
        self._inputs = self._model.create_input_buffers(0)
        self._outputs = self._model.create_output_buffers(0)

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the model once; a new array."""
        self._inputs[0].write(x)
        self._model.run_by_index(0, self._inputs, self._outputs)
        flat: npt.NDArray[Any] = self._outputs[0].read(int(np.prod(self._shape)), self._dtype)
        return flat.reshape(self._shape)
