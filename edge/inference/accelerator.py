"""Which of a machine's processors computes a model: the CPU, or a GPU by one of several ways.

The ways to a GPU, of which those are tried that are there:

``TensorRT``, ``CUDA``   ONNX Runtime, where NAME.tensorrt.onnx or NAME.onnx lies beside NAME.tflite
``GPU``                  LiteRT's CompiledModel: WebGPU on Vulkan

With 'gpu' the fastest of them computes that gives the CPU's answers; where none does, the CPU, with a warning that says
why. With 'auto' the CPU is among those measured (and ONNX Runtime's, where there is a NAME.onnx), and keeps the work
unless another takes `WORTHWHILE` of its time or less. What was measured is remembered (see `measured`), so only the
first start takes longer.

GPUs are used through a process of their own, which is ended when its driver hangs or crashes; the CPU goes on then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy.typing as npt

from edge.inference import Accelerator, onnx_model
from edge.inference.compiled import litert_version
from edge.inference.gpu_link import GpuError, GpuProcess
from edge.inference.interpreter import Interpreter
from edge.inference.manifest import file_sha256
from edge.inference.measured import Measured, Measurement, machine, recall, remember
from edge.inference.ways import Compute, Job, Way, available, load, noise

log = logging.getLogger(__name__)

WORTHWHILE: Final = 0.9
"""With 'auto', the part of the CPU's time below which another way is taken: a tie is not worth a second process."""

_ROUNDS = 20
_MEASURE_SECONDS = 4.0
"""For one way to a model: so many rounds, fewer when they take longer, but at least three."""

_told: set[str] = set()
"""Reasons that were already logged: four models on a machine without a GPU need not say so four times."""


def accelerate(
    cpu: Interpreter,
    accelerator: Accelerator,
    *,
    sha256: str | None = None,
    threads: int = 1,
    numbers: int = 1,
    keep: bool = True,
) -> Interpreter:
    """Let what a configuration asks for compute a model.

    Parameters
    ----------
    cpu
        The model, loaded by a TensorFlow Lite runtime: what the others must agree with, and what takes over when a GPU
        fails later on.
    accelerator
        What is asked for; 'cpu' returns `cpu`.
    sha256
        Of the model file, where it is known.
    threads
        Of one inference, as far as the CPU computes it.
    numbers
        How many different numbers an integer input takes, from 0 on: a text model's vocabulary. Quantised inputs take
        all.
    keep
        Whether a file may be written: what was measured, and TensorRT's engines.

    Returns
    -------
    `cpu` itself where nothing else can or should compute; its `fallback_reason` says why if a GPU was asked for.
    """
    if accelerator == "cpu":
        return cpu
    job = Job(cpu, noise(cpu, numbers), sha256 or file_sha256(cpu.model), threads, keep)
    ways, reasons = available(cpu.model, with_cpu=accelerator == "auto")
    best = list(ways)
    if ways and (accelerator == "auto" or len(ways) > 1):
        measurement = _measurement(job, ways)
        best = [next(way for way in ways if way.name == name) for name in ranking(measurement, accelerator)]
        reasons += [f"{name}: {way.error}" for name, way in measurement.ways.items() if way.error]
    for way in best:
        try:
            loaded = load(way, job)
        except GpuError as error:
            reasons.append(f"{way.name}: {error}")
            continue
        log.info("%s: computed by %s", cpu.model, loaded.runtime)
        if loaded.software and accelerator == "gpu":
            _warn_once(
                cpu.model,
                f"{loaded.device} is a program that computes on the CPU, slower than the CPU by itself; is the GPU's "
                "own driver installed? Else set accelerator = 'auto'",
            )
        return cpu.computed_by(loaded.compute, loaded.runtime)
    if accelerator == "gpu" or best:
        cpu.fallback_reason = "; ".join(reasons)
        _warn_once(cpu.model, f"no GPU computes it, the CPU does: {cpu.fallback_reason}")
    else:
        log.info("%s: computed by %s, as was measured; %s", cpu.model, cpu.runtime, "; ".join(reasons))
    return cpu


def ranking(measurement: Measurement, accelerator: Accelerator) -> list[str]:
    """The names of the ways to take, the best first; with 'auto' none where the CPU is to compute."""
    times = {name: way.milliseconds for name, way in measurement.ways.items() if way.milliseconds is not None}
    most = WORTHWHILE * measurement.cpu_milliseconds if accelerator == "auto" else float("inf")
    return sorted((name for name, time in times.items() if time <= most), key=lambda name: times[name])


def _measurement(job: Job, ways: Sequence[Way]) -> Measurement:
    """What is remembered, else what is measured now."""
    cpu, inputs = job.cpu, job.inputs
    files = {onnx_model.onnx_path(cpu.model, way.provider) for way in ways if way.provider}
    key = machine(
        {
            "ways": " ".join(way.name for way in ways),
            "runtime": cpu.runtime,
            "LiteRT": litert_version(),
            "ONNX Runtime": onnx_model.runtime_version(),
            **{path.name: file_sha256(path) for path in files},
        }
    )
    if (known := recall(job.sha256, job.threads, key)) is not None:
        return known
    names = ", ".join(way.name for way in ways)
    if onnx_model.TENSORRT in (way.provider for way in ways):
        log.warning("%s: measures %s once; TensorRT builds its engine, which may take minutes", cpu.model, names)
    else:
        log.info("%s: measures %s once", cpu.model, names)
    times, found = [_time(cpu.run, inputs[0]) for _ in range(3)], {}
    for way in ways:
        # In a process of its own each: one that crashes or hangs takes no other with it, and no memory is left behind.
        process = None
        try:
            process = GpuProcess() if way.on_gpu else None
            loaded = load(way, job, process)
            own, others = _interleaved(loaded.compute, cpu.run, inputs[0])
            times += others
            found[way.name] = Measured(median(own), loaded.device)
        except RuntimeError as error:
            found[way.name] = Measured(None, error=str(error))
        finally:
            if process is not None:
                process.end()
    measurement = Measurement(median(times), found)
    log.info("%s: %.3g ms by %s", cpu.model, measurement.cpu_milliseconds, cpu.runtime)
    for name, measured in found.items():
        log.info("%s: %s by %s", cpu.model, measured.error or f"{measured.milliseconds:.3g} ms", name)
    if job.keep:
        remember(job.sha256, job.threads, key, measurement)
    return measurement


def _interleaved(one: Compute, other: Compute, x: npt.NDArray[Any]) -> tuple[list[float], list[float]]:
    """Milliseconds of runs of both by turns, so that what else the machine does meets both."""
    pairs: list[tuple[float, float]] = []
    deadline = time.monotonic() + _MEASURE_SECONDS
    while len(pairs) < 3 or (len(pairs) < _ROUNDS and time.monotonic() < deadline):
        pairs.append((_time(one, x), _time(other, x)))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _time(compute: Compute, x: npt.NDArray[Any]) -> float:
    start = time.perf_counter()
    compute(x)
    return 1000 * (time.perf_counter() - start)


def _warn_once(model: Path, reason: str) -> None:
    level = logging.INFO if reason in _told else logging.WARNING
    _told.add(reason)
    log.log(level, "%s: %s", model, reason)
