"""Figures of labels that do not exclude each other, beside scikit-learn's and worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_recall_fscore_support, roc_auc_score

from edge.errors import DataError
from training.evaluation.metrics import Floats
from training.evaluation.text_figures import (
    believable,
    best_thresholds,
    credited,
    f1_scores,
    fit_temperature,
    measure,
    negative_log_likelihood,
    probabilities_of,
    top_bins,
)

NAMES = ("one", "two", "three")


def drawn(n: int = 600, *, scale: float = 1.0, seed: int = 0) -> tuple[Floats, Floats]:
    """Logits, and targets that are 1 as often as the sigmoid of scale * logit says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.5, (n, len(NAMES)))
    targets = (rng.random(logits.shape) < probabilities_of(scale * logits)).astype(np.float32)
    return logits, targets


def test_figures_are_scikit_learn_s() -> None:
    logits, targets = drawn()
    thresholds = (0.2, 0.5, 0.7)
    figures = measure(logits, targets, names=NAMES, thresholds=thresholds, temperature=1.3)
    present = probabilities_of(logits, 1.3) >= thresholds
    assert figures.macro_f1.value == pytest.approx(f1_score(targets, present, average="macro"))
    assert figures.micro_f1.value == pytest.approx(f1_score(targets, present, average="micro"))
    np.testing.assert_allclose(f1_scores(present, targets), f1_score(targets, present, average=None))
    precision, recall, f1, support = precision_recall_fscore_support(targets, present)
    for column, name in enumerate(NAMES):
        label = figures.per_label[name]
        assert (label.precision, label.recall, label.f1) == pytest.approx(
            (precision[column], recall[column], f1[column])
        )
        assert (label.support, label.threshold) == (support[column], thresholds[column])
        assert label.roc_auc == pytest.approx(roc_auc_score(targets[:, column], logits[:, column]))
        assert label.average_precision == pytest.approx(average_precision_score(targets[:, column], logits[:, column]))


def test_accuracy_and_exact_match_by_hand() -> None:
    logits = np.array([[2.0, -1, -1], [2, 1, -1], [-1, -2, -3], [1, 1, -3], [-2, 3, -2]])
    targets = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    figures = measure(logits, targets, names=NAMES)
    assert figures.texts == 5
    assert figures.accuracy.value == pytest.approx(3 / 5), "of two that tie the first is named"
    assert figures.single_texts == 4
    assert figures.single_accuracy.value == pytest.approx(2 / 4)
    assert figures.exact_match.value == pytest.approx(2 / 5)
    assert credited(logits, targets).tolist() == [0, 0, 0, -1, -1]


def test_intervals_are_those_of_other_texts() -> None:
    logits, targets = drawn(900)
    figures = measure(logits, targets, names=NAMES)
    for each in (figures.macro_f1, figures.micro_f1, figures.accuracy, figures.single_accuracy, figures.exact_match):
        assert each.interval[0] < each.value < each.interval[1]
    p = figures.accuracy.value
    low, high = figures.accuracy.interval
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 900), rel=0.1)
    others = [
        f1_scores(logits > 0, targets).mean() for logits, targets in (drawn(900, seed=seed) for seed in range(1, 60))
    ]
    low, high = figures.macro_f1.interval
    assert high - low == pytest.approx(2 * 1.96 * np.std(others), rel=0.35)


def test_a_label_that_no_text_has() -> None:
    logits, targets = drawn()
    targets[:, 1] = 0
    figures = measure(logits, targets, names=NAMES)
    label = figures.per_label["two"]
    assert (label.f1, label.recall, label.support) == (0, 0, 0)
    assert label.roc_auc is label.average_precision is None
    assert best_thresholds(probabilities_of(logits), targets)[1] == 1


def test_thresholds_are_the_best_of_all() -> None:
    logits, targets = drawn(300)
    # Few levels, as an int8 model gives them.
    probabilities = probabilities_of(np.round(logits * 4) / 4)
    found = best_thresholds(probabilities, targets)
    reached = f1_scores(probabilities >= found, targets)
    for limit in np.linspace(0, 1, 401):
        assert (f1_scores(probabilities >= limit, targets) <= reached + 1e-12).all()
    levels = np.unique(probabilities)
    assert np.abs(found[:, None] - levels).min() > np.diff(levels).min() / 3, "between the levels, not on one"


