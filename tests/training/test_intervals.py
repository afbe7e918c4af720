"""Intervals: a share's, and a bootstrap's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from training.evaluation.intervals import Estimate, drawn_anew, percentiles, plain, wilson


def test_the_wilson_interval() -> None:
    """As published: Newcombe 1998, table I, 81 of 263 and 0 of 20."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


def test_texts_are_drawn_with_replacement() -> None:
    columns = np.stack([np.ones(40), np.arange(40), np.eye(40)[7]], axis=1)
    sums = drawn_anew(columns, rounds=1100)
    assert sums.shape == (1100, 3)
    assert (sums[:, 0] == 40).all()
    assert sums[:, 1].std() == pytest.approx(np.arange(40).std() * np.sqrt(40), rel=0.1)
    assert np.mean(sums[:, 2] == 0) == pytest.approx(np.exp(-1), abs=0.05), "a text is missing in a third of the draws"


def test_draws_are_the_same_each_time_so_that_two_models_can_be_paired() -> None:
    one, two = np.random.default_rng(1).random((2, 30, 1))
    together = drawn_anew(np.hstack([one, two]))
    np.testing.assert_allclose(together, np.hstack([drawn_anew(one), drawn_anew(two)]), rtol=1e-12)


def test_the_middle_95_percent() -> None:
    assert percentiles(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


@dataclass(frozen=True)
class _Inner:
    share: float


@dataclass(frozen=True)
class _Outer:
    best: Estimate
    none: Estimate | None
    each: dict[str, _Inner]
    count: int


def test_figures_in_plain_types() -> None:
    figures = _Outer(Estimate(1 / 3, (0.1234567, 0.5)), None, {"a": _Inner(2 / 3)}, 7)
    assert plain(figures) == {
        "best": 0.33333,
        "best_interval": [0.12346, 0.5],
        "none": None,
        "each": {"a": {"share": 0.66667}},
        "count": 7,
    }
