"""How far a figure may be from that of other texts of the same kind: 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from training.evaluation.metrics import Floats

Interval = tuple[float, float]

ROUNDS = 2000
"""Of the bootstrap."""

_AT_ONCE = 50
"""Rounds whose draws are held in memory together."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    interval: Interval


def wilson(right: int, count: int) -> Interval:
    """95 % Wilson score interval of a share."""
    found = binomtest(right, count).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def drawn_anew(columns: Floats, rounds: int = ROUNDS) -> Floats:
    """Sums of the columns over texts that are drawn with replacement, the same draws each time.

    Parameters
    ----------
    columns
        (n, k), one row for each text.

    Returns
    -------
    (rounds, k)
    """
    rng = np.random.default_rng(0)
    count = len(columns)
    sums = []
    for done in range(0, rounds, _AT_ONCE):
        drawn = rng.integers(count, size=(min(_AT_ONCE, rounds - done), count))
        times = np.stack([np.bincount(each, minlength=count) for each in drawn])
        sums.append(times @ columns)
    return np.concatenate(sums)


def percentiles(values: Floats) -> Interval:
    """The middle 95 % of a bootstrap's values."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def plain(value: Any) -> Any:
    """Figures in plain types for JSON: floats to five places, an `Estimate`'s interval under a key beside its own."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            if isinstance(item, Estimate):
                found |= {key: plain(item.value), f"{key}_interval": plain(item.interval)}
            else:
                found[key] = plain(item)
        return found
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
