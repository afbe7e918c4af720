"""What scores of personality traits are worth: out of folds, beside the majority and the field's usual baseline.

All functions take out-of-fold logits: each text's come from a model that was not trained on its writer. The figures are
those of a way of training; a model that ships has learned in the same way from all texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from edge.errors import DataError
from edge.features.words import is_word
from edge.inference.manifest import Band, TraitScores
from training.evaluation.intervals import Estimate, drawn_anew, percentiles, plain, wilson
from training.evaluation.metrics import Floats, Integers
from training.evaluation.text_figures import Mask, area, check, probabilities_of

LENGTHS = (25, 50, 100, 150, 200, 300, 400, 500)
"""Words that texts are cut to, to see how many a score needs."""

MOST_LOST = 0.02
"""Of the mean accuracy, beside whole texts: where cutting costs more, what whole texts' bands say no longer holds."""

BANDS = 5
"""Of a trait's scores, with about as many texts each."""

LEAST_TEXTS = 30
"""Of a band, and of those that are long enough for a length: a share of fewer says too little."""


@dataclass(frozen=True)
class TraitFigures:
    """One trait."""

    accuracy: Estimate
    """With the 95 % Wilson score interval."""
    roc_auc: float | None
    """Area under the ROC curve; None where every text has the trait, or none."""
    majority: float
    """Accuracy of what most of the writers are, given for all of them."""
    majority_p: float
    """Exact McNemar test beside it: how often equally good answers would differ this much by chance."""
    baseline: float | None
    baseline_p: float | None


@dataclass(frozen=True)
class TraitsFigures:
    """All traits; build it with `measure_traits`."""

    texts: int
    accuracy: Estimate
    """Mean over the traits; the interval is of a bootstrap over texts, for the traits of one writer go together."""
    roc_auc: float | None
    majority: float
    """Mean over the traits."""
    above_majority: Estimate
    """The mean accuracy less the majority's, drawn in pairs."""
    baseline: float | None
    above_baseline: Estimate | None
    per_trait: dict[str, TraitFigures]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, floats rounded to five places; an interval stands beside its figure."""
        document: dict[str, Any] = plain(self)
        return document


@dataclass(frozen=True)
class LengthFigures:
    """Texts cut to their first `words` words; only those that have as many."""

    words: int
    texts: int
    accuracy: Estimate
    """Mean over the traits."""
    above_majority: Estimate
    lost: float
    """Mean accuracy of the same texts uncut, less this one."""


def majority(targets: Floats) -> Mask:
    """(n, traits) what most of these writers are, for each of them.

    No fold's training texts know it for sure; taken from them, the majority would be lower, and easier to beat.
    """
    answers: Mask = np.broadcast_to(targets.mean(axis=0) > 0.5, targets.shape)
    return answers


def measure_traits(
    logits: Floats,
    targets: Floats,
    *,
    names: Sequence[str],
    baseline: Mask | None = None,
) -> TraitsFigures:
    """Figures of out-of-fold logits; above 0 a writer is taken to be above the middle.

    Parameters
    ----------
    logits, targets
        (n, traits).
    names
        The traits.
    baseline
        (n, traits) another way's answers, out of the same folds.

    Raises
    ------
    DataError
        See `training.evaluation.text_figures.check`.
    """
    check(logits, targets, labels=len(names))
    truth = targets.astype(bool)
    right = (logits > 0) == truth
    usual = majority(targets) == truth
    other = None if baseline is None else baseline == truth
    areas = [area(roc_auc_score, truth[:, column], logits[:, column]) for column in range(len(names))]
    known = [area for area in areas if area is not None]
    return TraitsFigures(
        texts=len(truth),
        accuracy=_estimate(right),
        roc_auc=float(np.mean(known)) if known else None,
        majority=float(usual.mean()),
        above_majority=difference(right, usual),
        baseline=None if other is None else float(other.mean()),
        above_baseline=None if other is None else difference(right, other),
        per_trait={
            name: TraitFigures(
                accuracy=Estimate(float(right[:, each].mean()), wilson(int(right[:, each].sum()), len(right))),
                roc_auc=areas[each],
                majority=float(usual[:, each].mean()),
                majority_p=mcnemar(right[:, each], usual[:, each]),
                baseline=None if other is None else float(other[:, each].mean()),
                baseline_p=None if other is None else mcnemar(right[:, each], other[:, each]),
            )
            for each, name in enumerate(names)
        },
    )


def mcnemar(right: Mask, other: Mask) -> float:
    """Exact McNemar test of two ways' right answers, (n,) each: the p-value, 1 where they never differ."""
    only_this, only_other = int((right & ~other).sum()), int((other & ~right).sum())
    differing = only_this + only_other
    return float(binomtest(only_this, differing).pvalue) if differing else 1.0


