"""The ways to compute a model other than by the TensorFlow Lite runtime on the CPU, and whether their answers agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.inference import onnx_model
from edge.inference.compiled import litert_version
from edge.inference.gpu_link import GpuError, GpuProcess
from edge.inference.gpu_process import LITERT
from edge.inference.interpreter import Interpreter
from edge.inference.measured import cache_folder

MOST_DIFFERENCE: Final = 0.08
"""An answer may differ from the CPU's by so much anywhere, as a part of the span of the CPU's answers; by three steps
of a quantised output in any case. GPUs and ONNX Runtime round otherwise: on noise the int8 models of this project
differ by up to 3.6 % (6 steps) on SwiftShader and by up to 3.3 % (4 steps) in ONNX Runtime on the CPU, and a
classifier's label by none. What computes something else differs by far more."""

MEAN_DIFFERENCE: Final = 0.02
"""The same for the average over an answer, which is up to 2.0 % (1.6 steps) on SwiftShader and 1.6 % (1.7 steps) in
ONNX Runtime; two steps of a quantised output in any case."""

CHECKED_INPUTS: Final = 3
"""Inputs of seeded noise on which a way must agree with the CPU each time it is loaded."""

_LOAD_SECONDS = 60.0
_TENSORRT_SECONDS = 300.0
"""TensorRT builds its engine when a model is loaded: minutes on a small board, unless it was kept."""

Compute = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute a model other than the TensorFlow Lite runtime's on the CPU."""

    name: str
    provider: str | None
    """ONNX Runtime's; None for LiteRT."""
    on_gpu: bool = True
    seconds: float = _LOAD_SECONDS
    """That loading may take."""
    tolerance: float = 1.0
    """How many times the differences that are allowed to others are allowed to it."""


