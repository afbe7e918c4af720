"""Times of many repeats, and what is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

CLOCK = "time.perf_counter_ns"


def times(seconds: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, float]:
    """The least and the percentiles of at least one time.

    Parameters
    ----------
    seconds
        (n,)

    Returns
    -------
    {'min_ms', 'p50_ms', 'p90_ms', 'p99_ms'}, to a tenth of a microsecond
    """
    values = np.asarray(seconds, dtype=np.float64) * 1e3
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return {
        "min_ms": round(float(values.min()), 4),
        "p50_ms": round(p50, 4),
        "p90_ms": round(p90, 4),
        "p99_ms": round(p99, 4),
    }


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1e9


def repeat(call: Callable[[int], object], *, repeats: int, seconds: float, at_least: int = 1) -> list[float]:
    """Time a call again and again, until `repeats` or `seconds` are reached, but `at_least` so often.

    Parameters
    ----------
    call
        Given the number of the repeat.

    Returns
    -------
    Seconds of each call.
    """
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(found) < at_least or (len(found) < repeats and time.perf_counter() < deadline):
        number = len(found)
        began = time.perf_counter_ns()
        call(number)
        found.append((time.perf_counter_ns() - began) / 1e9)
    return found
