"""What a conversion cost, text by text."""

from __future__ import annotations

import numpy as np
import pytest

from edge.inference.manifest import Calibration
from training.evaluation.metrics import Floats
from training.evaluation.text_comparison import beside_float, beside_lines
from training.evaluation.text_figures import best_thresholds, f1_scores, probabilities_of, top_is_right

CALIBRATION = Calibration(link="sigmoid", temperature=1.2, thresholds=(0.4, 0.5, 0.6))


def drawn(n: int = 800) -> tuple[Floats, Floats, Floats]:
    """The float model's logits, those of an int8 one with steps of a quarter, and targets."""
    rng = np.random.default_rng(0)
    theirs = rng.normal(-1, 2, (n, 3))
    targets = (rng.random(theirs.shape) < probabilities_of(theirs)).astype(np.float32)
    return theirs, np.round(theirs * 4) / 4, targets


def test_each_model_has_its_own_temperature_and_thresholds() -> None:
    theirs, logits, targets = drawn()
    limits = best_thresholds(probabilities_of(theirs, 0.9), targets)
    beside = beside_float(logits, CALIBRATION, theirs, (0.9, limits), targets, "tiny.keras")
    present = probabilities_of(logits, 1.2) >= CALIBRATION.thresholds
    float_present = probabilities_of(theirs, 0.9) >= limits
    macro, float_macro = f1_scores(present, targets).mean(), f1_scores(float_present, targets).mean()
    assert beside.float_model == "tiny.keras"
    assert beside.float_macro_f1 == pytest.approx(float_macro)
    assert beside.macro_f1_difference.value == pytest.approx(macro - float_macro)
    assert beside.float_accuracy == pytest.approx(top_is_right(theirs, targets).mean())
    expected = top_is_right(logits, targets).mean() - top_is_right(theirs, targets).mean()
    assert beside.accuracy_difference.value == pytest.approx(expected)
    assert beside.agreement == np.mean(logits.argmax(axis=1) == theirs.argmax(axis=1))
    assert beside.labels_agreement == np.mean(present == float_present)


def test_differences_are_drawn_in_pairs() -> None:
    """Two models that answer nearly alike differ by far less than either figure is uncertain."""
    theirs, logits, targets = drawn()
    fit = 1.2, np.array(CALIBRATION.thresholds)
    near = beside_float(logits, CALIBRATION, theirs, fit, targets, "").macro_f1_difference
    far = beside_float(logits, CALIBRATION, theirs[::-1], fit, targets, "").macro_f1_difference
    assert near.interval[0] <= near.value <= near.interval[1]
    assert np.diff(near.interval) < np.diff(far.interval) / 2
    same = beside_float(logits, CALIBRATION, logits, fit, targets, "")
    assert same.macro_f1_difference.interval == same.accuracy_difference.interval == (0.0, 0.0)
    assert same.agreement == same.labels_agreement == 1
    assert same.probability_difference == 0


def test_a_manifest_without_thresholds_means_one_half() -> None:
    theirs, logits, targets = drawn(50)
    fit = 1.0, np.full(3, 0.5)
    plain, halves = (
        beside_float(logits, Calibration(link="sigmoid", thresholds=limits), theirs, fit, targets, "")
        for limits in ((), (0.5, 0.5, 0.5))
    )
    assert plain == halves


def test_what_is_printed() -> None:
    theirs, logits, targets = drawn(100)
    lines = list(beside_lines(beside_float(logits, CALIBRATION, theirs, (1.0, np.full(3, 0.5)), targets, "tiny.keras")))
    assert [line.partition(":")[0] for line in lines[:2]] == ["beside tiny.keras"] * 2
    assert "macro-F1" in lines[0]
    assert "accuracy" in lines[1]
