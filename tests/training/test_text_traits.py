"""Scores of traits beside the majority and a baseline, their bands, and how many words they need."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from edge.errors import DataError
from edge.features.words import tokenise
from training.evaluation.intervals import Estimate, wilson
from training.evaluation.metrics import Floats
from training.evaluation.text_figures import probabilities_of
from training.evaluation.text_traits import (
    LengthFigures,
    bands,
    by_length,
    count_words,
    first_words,
    least_words,
    majority,
    mcnemar,
    measure_traits,
    trait_scores,
)

NAMES = ("openness", "neuroticism")


def drawn(n: int = 500, *, skill: float = 1.0, seed: int = 0) -> tuple[Floats, Floats]:
    """Logits that are as right as they say, and targets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, skill, (n, len(NAMES)))
    return logits, (rng.random(logits.shape) < probabilities_of(logits)).astype(np.float32)


def test_the_majority_is_that_of_all_writers() -> None:
    targets = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 0]], np.float32)
    assert majority(targets).tolist() == [[True, False]] * 5


def test_figures_of_each_trait() -> None:
    logits, targets = drawn()
    baseline = drawn(seed=5)[0] > 0
    figures = measure_traits(logits, targets, names=NAMES, baseline=baseline)
    usual = majority(targets)
    for column, name in enumerate(NAMES):
        found, truth = figures.per_trait[name], targets[:, column] > 0
        right, other = (logits[:, column] > 0) == truth, baseline[:, column] == truth
        assert found.accuracy == Estimate(right.mean(), wilson(int(right.sum()), 500))
        assert found.roc_auc == pytest.approx(roc_auc_score(truth, logits[:, column]))
        assert found.majority == np.mean(usual[:, column] == truth)
        assert found.baseline == other.mean()
        expected = binomtest(int((right & ~other).sum()), int((right != other).sum())).pvalue
        assert found.baseline_p == pytest.approx(expected)
        assert found.majority_p < 0.001
    assert figures.accuracy.value == pytest.approx(
        np.mean([each.accuracy.value for each in figures.per_trait.values()])
    )
    assert figures.above_majority.value == pytest.approx(figures.accuracy.value - figures.majority)
    assert figures.above_baseline is not None
    assert figures.above_baseline.interval[0] < figures.above_baseline.value < figures.above_baseline.interval[1]
    document = figures.as_dict()
    assert document["above_majority_interval"][0] > 0
    assert document["per_trait"]["openness"]["accuracy_interval"] == pytest.approx(wilson(348, 500), abs=0.1)


def test_without_a_baseline_nothing_is_said_of_one() -> None:
    figures = measure_traits(*drawn(), names=NAMES)
    assert figures.baseline is None
    assert figures.above_baseline is None
    assert figures.per_trait["openness"].baseline_p is None


def test_the_mean_s_interval_knows_that_a_writer_s_traits_go_together() -> None:
    logits, targets = drawn(skill=2)
    alone = measure_traits(logits[:, :1], targets[:, :1], names=NAMES[:1]).accuracy
    twice = measure_traits(np.tile(logits[:, :1], 2), np.tile(targets[:, :1], 2), names=NAMES).accuracy
    assert twice == alone, "the same trait twice is no more evidence"
    both = measure_traits(logits, targets, names=NAMES).accuracy
    assert np.diff(both.interval) < 0.8 * np.diff(alone.interval)


def test_mcnemar_by_hand() -> None:
    right, other = np.array([1, 1, 1, 1, 1, 0, 1], bool), np.array([0, 0, 0, 0, 0, 0, 1], bool)
    assert mcnemar(right, other) == pytest.approx(2 / 2**5)
    assert mcnemar(right, right) == 1


