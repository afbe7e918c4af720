from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge.observation import UNSURE
from edge.pipeline.smoothing import LabelSmoother

LABELS = ("happy", "sad", "neutral")


def smoother(*, half_life: float = 0.5, hysteresis: float = 0.1, unsure_below: float = 0.0) -> LabelSmoother:
    return LabelSmoother(LABELS, half_life=half_life, hysteresis=hysteresis, unsure_below=unsure_below)


def p(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def test_the_first_answer_counts_whole() -> None:
    first = smoother().update(p(0.7, 0.2, 0.1), 0.0)
    assert (first.label, first.changed) == ("happy", True)
    assert first.confidence == pytest.approx(0.7)


@pytest.mark.parametrize("rate", [5, 10, 30])
def test_after_one_half_life_old_and_new_count_the_same_at_any_frame_rate(rate: int) -> None:
    smooth = smoother(half_life=1.0)
    smooth.update(p(1.0, 0.0, 0.0), 0.0)
    for frame in range(1, rate + 1):
        last = smooth.update(p(0.0, 1.0, 0.0), frame / rate)
    assert last.probabilities == pytest.approx([0.5, 0.5, 0.0], abs=1e-5)


def test_a_flicker_does_not_change_the_label_and_a_lasting_change_does() -> None:
    smooth = smoother()
    smooth.update(p(0.9, 0.1, 0.0), 0.0)
    assert smooth.update(p(0.1, 0.9, 0.0), 0.05).label == "happy"
    labels = [smooth.update(p(0.1, 0.9, 0.0), 0.1 + step / 15) for step in range(30)]
    assert labels[-1].label == "sad"
    assert sum(label.changed for label in labels) == 1


def test_another_label_has_to_lead_clearly() -> None:
    smooth = smoother(half_life=0.0, hysteresis=0.1)
    assert smooth.update(p(0.6, 0.4, 0.0), 0.0).label == "happy"
    assert smooth.update(p(0.47, 0.53, 0.0), 0.1).label == "happy"
    assert smooth.update(p(0.44, 0.56, 0.0), 0.2).label == "sad"


def test_unsure_below_its_threshold_with_hysteresis_on_the_way_out() -> None:
    smooth = smoother(half_life=0.0, hysteresis=0.1, unsure_below=0.5)
    assert smooth.update(p(0.45, 0.3, 0.25), 0.0).label == UNSURE
    assert smooth.update(p(0.52, 0.3, 0.18), 0.1).label == UNSURE
    assert smooth.update(p(0.56, 0.3, 0.14), 0.2).label == "happy"
    assert smooth.update(p(0.51, 0.3, 0.19), 0.3).label == "happy"
    assert smooth.update(p(0.49, 0.3, 0.21), 0.4).label == UNSURE


def test_a_threshold_of_one_can_still_be_left() -> None:
    smooth = smoother(half_life=0.0, unsure_below=1.0)
    assert smooth.update(p(0.5, 0.5, 0.0), 0.0).label == UNSURE
    assert smooth.update(p(1.0, 0.0, 0.0), 0.1).label == "happy"
