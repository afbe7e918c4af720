"""The figures of a classifier whose labels do not exclude each other, from its logits and the labels of each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from edge.errors import DataError
from training.evaluation.calibration import search_temperature
from training.evaluation.intervals import Estimate, drawn_anew, percentiles, plain
from training.evaluation.metrics import Bins, Floats, Integers, reliability_bins

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelFigures:
    """One label against its absence; `precision`, `recall` and `f1` are 0 where they would divide by zero."""

    precision: float
    recall: float
    f1: float
    support: int
    """Texts with the label."""
    threshold: float
    """The probability from which on it counts as present."""
    roc_auc: float | None
    """Area under the ROC curve; None where no text, or every text, has the label."""
    average_precision: float | None
    """Area under the precision-recall curve; None likewise."""


@dataclass(frozen=True)
class Believable:
    """How far the probabilities can be believed, at one temperature."""

    temperature: float
    ece: float
    """Expected calibration error of the most probable label: its probability against how often the text has it."""
    label_ece: float
    """The same of each label's probability, whichever is the most probable; mean over the labels."""
    nll: float
    """Mean over texts of the labels' summed negative log-likelihoods, nats."""
    brier: float
    """Mean over texts of the squared distance between probabilities and labels: 0 to the number of labels."""


@dataclass(frozen=True)
class TextFigures:
    """All figures of one model on one split; build it with `measure`."""

    texts: int
    macro_f1: Estimate
    """Mean F1 of the labels, each with its own threshold."""
    micro_f1: Estimate
    """F1 of all labels of all texts together."""
    accuracy: Estimate
    """Share of the texts whose most probable label is among theirs."""
    single_accuracy: Estimate
    """The same of the texts with one label alone."""
    single_texts: int
    exact_match: Estimate
    """Share of the texts for which the labels over their thresholds are all of theirs and no others."""
    raw: Believable
    """At temperature 1."""
    calibrated: Believable
    """At the calibrated temperature."""
    per_label: dict[str, LabelFigures]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, floats rounded to five places; an interval stands beside its figure."""
        document: dict[str, Any] = plain(self)
        return document


def measure(
    logits: Floats,
    targets: Floats,
    *,
    names: Sequence[str],
    temperature: float = 1.0,
    thresholds: Sequence[float] | Floats = (),
) -> TextFigures:
    """All figures of a model's logits on one split.

    Where logits tie, as int8 ones sometimes do, the first label is the most probable: as on the device.

    Parameters
    ----------
    logits
        (n, labels) float; before any temperature.
    targets
        (n, labels) 0 or 1.
    names
        The labels, in the order of the columns.
    temperature
        Divides the logits.
    thresholds
        (labels,) probabilities, at that temperature, from which on a label counts as present; empty for one half each.

    Raises
    ------
    DataError
        There is no text, the shapes do not fit, a target is neither 0 nor 1, or a logit is not finite.
    """
    check(logits, targets, labels=len(names))
    limits = np.asarray(thresholds, np.float64) if len(thresholds) else np.full(len(names), 0.5)
    rows = counted(logits, targets, temperature, limits)
    sums = rows.sum(axis=0, keepdims=True)
    rounds = ratios(drawn_anew(rows))
    figures = {key: Estimate(float(value[0]), percentiles(rounds[key])) for key, value in ratios(sums).items()}
    truth = targets.astype(bool)
    precision, recall, f1 = precision_recall_f1(*np.split(sums[0, :-5], 3))
    return TextFigures(
        texts=len(truth),
        **figures,
        single_texts=int((truth.sum(axis=1) == 1).sum()),
        raw=believable(logits, targets),
        calibrated=believable(logits, targets, temperature),
        per_label={
            name: LabelFigures(
                precision=float(precision[column]),
                recall=float(recall[column]),
                f1=float(f1[column]),
                support=int(truth[:, column].sum()),
                threshold=float(limits[column]),
                roc_auc=area(roc_auc_score, truth[:, column], logits[:, column]),
                average_precision=area(average_precision_score, truth[:, column], logits[:, column]),
            )
            for column, name in enumerate(names)
        },
    )


def probabilities_of(logits: Floats, temperature: float = 1.0) -> Floats:
    """(n, labels) float64: the sigmoid of each logit / temperature."""
    result: Floats = expit(logits.astype(np.float64) / temperature)
    return result


def f1_scores(present: Mask, targets: Floats) -> Floats:
    """(labels,) F1 of each label, 0 where nothing is found; `present` and `targets` are (n, labels)."""
    truth = targets.astype(bool)
    right = (present & truth).sum(axis=0)
    return precision_recall_f1(right, present.sum(axis=0), truth.sum(axis=0))[2]


def best_thresholds(probabilities: Floats, targets: Floats) -> Floats:
    """For each label the probability from which on taking it for present gives the best F1.

    Parameters
    ----------
    probabilities, targets
        (n, labels) of validation texts.

    Returns
    -------
    (labels,) float64
        Midway between two probabilities that occur, so that rounding changes no answer; of cuts that are equally good
        the one that names the label less often. 1 for a label that no text has.
    """
    return np.array([_best_threshold(*each) for each in zip(probabilities.T, targets.T.astype(bool), strict=True)])


def fit_temperature(logits: Floats, targets: Floats) -> float:
    """Temperature that minimises the labels' summed negative log-likelihood, to four places.

    As Guo et al. 2017 fit it for labels that exclude each other; the loss is convex in 1/T, so that the bounded search
    finds its one minimum.

    Raises
    ------
    DataError
        What is given cannot be scored; see also `training.evaluation.calibration.search_temperature`.
    """
    check(logits, targets, labels=logits.shape[1])
    return search_temperature(lambda t: negative_log_likelihood(logits, targets, t), len(targets))


def negative_log_likelihood(logits: Floats, targets: Floats, temperature: float = 1.0) -> float:
    """Mean over texts of the labels' summed -log p(what is true of the label), nats; from the logits, so finite."""
    scaled = logits.astype(np.float64) / temperature
    return float(np.mean(np.sum(np.logaddexp(0, scaled) - scaled * targets, axis=1)))


