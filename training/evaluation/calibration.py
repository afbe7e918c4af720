"""What turns logits into honest probabilities: a temperature, and a confidence below which the answer is 'unsure'.

Both are fitted on validation faces, which neither the weights nor the final figures come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from edge.errors import DataError
from training.evaluation.metrics import (
    Floats,
    Integers,
    check_scored,
    negative_log_likelihood,
    probabilities_of,
)

TARGET_ACCURACY = 0.80
"""How often a named expression should be right, on validation faces.

People themselves reach about 65 % on FER-2013 (Goodfellow et al. 2013), so no model can promise much for every face.
Four right out of five is our choice: what is named is usually right, and a live view, which sees the same face many
times a second, can wait for a clearer frame. A higher target silences more faces, the rare expressions first.
"""

TEMPERATURE_RANGE = (0.05, 20.0)
"""Where the temperature is sought; a fit that ends at a border says that the logits carry no usable confidence."""

THRESHOLD_STEPS = 1000
"""Thresholds are sought in steps of one thousandth: finer would only fit the validation faces' noise."""

MIN_ANSWERED = 0.05
"""Least part of the faces that must be answered: a handful of lucky faces is no evidence of an accuracy."""


@dataclass(frozen=True)
class Selection:
    """What 'unsure' costs and gives at one threshold."""

    threshold: float
    coverage: float
    """Part of the faces answered with a label, 0 to 1."""
    accuracy: float | None
    """Part of the answered faces that are right, or None where none is answered."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; floats rounded to five places."""
        return {key: None if value is None else round(value, 5) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class RiskCoverage:
    """The error among the answered faces as the threshold falls (El-Yaniv and Wiener 2010). All (points,)."""

    coverage: Floats
    """Part of the faces answered, rising to 1."""
    risk: Floats
    """Part of the answered faces that are wrong."""

    @property
    def area(self) -> float:
        """Mean risk over all coverages (AURC); lower is better."""
        return float(np.average(self.risk, weights=np.diff(self.coverage, prepend=0.0)))


def fit_temperature(logits: Floats, labels: Integers) -> float:
    """Temperature that minimises the negative log-likelihood (Guo et al. 2017), to four places.

    The likelihood is convex in 1/T, so that the bounded search on log T finds the one minimum.

    Parameters
    ----------
    logits
        (n, classes) float, of validation faces.
    labels
        (n,) int64.

    Raises
    ------
    DataError
        No face, or the best temperature lies outside `TEMPERATURE_RANGE`: all faces right, or none better than chance.
    """
    check_scored(logits, labels, classes=logits.shape[1])
    return search_temperature(lambda t: negative_log_likelihood(logits, labels, t), len(labels))


def search_temperature(loss: Callable[[float], float], samples: int) -> float:
    """The temperature with the lowest loss, to four places; for a loss that is convex in 1/T.

    Parameters
    ----------
    loss
        Of a temperature.
    samples
        That it is taken over, for the message.

    Raises
    ------
    DataError
        The best temperature lies outside `TEMPERATURE_RANGE`.
    """
    coldest, hottest = TEMPERATURE_RANGE
    best = minimize_scalar(
        lambda log_t: loss(float(np.exp(log_t))),
        bounds=np.log(TEMPERATURE_RANGE),
        method="bounded",
        options={"xatol": 1e-6},
    )
    if min(loss(coldest), loss(hottest)) <= best.fun:
        side = "all are right" if loss(coldest) < loss(hottest) else "the answers are no better than chance"
        raise DataError(
            f"no temperature between {coldest:g} and {hottest:g} fits the {samples} validation samples: {side}; "
            "calibrate a trained model on more of them"
        )
    return round(float(np.exp(best.x)), 4)


def select(probabilities: Floats, labels: Integers, threshold: float) -> Selection:
    """Coverage and accuracy when faces with a confidence below `threshold` are answered with 'unsure'."""
    answered = probabilities.max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == labels
    return Selection(
        threshold=threshold,
        coverage=float(answered.mean()),
        accuracy=float(right[answered].mean()) if answered.any() else None,
    )


def choose_threshold(probabilities: Floats, labels: Integers, target: float = TARGET_ACCURACY) -> Selection:
    """Find the smallest confidence from which on the answered faces are right in at least `target` of cases.

    Parameters
    ----------
    probabilities
        (n, classes) calibrated probabilities of validation faces.
    labels
        (n,) int64.
    target
        Least accuracy among the answered faces, 0 to 1.

    Raises
    ------
    DataError
        No threshold reaches the target while it answers at least `MIN_ANSWERED` of the faces.
    """
    for step in range(THRESHOLD_STEPS + 1):
        selection = select(probabilities, labels, step / THRESHOLD_STEPS)
        if selection.coverage < MIN_ANSWERED or selection.accuracy is None:
            break
        if selection.accuracy >= target:
            return selection
    raise DataError(
        f"no confidence makes the model right on {target:.0%} of at least {MIN_ANSWERED:.0%} of the {len(labels)} "
        "validation samples; train it further, or accept a lower --target-accuracy"
    )


def risk_coverage(probabilities: Floats, labels: Integers) -> RiskCoverage:
    """Risk at each coverage that some threshold gives; faces of equal confidence are answered together."""
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(labels) + 1)
    last_of_equals = np.append(np.diff(confidence[order]) < 0, True)
    return RiskCoverage(
        coverage=(answered / len(labels))[last_of_equals],
        risk=(np.cumsum(wrong[order]) / answered)[last_of_equals],
    )


def calibrate(logits: Floats, labels: Integers, target: float = TARGET_ACCURACY) -> tuple[float, Selection]:
    """Fit the temperature, then choose the threshold on the probabilities that it gives."""
    temperature = fit_temperature(logits, labels)
    return temperature, choose_threshold(probabilities_of(logits, temperature), labels, target)
