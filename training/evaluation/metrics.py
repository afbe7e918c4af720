"""The figures of a classifier, from its logits and the true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from edge.errors import DataError

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]

ECE_BINS = 15
"""Equal-width bins of confidence, as in Guo et al. 2017."""


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest; `precision`, `recall` and `f1` are 0 where they would divide by zero."""

    precision: float
    recall: float
    f1: float
    support: int
    """Faces that truly are of this class."""
    roc_auc: float | None
    """Area under the ROC curve of the class's probability; None where no face, or every face, is of the class."""


@dataclass(frozen=True)
class ProbabilityFigures:
    """How far the probabilities can be believed, at one temperature."""

    temperature: float
    ece: float
    """Expected calibration error of the top class, `ECE_BINS` equal-width bins, 0 to 1."""
    nll: float
    """Mean negative log-likelihood of the true class, nats."""
    brier: float
    """Mean squared distance between the probabilities and the one-hot truth, summed over the classes: 0 to 2."""


@dataclass(frozen=True)
class Agreement:
    """Agreement with the majority of FER+'s ten annotators (Barsoum et al. 2016)."""

    accuracy: float
    """Part of the `faces` on which the model names what most annotators named."""
    label_accuracy: float
    """The same for FER-2013's own label: what a model that repeats the labels would reach."""
    faces: int
    """Faces with a majority among the seven classes."""
    ties: int
    """Faces left out because two classes have equally many votes."""
    without_votes: int
    """Faces left out because nobody voted for one of the seven classes."""


@dataclass(frozen=True)
class Figures:
    """All figures of one model on one split; build it with `measure`."""

    faces: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    """95 % Wilson score interval of the accuracy, for another sample of faces from the same source."""
    macro_f1: float
    """Mean F1 of the classes that occur, in truth or among the answers."""
    balanced_accuracy: float
    """Mean recall of the classes that occur in truth."""
    top2: float
    top3: float
    roc_auc_macro: float | None
    """Mean of the classes' areas, where they exist."""
    raw: ProbabilityFigures
    """At temperature 1."""
    calibrated: ProbabilityFigures
    """At the calibrated temperature."""
    per_class: dict[str, ClassFigures]
    confusion: list[list[int]]
    """Rows: true class; columns: the model's answer; counts, in the order of the labels."""
    ferplus: Agreement | None

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; floats rounded to five places."""
        rounded: dict[str, Any] = _round(asdict(self))
        return rounded


@dataclass(frozen=True)
class Bins:
    """Confidence and accuracy of the faces that fall in each bin of confidence; NaN in an empty bin. All (bins,)."""

    edges: Floats
    """(bins + 1,)"""
    counts: Integers
    confidence: Floats
    accuracy: Floats

    @property
    def ece(self) -> float:
        """Mean gap between confidence and accuracy, weighted by the bins' counts."""
        filled = self.counts > 0
        gaps = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float(np.average(gaps, weights=self.counts[filled]))


def probabilities_of(logits: Floats, temperature: float = 1.0) -> Floats:
    """Softmax of logits / temperature: (n, classes) float64."""
    result: Floats = softmax(logits.astype(np.float64) / temperature, axis=1)
    return result


def negative_log_likelihood(logits: Floats, labels: Integers, temperature: float = 1.0) -> float:
    """Mean of -log p(true class), nats; taken from the logits, so that a probability of 1e-400 does no harm."""
    log_probabilities = log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-np.mean(log_probabilities[np.arange(len(labels)), labels]))


