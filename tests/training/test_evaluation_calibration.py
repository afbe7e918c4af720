from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("sklearn")

from edge.errors import DataError
from training.evaluation.calibration import calibrate, choose_threshold, fit_temperature, risk_coverage, select
from training.evaluation.metrics import negative_log_likelihood, probability_figures


def drawn(temperature: float, n: int = 6000) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Logits whose labels are drawn from their softmax at `temperature`: that is what calibration must find."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (n, 7)).astype(np.float32)
    noise = rng.gumbel(size=logits.shape)
    return logits, np.argmax(logits / temperature + noise, axis=1)


def two_classes(confidences: list[float], right: list[bool]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Probabilities of two classes whose first has the given confidence."""
    first = np.array(confidences)
    return np.column_stack([first, 1 - first]), np.where(right, 0, 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    logits, labels = drawn(temperature)
    fitted = fit_temperature(logits, labels)
    assert fitted == pytest.approx(temperature, rel=0.06)
    assert probability_figures(logits, labels, fitted).ece < 0.02
    best = negative_log_likelihood(logits, labels, fitted)
    assert all(best < negative_log_likelihood(logits, labels, fitted * factor) for factor in (0.97, 1.03))


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.eye(7, dtype=np.float32) * 9, np.arange(7), "all are right"),
        (np.eye(7, dtype=np.float32) * 9, np.roll(np.arange(7), 1), "no better than chance"),
        (np.zeros((0, 7), np.float32), np.zeros(0, np.int64), "empty"),
    ],
)
def test_faces_that_fit_no_temperature(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        fit_temperature(logits, labels)


def test_threshold_is_the_smallest_that_reaches_the_target() -> None:
    probabilities, labels = two_classes([0.95, 0.9, 0.8, 0.7, 0.6, 0.55], [True, True, True, False, True, False])
    # From 0.6 on four of five are right; below, four of six.
    chosen = choose_threshold(probabilities, labels, target=0.8)
    assert 0.55 < chosen.threshold <= 0.551
    assert (chosen.coverage, chosen.accuracy) == pytest.approx((5 / 6, 0.8))
    # Nothing need be withheld from a target that all faces reach.
    assert choose_threshold(probabilities, labels, target=0.6).threshold == 0
    # The threshold itself is answered.
    assert select(probabilities, labels, 0.8).coverage == pytest.approx(0.5)


def test_a_handful_of_lucky_faces_is_no_evidence() -> None:
    probabilities, labels = two_classes([0.99] + [0.6] * 99, [True] + [False] * 99)
    with pytest.raises(DataError, match="--target-accuracy"):
        choose_threshold(probabilities, labels, target=0.8)


def test_calibrated_model_keeps_its_promise_on_other_faces() -> None:
    logits, labels = drawn(1.3)
    temperature, chosen = calibrate(logits[:3000], labels[:3000], 0.8)
    scaled = np.exp(logits[3000:].astype(np.float64) / temperature)
    unseen = select(scaled / scaled.sum(axis=1, keepdims=True), labels[3000:], chosen.threshold)
    assert unseen.accuracy == pytest.approx(0.8, abs=0.03)
    assert unseen.coverage == pytest.approx(chosen.coverage, abs=0.03)


def test_risk_and_coverage_answer_equals_together() -> None:
    probabilities, labels = two_classes([0.9, 0.7, 0.7, 0.6], [True, False, True, False])
    curve = risk_coverage(probabilities, labels)
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 3, 0.5])
    assert curve.area == pytest.approx(0.25 * 0 + 0.5 / 3 + 0.25 * 0.5)