def test_bands_say_what_scores_were_worth() -> None:
    logits, targets = drawn(4000)
    scores = probabilities_of(logits[:, 0])
    found = bands(scores, targets[:, 0])
    assert [found[0].score_from, found[-1].score_to] == [0, 1]
    assert [band.score_to for band in found[:-1]] == [band.score_from for band in found[1:]]
    assert len(found) == 5
    assert sum(band.texts for band in found) == 4000
    assert all(700 < band.texts < 900 for band in found)
    for band in found:
        within = (scores >= band.score_from) & (scores < band.score_to)
        assert band.texts == within.sum()
        assert band.share == pytest.approx(targets[within, 0].mean(), abs=1e-4)
        assert (band.low, band.high) == pytest.approx(wilson(int(targets[within, 0].sum()), band.texts), abs=1e-4)
        assert band.low < scores[within].mean() < band.high, "the scores were drawn as right as they say"


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        (np.full(200, 0.5), 1),
        (np.repeat([0.4951, 0.5049], 100), 2),
        (np.repeat([0.2, 0.8], 100), 2),
        (np.repeat([0.0, 1.0], 100), 1),
        (np.repeat([0.2, 0.5, 0.8], [190, 5, 5]), 1),
        (np.linspace(0, 1, 40), 1),
    ],
)
def test_bands_of_scores_that_lie_close_together(scores: Floats, count: int) -> None:
    """As an int8 model with few levels gives them: none is empty, none has a handful of texts."""
    found = bands(scores, np.arange(len(scores)) % 2.0)
    assert len(found) == count
    assert sum(band.texts for band in found) == len(scores)
    assert (found[0].score_from, found[-1].score_to) == (0, 1)


def test_accuracy_falls_as_texts_are_cut() -> None:
    logits, targets = drawn(skill=2)
    words = np.repeat([120, 400], 250)
    noise = np.random.default_rng(9).normal(0, 1, logits.shape)
    cut = {300: logits + noise, 100: logits + 6 * noise, 600: logits}
    short, long = by_length(cut, logits, targets, words)
    assert (short.words, short.texts, long.words, long.texts) == (100, 500, 300, 250)
    right = (logits > 0) == (targets > 0)
    assert short.accuracy.value == pytest.approx(np.mean((cut[100] > 0) == (targets > 0)))
    assert short.lost == pytest.approx(right.mean() - short.accuracy.value)
    assert long.lost == pytest.approx(
        right[250:].mean() - np.mean((cut[300] > 0) == (targets > 0), axis=1)[250:].mean()
    )
    assert short.lost > long.lost


def row(words: int, *, above: float = 0.03, lost: float = 0.01) -> LengthFigures:
    return LengthFigures(words, 900, Estimate(0.57, (0.5, 0.6)), Estimate(above, (above - 0.02, above + 0.02)), lost)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(50), row(100), row(200)], 50),
        ([row(50, above=0.01), row(100), row(200)], 100),
        ([row(50, lost=0.03), row(100), row(200)], 100),
        ([row(50), row(100, lost=0.03), row(200)], 200),
        ([row(200), row(50, above=0.01), row(100)], 100),
    ],
)
def test_the_shortest_length_from_which_on_scores_say_something(rows: list[LengthFigures], expected: int) -> None:
    assert least_words(rows) == expected


@pytest.mark.parametrize("rows", [[], [row(100), row(200, above=0.01)]])
def test_scores_that_say_nothing_are_refused(rows: list[LengthFigures]) -> None:
    with pytest.raises(DataError, match="at no length are the scores better than the majority"):
        least_words(rows)


def test_what_the_manifest_says_of_scores() -> None:
    logits, targets = drawn()
    words = np.arange(500) + 101
    scores = trait_scores(logits, targets, names=NAMES, temperature=1.2, words=words, rows=[row(100)])
    assert (scores.least_words, scores.words_measured) == (100, 350)
    assert tuple(scores.bands) == NAMES
    expected = bands(probabilities_of(logits[:, 1], 1.2), targets[:, 1])
    assert scores.bands["neuroticism"] == expected


def test_words_are_counted_and_cut_without_punctuation() -> None:
    tokens = tokenise("Well, I woke up at 7... and it's late!")
    assert count_words(tokens) == 8
    assert first_words(tokens, 3) == ["well", ",", "i", "woke"]
    assert first_words(tokens, 6) == ["well", ",", "i", "woke", "up", "at", "<number>", "...", "and"]
    assert first_words(tokens, 0) == []
    assert first_words(tokens, 50) == tokens