def believable(logits: Floats, targets: Floats, temperature: float = 1.0) -> Believable:
    """Calibration errors, negative log-likelihood and Brier score at one temperature."""
    probabilities = probabilities_of(logits, temperature)
    columns = zip(probabilities.T, targets.T, strict=True)
    return Believable(
        temperature=temperature,
        ece=top_bins(probabilities, targets).ece,
        label_ece=float(np.mean([reliability_bins(each[:, None], _credit(truth)).ece for each, truth in columns])),
        nll=negative_log_likelihood(logits, targets, temperature),
        brier=float(np.mean(np.sum((probabilities - targets) ** 2, axis=1))),
    )


def top_bins(probabilities: Floats, targets: Floats) -> Bins:
    """Texts sorted by the probability of their most probable label."""
    return reliability_bins(probabilities, credited(probabilities, targets))


def top_is_right(answers: Floats, targets: Floats) -> Mask:
    """(n,) whether the label with the highest logit or probability is among the text's."""
    right: Mask = np.take_along_axis(targets, answers.argmax(axis=1)[:, None], axis=1)[:, 0] > 0
    return right


def credited(answers: Floats, targets: Floats) -> Integers:
    """(n,) the most probable label where the text has it, else -1: what counts as the label where one is wanted."""
    return np.where(top_is_right(answers, targets), answers.argmax(axis=1), -1).astype(np.int64)


def check(logits: Floats, targets: Floats, *, labels: int) -> None:
    """Refuse what cannot be scored; see `measure`."""
    if len(targets) == 0:
        raise DataError("there is nothing to score: the split is empty")
    if logits.shape != targets.shape or logits.shape[1] != labels:
        raise DataError(
            f"logits have the shape {logits.shape} and targets {targets.shape} where {(len(targets), labels)} is needed"
        )
    if not np.isin(targets, (0, 1)).all():
        raise DataError("targets of labels are 0 or 1; ratings cannot be scored as labels")
    if not np.isfinite(logits).all():
        raise DataError("the model answers with numbers that are not finite: its weights are damaged or have diverged")


def counted(logits: Floats, targets: Floats, temperature: float, thresholds: Floats) -> Floats:
    """What each text adds to the figures, so that a bootstrap round is a sum of rows; `ratios` makes figures of it.

    Returns
    -------
    (n, 3 labels + 5)
        Of each label: found and right, found, true; then of the text: 1, its most probable label is right, it has one
        label alone, both of these, exactly its labels are found.
    """
    present, truth = probabilities_of(logits, temperature) >= thresholds, targets.astype(bool)
    named, single = top_is_right(logits, targets), truth.sum(axis=1) == 1
    of_text = np.stack([np.ones(len(truth)), named, single, single & named, (present == truth).all(axis=1)], axis=1)
    rows: Floats = np.hstack([present & truth, present, truth, of_text]).astype(np.float64)
    return rows


def ratios(sums: Floats) -> dict[str, Floats]:
    """The figures of sums of `counted`, (rounds, 3 labels + 5), each (rounds,)."""
    right, found, true = np.split(sums[:, :-5], 3, axis=1)
    texts, named, single, single_named, exact = sums[:, -5:].T
    return {
        "macro_f1": precision_recall_f1(right, found, true)[2].mean(axis=1),
        "micro_f1": precision_recall_f1(right.sum(axis=1), found.sum(axis=1), true.sum(axis=1))[2],
        "accuracy": named / texts,
        "single_accuracy": single_named / np.maximum(single, 1),
        "exact_match": exact / texts,
    }


def precision_recall_f1(right: Floats, found: Floats, true: Floats) -> tuple[Floats, Floats, Floats]:
    """Of counts; 0 where one would divide by zero."""
    return right / np.maximum(found, 1), right / np.maximum(true, 1), 2 * right / np.maximum(found + true, 1)


def area(score: Callable[[Mask, Floats], float], truth: Mask, logits: Floats) -> float | None:
    """Area under a curve of one label, (n,) each; None where every text has it, or none."""
    return float(score(truth, logits)) if truth.any() and not truth.all() else None


def _best_threshold(probabilities: Floats, truth: Mask) -> float:
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    # All texts of one probability are named together.
    last = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    right = np.cumsum(truth[order])[last]
    f1 = 2 * right / (last + 1 + truth.sum())
    best = int(np.argmax(f1))
    if f1[best] == 0:
        return 1.0
    following = ranked[last[best] + 1] if last[best] + 1 < len(ranked) else 0.0
    return float((ranked[last[best]] + following) / 2)


def _credit(truth: Floats) -> Integers:
    """Of one label alone, as `credited` gives it for several: `reliability_bins` sees its number, 0, or -1."""
    return np.where(truth > 0, 0, -1).astype(np.int64)