WAYS: Final = (
    # Symmetric quantisation: after a ReLU its steps are twice as large.
    Way("TensorRT", onnx_model.TENSORRT, seconds=_TENSORRT_SECONDS, tolerance=2.0),
    Way("CUDA", onnx_model.CUDA),
    Way("GPU", None),
    Way("ONNX Runtime on the CPU", onnx_model.CPU, on_gpu=False),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A model that is to be computed some other way."""

    cpu: Interpreter
    """The model on the CPU: what the others must agree with."""
    inputs: Sequence[npt.NDArray[Any]]
    """On which they must."""
    sha256: str
    """Of the .tflite file."""
    threads: int
    """Of what the CPU computes."""
    keep: bool
    """Whether files may be written."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that another way computes, with the CPU's answers."""

    compute: Compute
    """From an array of the model's input to a new one of its output; `RuntimeError` where it fails."""
    runtime: str
    """Name and version of the runtime, and what it computes on."""
    device: str
    """Name of the GPU, empty where it is not known."""
    software: bool
    """Whether the GPU is a program that computes on the CPU."""


_shared: GpuProcess | None = None
"""Computes all models of this process that are on a GPU: each process there has its own context, of many megabytes."""


def available(model: Path, *, with_cpu: bool) -> tuple[list[Way], list[str]]:
    """The ways that this machine has the parts of, and why it does not have the others."""
    absent, providers = [], []
    if not any(onnx_model.onnx_path(model, provider).is_file() for provider in (onnx_model.CPU, onnx_model.TENSORRT)):
        absent.append("TensorRT and CUDA: there is no .onnx file beside the model")
    else:
        try:
            providers = onnx_model.available_providers()
        except RuntimeError as error:
            absent.append(f"TensorRT and CUDA: {error}")
        else:
            if not {onnx_model.CUDA, onnx_model.TENSORRT} & set(providers):
                absent.append(f"TensorRT and CUDA: ONNX Runtime {onnx_model.runtime_version()} was built without them")
    if litert_version() is None:
        absent.append("GPU: ai-edge-litert 2 or newer is not installed")

    def is_there(way: Way) -> bool:
        if way.provider is None:
            return litert_version() is not None
        return way.provider in providers and onnx_model.onnx_path(model, way.provider).is_file()

    return [way for way in WAYS if (way.on_gpu or with_cpu) and is_there(way)], absent


def load(way: Way, job: Job, process: GpuProcess | None = None) -> Loaded:
    """Load a model and compare its answers with the CPU's.

    Parameters
    ----------
    way
        One of `available`.
    job
        The model.
    process
        Where to load it, for a way to a GPU; None takes the one that all models share.

    Raises
    ------
    GpuError
        It cannot be loaded, fails, or answers otherwise.
    """
    loaded = _in_process(way, job, process) if way.on_gpu else _onnx_on_cpu(job)
    for x in job.inputs:
        expected = job.cpu.run(x)
        try:
            found = loaded.compute(x)
        except RuntimeError as error:
            raise GpuError(str(error)) from error
        if (difference := disagreement(found, expected, way.tolerance)) is not None:
            raise GpuError(difference)
    return loaded


def _in_process(way: Way, job: Job, process: GpuProcess | None) -> Loaded:
    global _shared
    if process is None:
        # After a crash another way may work, or the same one with another model. A driver that hangs is asked no more.
        if _shared is None or (_shared.failure and not _shared.hung):
            _shared = GpuProcess()
        process = _shared
    model, output = job.cpu.model, job.cpu.output
    found = process.load(
        way.provider or LITERT,
        onnx_model.onnx_path(model, way.provider) if way.provider else model,
        job.cpu.input,
        threads=job.threads,
        seconds=way.seconds,
        source=job.sha256,
        engines=_engines() if job.keep and way.provider == onnx_model.TENSORRT else None,
    )

    def compute(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        data = process.run(found.number, x)
        try:
            return np.frombuffer(data, output.dtype).reshape(output.shape)
        except ValueError:
            raise GpuError(f"it answers {len(data)} bytes, not {output.dtype} {list(output.shape)}") from None

    name = f"ONNX Runtime {onnx_model.runtime_version()}" if way.provider else f"litert {litert_version()}"
    details = ", ".join(part for part in (found.device, found.note) if part)
    runtime = f"{name} on {way.name}" + (f" ({details})" if details else "")
    return Loaded(compute, runtime, found.device, found.software)


def _onnx_on_cpu(job: Job) -> Loaded:
    """In this process: the CPU has no driver that could hang."""
    path = onnx_model.onnx_path(job.cpu.model)
    try:
        model = onnx_model.OnnxModel(path, provider=onnx_model.CPU, threads=job.threads, source=job.sha256)
    except RuntimeError as error:
        raise GpuError(str(error)) from error
    return Loaded(model, f"ONNX Runtime {onnx_model.runtime_version()} on the CPU", "", False)


def _engines() -> Path | None:
    """The folder for TensorRT's engines, made; None where that cannot be."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        (folder / "tensorrt").mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / "tensorrt"


def noise(cpu: Interpreter, numbers: int) -> list[npt.NDArray[Any]]:
    """Inputs of a model that are the same at each start; those of a text model are below `numbers`."""
    generator, dtype, shape = np.random.default_rng(6), cpu.input.dtype, cpu.input.shape
    if dtype.kind == "f":
        return [generator.standard_normal(shape).astype(dtype) for _ in range(CHECKED_INPUTS)]
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max + 1) if dtype.itemsize < 4 else (0, max(1, numbers))
    return [generator.integers(low, high, shape).astype(dtype) for _ in range(CHECKED_INPUTS)]


def disagreement(found: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float = 1.0) -> str | None:
    """How an answer differs from the CPU's by more than `tolerance` times what is allowed; None where it does not."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return (
            f"it answers {found.dtype} {list(found.shape)} where the CPU does {expected.dtype} {list(expected.shape)}"
        )
    step = 0.0 if expected.dtype.kind == "f" else 1.0
    real = expected.astype(np.float64)
    span = float(np.ptp(real))
    differences = np.abs(found.astype(np.float64) - real)
    most = tolerance * max(3 * step, MOST_DIFFERENCE * span)
    mean = tolerance * max(2 * step, MEAN_DIFFERENCE * span)
    # Written so that NaN counts as a difference.
    if differences.max() <= most and differences.mean() <= mean:
        return None
    return (
        f"it answers otherwise than the CPU: differences of up to {differences.max():.3g}, {differences.mean():.3g} on "
        f"average, where {most:.3g} and {mean:.3g} are allowed"
    )


def end_gpu_process() -> None:
    """End the process that computes on the GPU; the CPU goes on with what it did. The next model starts a new one."""
    global _shared
    if _shared is not None:
        _shared.end()
    _shared = None
