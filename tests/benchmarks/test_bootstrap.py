from __future__ import annotations

import numpy as np
import pytest

from benchmarks.bootstrap import intervals
from training.evaluation.detection import Found, Marked, score_detections

FACE = np.array([[40, 30, 50, 50]], np.float32)
NOTHING = np.zeros((0, 4), np.float32)


def photographs(count: int, found: int) -> tuple[list[Marked], list[Found]]:
    """So many with a face each, of which the first so many are found, each with a score of its own."""
    hit = [Found(FACE, np.array([0.9 - at / 1000], np.float32)) for at in range(found)]
    return [Marked(320, FACE, NOTHING)] * count, hit + [Found(NOTHING, np.zeros(0, np.float32))] * (count - found)


def test_the_interval_of_recall_is_the_binomials() -> None:
    marked, found = photographs(100, 80)
    precision, recall = intervals(marked, found, least_width=0.1, resamples=1000)
    # 0.8 with a standard error of sqrt(0.8 * 0.2 / 100) = 0.04.
    assert recall == pytest.approx((0.72, 0.88), abs=0.02)
    assert precision == pytest.approx(recall, abs=0.01)


def test_certainty_has_no_width_and_more_photographs_less() -> None:
    assert intervals(*photographs(20, 20), least_width=0.1, resamples=50) == ((1.0, 1.0), (1.0, 1.0))
    assert intervals(*photographs(20, 0), least_width=0.1, resamples=50) == ((0.0, 0.0), (0.0, 0.0))
    _, few = intervals(*photographs(25, 20), least_width=0.1, resamples=300)
    _, many = intervals(*photographs(400, 320), least_width=0.1, resamples=300)
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_false_alarms_of_one_score_come_together() -> None:
    # 50 hits and 50 false alarms, all with one score: more than one false alarm in ten photographs at any threshold.
    marked = [Marked(320, FACE, NOTHING), Marked(320, NOTHING, NOTHING)] * 50
    found = [Found(FACE, np.array([0.5], np.float32))] * 100
    assert score_detections(marked, found, least_width=0.1).recall == 0.0
    _, recall = intervals(marked, found, least_width=0.1, resamples=50)
    assert recall == (0.0, 0.0)
