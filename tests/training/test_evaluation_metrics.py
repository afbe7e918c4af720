from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("sklearn")

from edge.errors import DataError
from training.evaluation.comparison import compare
from training.evaluation.metrics import ferplus_agreement, measure, probabilities_of, reliability_bins

NAMES = ("a", "b", "c")


def sharp(answers: list[int], classes: int = 3) -> npt.NDArray[np.float32]:
    """Logits that are all but certain of the given answers."""
    return 50 * np.eye(classes, dtype=np.float32)[answers]


def test_small_example_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    figures = measure(sharp([0, 0, 1, 1, 2, 2]), labels, names=NAMES)
    assert figures.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert figures.accuracy == pytest.approx(4 / 6)
    a, b, c = (figures.per_class[name] for name in NAMES)
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((1, 2 / 3, 0.8, 3))
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((0.5, 0.5, 0.5, 2))
    assert (c.precision, c.recall, c.f1, c.support) == pytest.approx((0.5, 1, 2 / 3, 1))
    assert figures.macro_f1 == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    # Certain of everything and right on two thirds: off by a third; a wrong one-hot answer is 2 away from the truth.
    assert figures.raw.ece == pytest.approx(1 / 3)
    assert figures.raw.brier == pytest.approx(2 / 3)
    assert figures.raw.nll == pytest.approx(50 / 3)
    # The Wilson interval of 4 in 6, from its formula.
    z, p, n = 1.959964, 4 / 6, 6
    centre, half = (p + z * z / 2 / n), z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    expected = ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
    assert figures.accuracy_interval == pytest.approx(expected, abs=1e-6)


def test_perfect_logits() -> None:
    labels = np.array([0, 1, 2, 1])
    figures = measure(sharp(labels.tolist()), labels, names=NAMES)
    perfect = (figures.accuracy, figures.macro_f1, figures.balanced_accuracy, figures.top2, figures.roc_auc_macro)
    assert perfect == pytest.approx((1, 1, 1, 1, 1))
    assert (figures.raw.ece, figures.raw.nll, figures.raw.brier) == pytest.approx((0, 0, 0), abs=1e-9)


def test_uniform_logits() -> None:
    labels = np.array([0, 1, 1, 2])
    figures = measure(np.zeros((4, 3), np.float32), labels, names=NAMES)
    # The first class wins every tie: one in four is right at a confidence of one third.
    assert figures.accuracy == 0.25
    assert figures.raw.ece == pytest.approx(1 / 3 - 1 / 4)
    assert figures.raw.nll == pytest.approx(math.log(3))
    assert figures.raw.brier == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)
    assert figures.roc_auc_macro == pytest.approx(0.5)
    # Ranks of ties follow argmax: the first two classes are the top two.
    assert (figures.top2, figures.top3) == (0.75, 1.0)


def test_top_k_counts_the_rank_of_the_truth() -> None:
    logits = np.array([[3, 2, 1, 0]] * 4, np.float32)
    figures = measure(logits, np.array([0, 1, 2, 3]), names=("a", "b", "c", "d"))
    assert (figures.accuracy, figures.top2, figures.top3) == (0.25, 0.5, 0.75)


def test_roc_area_is_the_part_of_pairs_in_order() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 3, 60)
    figures = measure(logits, labels, names=NAMES, temperature=2.0)
    scores = probabilities_of(logits, 2.0)
    for index, name in enumerate(NAMES):
        inside, outside = scores[labels == index, index], scores[labels != index, index]
        assert figures.per_class[name].roc_auc == pytest.approx(np.mean(inside[:, None] > outside[None, :]))


def test_a_class_that_does_not_occur_takes_no_part_in_the_means() -> None:
    figures = measure(sharp([0, 0, 1, 1]), np.array([0, 0, 1, 0]), names=NAMES)
    assert figures.per_class["c"].roc_auc is None
    assert figures.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_temperature_changes_probabilities_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(200, 3)).astype(np.float32), rng.integers(0, 3, 200)
    one, two = (measure(logits, labels, names=NAMES, temperature=t) for t in (1.0, 2.5))
    same = ("accuracy", "macro_f1", "balanced_accuracy", "top2", "confusion", "raw")
    assert all(getattr(one, key) == getattr(two, key) for key in same)
    assert one.calibrated == one.raw
    assert two.calibrated.nll != one.calibrated.nll


def test_bins_hold_every_face_once_and_are_closed_above() -> None:
    top = np.array([0.5, 0.500001, 1.0, 1.0 + 1e-12])
    bins = reliability_bins(np.column_stack([top, 1 - top]), np.array([0, 0, 0, 1]), bins=2)
    assert bins.counts.tolist() == [1, 3]
    assert bins.accuracy == pytest.approx([1, 2 / 3])
    assert bins.ece == pytest.approx((abs(1 - 0.5) + abs(2 - 2.500001)) / 4)


def test_ferplus_leaves_out_ties_and_faces_without_votes() -> None:
    votes = np.array([[0.6, 0.4, 0], [0.5, 0.5, 0], [0, 0, 0], [0, 0.2, 0.8], [0.1, 0.8, 0.1]], np.float32)
    agreement = ferplus_agreement(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 2, 2]), votes)
    assert agreement is not None
    assert (agreement.faces, agreement.ties, agreement.without_votes) == (3, 1, 1)
    assert agreement.accuracy == pytest.approx(2 / 3)
    assert agreement.label_accuracy == pytest.approx(2 / 3)
    assert ferplus_agreement(np.array([0]), np.array([0]), np.zeros((1, 3), np.float32)) is None


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), [], "empty"),
        (np.zeros((2, 4)), [0, 1], r"\(2, 4\)"),
        (np.zeros((2, 3)), [0, 3], "from 0 to 3"),
        (np.full((1, 3), np.nan), [0], "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(logits: npt.NDArray[Any], labels: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(logits, np.array(labels, np.int64), names=NAMES)


def test_comparison_counts_who_is_right_alone() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    comparison = compare(sharp([0, 1, 1, 1, 0, 2]), sharp([0, 0, 1, 2, 1, 2]), labels, float_model="f.keras")
    assert (comparison.only_this_right, comparison.only_float_right) == (1, 1)
    assert comparison.agreement == pytest.approx(3 / 6)
    assert comparison.accuracy_difference == 0
    assert comparison.p_value == 1
    # Three of six rows differ, each by 1 in two of three probabilities.
    assert comparison.probability_difference == pytest.approx(3 * 2 / 18)
    same = compare(sharp([0, 1]), sharp([0, 1]), labels[:2], float_model="f.keras")
    assert (same.agreement, same.p_value, same.probability_difference) == (1, 1, 0)