def bands(probabilities: Floats, targets: Floats, *, count: int = BANDS) -> tuple[Band, ...]:
    """What a score of one trait says: how often writers of texts with such a score were above the middle.

    Parameters
    ----------
    probabilities, targets
        (n,) out-of-fold scores, calibrated, and 0 or 1.
    count
        Bands at most, of about equally many texts; fewer where scores lie close together.
    """
    edges = [0.0]
    wanted = np.unique(np.round(np.quantile(probabilities, np.arange(1, count) / count), 2))
    for edge in wanted[wanted < 1].tolist():
        beyond = probabilities >= edge
        if min(((probabilities >= edges[-1]) & ~beyond).sum(), beyond.sum()) >= LEAST_TEXTS:
            edges.append(edge)
    return tuple(_band(low, high, probabilities, targets) for low, high in zip(edges, [*edges[1:], 1.0], strict=True))


def by_length(cut: Mapping[int, Floats], whole: Floats, targets: Floats, words: Integers) -> tuple[LengthFigures, ...]:
    """How accuracy falls as texts are cut.

    Parameters
    ----------
    cut
        For each number of words, such as `LENGTHS`, the (n, traits) out-of-fold logits of texts cut to so many.
    whole
        (n, traits) those of whole texts.
    targets
        (n, traits)
    words
        (n,) the whole texts' numbers of words; of each length only texts count that have as many.
    """
    truth = targets.astype(bool)
    usual = majority(targets) == truth
    rows = []
    for length, logits in sorted(cut.items()):
        long = words >= length
        if long.sum() < LEAST_TEXTS:
            continue
        right = (logits > 0) == truth
        accuracy = _estimate(right[long])
        rows.append(
            LengthFigures(
                words=length,
                texts=int(long.sum()),
                accuracy=accuracy,
                above_majority=difference(right[long], usual[long]),
                lost=float(((whole > 0) == truth)[long].mean()) - accuracy.value,
            )
        )
    return tuple(rows)


def least_words(rows: Sequence[LengthFigures]) -> int:
    """The shortest length from which on scores say something.

    At it, and at all longer ones, the mean accuracy is above the majority's with 95 % confidence, and cutting to it
    costs `MOST_LOST` at most.

    Raises
    ------
    DataError
        There is no such length.
    """
    found = None
    for row in sorted(rows, key=lambda row: -row.words):
        if row.above_majority.interval[0] <= 0 or row.lost > MOST_LOST:
            break
        found = row.words
    if found is None:
        raise DataError(
            "at no length are the scores better than the majority of the writers: such a model says nothing; train it "
            "otherwise"
        )
    return found


def trait_scores(
    logits: Floats,
    targets: Floats,
    *,
    names: Sequence[str],
    temperature: float,
    words: Integers,
    rows: Sequence[LengthFigures],
) -> TraitScores:
    """What a manifest says of how far scores can be trusted; parameters as above, `rows` of `by_length`."""
    probabilities = probabilities_of(logits, temperature)
    return TraitScores(
        least_words=least_words(rows),
        words_measured=int(np.median(words)),
        bands={name: bands(probabilities[:, each], targets[:, each]) for each, name in enumerate(names)},
    )


def count_words(tokens: Sequence[str]) -> int:
    """Words of a text, without punctuation, numbers and symbols."""
    return sum(map(is_word, tokens))


def first_words(tokens: Sequence[str], words: int) -> list[str]:
    """The tokens of a text up to its `words`-th word."""
    kept = []
    for token in tokens:
        if is_word(token):
            if not words:
                break
            words -= 1
        kept.append(token)
    return kept


def _band(low: float, high: float, probabilities: Floats, targets: Floats) -> Band:
    within = (probabilities >= low) & ((probabilities < high) | (high == 1.0))
    texts, above = int(within.sum()), int(targets[within].sum())
    interval = wilson(above, texts)
    return Band(
        score_from=low,
        score_to=high,
        texts=texts,
        share=round(above / texts, 4),
        low=round(interval[0], 4),
        high=round(interval[1], 4),
    )


def _estimate(of_texts: Floats) -> Estimate:
    """The mean over texts and traits, (n, traits), with a bootstrap interval over texts."""
    rows = of_texts.mean(axis=1, keepdims=True)
    return Estimate(float(rows.mean()), percentiles(drawn_anew(rows)[:, 0] / len(rows)))


def difference(right: Mask, other: Mask) -> Estimate:
    """Mean accuracy of one way less that of another, of right answers (n, traits) each, drawn in pairs."""
    return _estimate(right.astype(np.float64) - other)