def reliability_bins(probabilities: Floats, labels: Integers, bins: int = ECE_BINS) -> Bins:
    """Sort faces by the confidence of their top class into equal-width bins (low, high] over 0 to 1."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    # A softmax in floating point can come out a few 1e-16 above 1.
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Bins(
            edges=edges,
            counts=counts,
            confidence=np.bincount(index, weights=confidence, minlength=bins) / counts,
            accuracy=np.bincount(index, weights=right, minlength=bins) / counts,
        )


def probability_figures(logits: Floats, labels: Integers, temperature: float = 1.0) -> ProbabilityFigures:
    """ECE, negative log-likelihood and Brier score at one temperature."""
    probabilities = probabilities_of(logits, temperature)
    truth = np.eye(probabilities.shape[1])[labels]
    return ProbabilityFigures(
        temperature=temperature,
        ece=reliability_bins(probabilities, labels).ece,
        nll=negative_log_likelihood(logits, labels, temperature),
        brier=float(np.mean(np.sum((probabilities - truth) ** 2, axis=1))),
    )


def ferplus_agreement(predicted: Integers, labels: Integers, votes: Floats) -> Agreement | None:
    """Compare answers with FER+'s majority.

    The majority is the class with the most votes among the seven; votes for contempt, 'unknown' or 'not a face' do not
    count. A face whose two strongest classes have equally many votes has no majority and is left out, as is one
    without votes.

    Parameters
    ----------
    predicted, labels
        (n,) class indices.
    votes
        (n, 7) votes of each row, normalised or not; a row of zeros where there are none.

    Returns
    -------
    The agreement, or None where no face has a majority.
    """
    voted = votes.max(axis=1) > 0
    tied = voted & (np.sum(votes == votes.max(axis=1, keepdims=True), axis=1) > 1)
    used = voted & ~tied
    if not used.any():
        return None
    majority = votes.argmax(axis=1)
    return Agreement(
        accuracy=float(np.mean(predicted[used] == majority[used])),
        label_accuracy=float(np.mean(labels[used] == majority[used])),
        faces=int(used.sum()),
        ties=int(tied.sum()),
        without_votes=int((~voted).sum()),
    )


def measure(
    logits: Floats,
    labels: Integers,
    *,
    names: Sequence[str],
    temperature: float = 1.0,
    votes: Floats | None = None,
) -> Figures:
    """All figures of a model's logits on one split.

    Where logits tie, as int8 ones sometimes do, the first class wins: as NumPy's argmax, and so the device, decides.

    Parameters
    ----------
    logits
        (n, classes) float; before any temperature.
    labels
        (n,) int64 true class indices.
    names
        The classes, in the order of the logits.
    temperature
        Divides the logits for the calibrated figures. ROC areas are of these probabilities too; nothing else depends
        on it.
    votes
        (n, 7) FER+ votes, a row of zeros where there are none; or None.

    Raises
    ------
    DataError
        There is no face, a label is not one of the classes, or a logit is not finite.
    """
    check_scored(logits, labels, classes=len(names))
    predicted = logits.argmax(axis=1)
    indices = range(len(names))
    right = int(np.sum(predicted == labels))
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=0)
    areas = _roc_areas(probabilities_of(logits, temperature), labels)
    known_areas = [area for area in areas if area is not None]
    occurring = (support > 0) | (np.bincount(predicted, minlength=len(names)) > 0)
    # The rank of the true class: scikit-learn's top-k breaks ties towards the last class, argmax towards the first.
    order = np.argsort(-logits, axis=1, kind="stable")
    rank = np.argmax(order == labels[:, None], axis=1)
    return Figures(
        faces=len(labels),
        accuracy=right / len(labels),
        accuracy_interval=(float(interval.low), float(interval.high)),
        macro_f1=float(np.mean(f1[occurring])),
        balanced_accuracy=float(np.mean(recall[support > 0])),
        top2=float(np.mean(rank < 2)),
        top3=float(np.mean(rank < 3)),
        roc_auc_macro=float(np.mean(known_areas)) if known_areas else None,
        raw=probability_figures(logits, labels),
        calibrated=probability_figures(logits, labels, temperature),
        per_class={
            name: ClassFigures(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), areas[i])
            for i, name in enumerate(names)
        },
        confusion=confusion_matrix(labels, predicted, labels=indices).tolist(),
        ferplus=None if votes is None else ferplus_agreement(predicted, labels, votes),
    )


def check_scored(logits: Floats, labels: Integers, *, classes: int) -> None:
    """Refuse what cannot be scored.

    Raises
    ------
    DataError
        There is no face, the shapes do not fit, a label is not one of the classes, or a logit is not finite.
    """
    if len(labels) == 0:
        raise DataError("there is nothing to score: the split is empty")
    if logits.shape != (len(labels), classes):
        raise DataError(f"logits have the shape {logits.shape} where {(len(labels), classes)} is needed")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"labels reach from {labels.min()} to {labels.max()}, but there are {classes} classes")
    if not np.isfinite(logits).all():
        raise DataError("the model answers with numbers that are not finite: its weights are damaged or have diverged")


def _roc_areas(probabilities: Floats, labels: Integers) -> list[float | None]:
    """One-vs-rest area of each class; None where a class has no face or all."""
    areas: list[float | None] = []
    for index in range(probabilities.shape[1]):
        truth = labels == index
        both = truth.any() and not truth.all()
        areas.append(float(roc_auc_score(truth, probabilities[:, index])) if both else None)
    return areas


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_round(item) for item in value]
    return value