def test_a_threshold_by_hand() -> None:
    probabilities = np.array([[0.9], [0.8], [0.8], [0.6], [0.1]])
    targets = np.array([[1], [1], [0], [0], [0]], np.float32)
    # Named: 0.9 alone gives 2/3; both of 0.8, which cannot be told apart, 4/5.
    assert best_thresholds(probabilities, targets).tolist() == pytest.approx([0.7])
    assert best_thresholds(probabilities, np.ones_like(targets)).tolist() == pytest.approx([0.05]), "all are named"


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_temperature_is_found(scale: float) -> None:
    logits, targets = drawn(20_000, scale=scale)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(1 / scale, rel=0.05)
    before, after = believable(logits, targets), believable(logits, targets, found)
    assert after.nll <= before.nll
    if scale != 1:
        assert after.label_ece < before.label_ece / 2
        assert after.ece < before.ece
        assert after.brier < before.brier


@pytest.mark.parametrize(("sign", "message"), [(1, "all are right"), (-1, "no better than chance")])
def test_a_temperature_that_does_not_exist_is_told(sign: int, message: str) -> None:
    _, targets = drawn(50)
    with pytest.raises(DataError, match=message):
        fit_temperature(sign * (2.0 * targets - 1), targets)


def test_what_can_be_believed_beside_scikit_learn() -> None:
    logits, targets = drawn()
    probabilities = probabilities_of(logits, 0.8)
    found = believable(logits, targets, 0.8)
    summed = sum(log_loss(targets[:, column], probabilities[:, column]) for column in range(3))
    assert found.nll == pytest.approx(summed)
    assert found.brier == pytest.approx(np.mean(((probabilities - targets) ** 2).sum(axis=1)))
    assert found.temperature == 0.8


def test_the_calibration_error_by_hand() -> None:
    """Ten texts that are named with 0.8: 6 of them rightly; the other label, at 0.1, is on in 2 of the ten."""
    logits = np.tile(np.log([0.8 / 0.2, 0.1 / 0.9]), (10, 1))
    targets = np.zeros((10, 2), np.float32)
    targets[:6, 0] = 1
    targets[8:, 1] = 1
    found = believable(logits, targets)
    assert found.ece == pytest.approx(0.2)
    assert found.label_ece == pytest.approx((0.2 + 0.1) / 2)
    assert top_bins(probabilities_of(logits), targets).counts.sum() == 10


def test_logits_of_any_size_have_a_likelihood() -> None:
    logits = np.array([[1000.0, -1000.0]])
    assert negative_log_likelihood(logits, np.array([[0.0, 1.0]])) == 2000
    assert negative_log_likelihood(logits, np.array([[1.0, 0.0]])) == 0


def test_the_form_of_the_manifest() -> None:
    logits, targets = drawn(50)
    document = measure(logits, targets, names=NAMES, temperature=1.5).as_dict()
    assert document["macro_f1_interval"] == [round(each, 5) for each in document["macro_f1_interval"]]
    assert document["calibrated"]["temperature"] == 1.5
    assert document["per_label"]["three"]["threshold"] == 0.5
    with_intervals = ("macro_f1", "micro_f1", "accuracy", "single_accuracy", "exact_match")
    others = {"texts", "single_texts", "raw", "calibrated", "per_label"}
    assert set(document) == {*with_intervals, *(f"{name}_interval" for name in with_intervals), *others}


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "nothing to score"),
        (np.zeros((2, 3)), np.zeros((2, 2)), r"shape \(2, 3\) and targets \(2, 2\)"),
        (np.zeros((2, 4)), np.zeros((2, 4)), r"where \(2, 3\) is needed"),
        (np.zeros((2, 3)), np.full((2, 3), 3.2), "targets of labels are 0 or 1"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(logits: Floats, targets: Floats, message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(logits, targets, names=NAMES)
