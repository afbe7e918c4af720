"""Comparisons that were never measured, for the tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from converter import bench
from converter.auto import Comparison, Variant
from converter.bench import Machine, Timing
from converter.methods import Method
from converter.verify import Agreement

QUIET = Machine(
    where=bench.HERE,
    name="Board 5",
    system="Linux 6.6 aarch64",
    architecture="aarch64",
    cores=4,
    runtime="litert 2.1.0",
    python="3.11.2",
    numpy="2.2.0",
    governor="ondemand",
    temperature_c=(45.0, 61.5),
    others=0.1,
)
BUSY = replace(QUIET, others=2.0)


def variant(method: Method, kilobytes: int, score: float, *milliseconds: float, **more: Any) -> Variant:
    """One that was timed with 1, 2, 4... threads."""
    timings = {2**index: Timing(each, 0.9 * each, 1.2 * each, 150) for index, each in enumerate(milliseconds)}
    agreement = Agreement(1000, score, 0.5, 0.1, 30.0)
    return Variant(method, bytes(1000 * kilobytes), score=score, agreement=agreement, timings=timings, **more)


def compared(*variants: Variant, machine: Machine = QUIET, samples: int = 1000, baseline: float = 0.8) -> Comparison:
    return Comparison(variants, "accuracy", baseline, samples, machine)
