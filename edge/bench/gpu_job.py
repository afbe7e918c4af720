"""Times each model by every way to a GPU that this machine has the parts of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.bench.model_job import numbers, warm
from edge.errors import ModelError
from edge.inference.gpu_link import GpuError
from edge.inference.interpreter import load_model
from edge.inference.onnx_model import TENSORRT
from edge.inference.ways import Job, available, end_gpu_process, load, noise


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row of each model and way, and what is absent.

    Parameters
    ----------
    options
        {'models': [[name, path]], 'rounds': int, 'repeats': int, 'seconds': float, 'quick': bool}
    """
    # Of each, the models: one reason for all need not be told for each.
    absent: dict[str, list[str]] = {}
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
                if way.provider == TENSORRT and options["quick"]:
                    reason = "TensorRT: builds its engines for minutes, which --quick does not wait for"
                    absent.setdefault(reason, []).append(name)
                    continue
                # Nothing is kept on disk.
                task = Job(cpu, noise(cpu, numbers(manifest)), manifest.sha256, 1, keep=False)
                began = time.perf_counter()
                try:
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
                except GpuError as error:
                    absent.setdefault(f"{way.name}: {error}", []).append(name)
                    continue
                count, share = max(1, options["repeats"] // options["rounds"]), options["seconds"] / options["rounds"]
                for _ in range(options["rounds"]):
                    row = model.visit(repeats=count, seconds=share)
                    if model.interpreter.fallback_reason:
                        yield {"failed": f"{name}, {way.name}", "reason": model.interpreter.fallback_reason}
                        break
                    yield {"model": row}
    finally:
        end_gpu_process()
    for reason, which in absent.items():
        yield {"absent": "gpu" if which == names else f"gpu, for {', '.join(which)}", "reason": reason}
