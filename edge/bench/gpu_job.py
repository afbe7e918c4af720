"""Times each model by every way to a GPU that this machine has the parts of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from edge.bench.model_job import numbers, warm
from edge.errors import ModelError
from edge.inference.gpu_link import GpuError
from edge.inference.interpreter import Interpreter, load_model
from edge.inference.manifest import Manifest
from edge.inference.onnx_model import TENSORRT
from edge.inference.ways import Job, Way, available, end_gpu_process, load, noise

_QUICK_SECONDS: Final = 15.0


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row of each model and way, and what is absent.

    A way that fails for one model as it did for the one before is not tried again.

    Parameters
    ----------
    options
        {'models': [[name, path]], 'rounds': int, 'repeats': int, 'seconds': float, 'quick': bool}
    """
    # Of each, the models: one reason for all need not be told for each.
    absent: dict[str, list[str]] = {}
    last: dict[str, str] = {}
    hopeless: set[str] = set()
    names = [name for name, _ in options["models"]]
    try:
        for name, path in options["models"]:
            try:
                cpu, manifest = load_model(Path(path))
            except ModelError as error:
                yield {"failed": f"{name}, gpu", "reason": str(error)}
                continue
            ways, reasons = available(Path(path), with_cpu=False)
            for reason in reasons:
                absent.setdefault(reason, []).append(name)
            for way in ways:
                if way.name not in hopeless:
                    try:
                        yield from _rows(_patient(way, quick=options["quick"]), name, cpu, manifest, options)
                        last.pop(way.name, None)
                        continue
                    except GpuError as error:
                        reason = f"{way.name}: {error}"
                        if last.get(way.name) == reason or options["quick"]:
                            hopeless.add(way.name)
                        last[way.name] = reason
                absent.setdefault(last[way.name], []).append(name)
    finally:
        end_gpu_process()
    for reason, which in absent.items():
        yield {"absent": "gpu" if which == names else f"gpu, for {', '.join(which)}", "reason": reason}


def _patient(way: Way, *, quick: bool) -> Way:
    """With --quick nobody waits for a driver for a minute, nor for TensorRT's engines for longer."""
    if not quick:
        return way
    if way.provider == TENSORRT:
        raise GpuError("builds its engines for minutes, which --quick does not wait for")
    return replace(way, seconds=min(way.seconds, _QUICK_SECONDS))


def _rows(
    way: Way, name: str, cpu: Interpreter, manifest: Manifest, options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    # Nothing is kept on disk.
    task = Job(cpu, noise(cpu, numbers(manifest)), manifest.sha256, 1, keep=False)
    began = time.perf_counter()
    found = load(way, task)
    took = time.perf_counter() - began
    model = warm(
        name,
        cpu.computed_by(found.compute, found.runtime),
        manifest,
        accelerator=way.name,
        threads=1,
        load_seconds=took,
        software=found.software,
    )
    count, share = max(1, options["repeats"] // options["rounds"]), options["seconds"] / options["rounds"]
    for _ in range(options["rounds"]):
        row = model.visit(repeats=count, seconds=share)
        # The CPU has taken over: its times are not the GPU's.
        if model.interpreter.fallback_reason:
            raise GpuError(model.interpreter.fallback_reason)
        yield {"model": row}
