"""Times each model alone, on the CPU: loading, the first inference, and many more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bench.timing import repeat, timed, times
from edge.errors import ModelError
from edge.inference.interpreter import Interpreter, load_model
from edge.inference.manifest import Manifest, TextInput
from edge.inference.ways import noise


@dataclass
class Timed:
    """A loaded model and its times so far."""

    row: dict[str, Any]
    interpreter: Interpreter
    inputs: list[Any]
    seconds: list[float] = field(default_factory=list)

    def visit(self, *, repeats: int, seconds: float) -> dict[str, Any]:
        """Run it so often; the row as it is then."""
        inputs, run = self.inputs, self.interpreter.run
        # What ran in between took the caches and, with several threads, put the others to sleep.
        run(inputs[0])
        self.row["warmup"] += 1
        self.seconds += repeat(lambda turn: run(inputs[turn % len(inputs)]), repeats=repeats, seconds=seconds)
        self.row["rounds"] += 1
        return self.row | {"repeats": len(self.seconds), **times(self.seconds)}


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row of each model and number of threads, better with each round.

    Parameters
    ----------
    options
        {'models': [[name, path]], 'threads': [int], 'rounds': int, 'repeats': int, 'seconds': float}
    """
    loaded: list[Timed] = []
    share = options["seconds"] / options["rounds"]
    count = max(1, options["repeats"] // options["rounds"])
    for turn in range(options["rounds"]):
        if turn == 0:
            for threads in options["threads"]:
                for name, path in options["models"]:
                    try:
                        model = load(name, Path(path), threads)
                    except ModelError as error:
                        yield {"failed": f"{name}, cpu, {threads} threads", "reason": str(error)}
                        continue
                    loaded.append(model)
                    yield {"model": model.visit(repeats=count, seconds=share)}
            continue
        for model in loaded:
            yield {"model": model.visit(repeats=count, seconds=share)}


def load(name: str, path: Path, threads: int) -> Timed:
    """A model that is ready and warm."""
    began = time.perf_counter()
    interpreter, manifest = load_model(path, threads=threads)
    took = time.perf_counter() - began
    return warm(name, interpreter, manifest, accelerator="cpu", threads=threads, load_seconds=took)


def warm(
    name: str,
    interpreter: Interpreter,
    manifest: Manifest,
    *,
    accelerator: str,
    threads: int,
    load_seconds: float,
    software: bool = False,
) -> Timed:
    """The first inference, then some that do not count."""
    inputs = noise(interpreter, numbers(manifest))
    first = timed(lambda: interpreter.run(inputs[0]))
    warmup = repeat(lambda turn: interpreter.run(inputs[turn % len(inputs)]), repeats=10, seconds=0.1)
    row = {
        "model": name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "accelerator": accelerator,
        "threads": threads,
        "runtime": interpreter.runtime,
        "software": software,
        "load_ms": round(load_seconds * 1e3, 3),
        "first_ms": round(first * 1e3, 4),
        "warmup": 1 + len(warmup),
        "rounds": 0,
    }
    return Timed(row, interpreter, inputs)


def numbers(manifest: Manifest) -> int:
    """How many different numbers an integer input takes, from 0 on."""
    return manifest.input.text.numbers if isinstance(manifest.input, TextInput) else 1
