"""What a conversion cost: a text emotion model beside the float one that it was made from, text by text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.inference.manifest import Calibration
from training.evaluation.intervals import Estimate, drawn_anew, percentiles
from training.evaluation.metrics import Floats
from training.evaluation.text_figures import counted, probabilities_of, ratios


@dataclass(frozen=True)
class BesideFloat:
    """A model and the float one that it was made from, on the same texts; each with thresholds of its own."""

    float_model: str
    float_macro_f1: float
    float_accuracy: float
    macro_f1_difference: Estimate
    """This model's less the float one's, drawn in pairs; negative where the conversion cost."""
    accuracy_difference: Estimate
    agreement: float
    """Share of the texts for which both name the same label first."""
    labels_agreement: float
    """Share of all labels of all texts that both find, or both do not."""
    probability_difference: float
    """Mean absolute difference of the probabilities, each at its own temperature."""


def beside_float(
    logits: Floats,
    calibration: Calibration,
    theirs: Floats,
    their_fit: tuple[float, Floats],
    targets: Floats,
    name: str,
) -> BesideFloat:
    """Compare a model with the float one that it was made from.

    Parameters
    ----------
    logits, theirs, targets
        (n, labels) of the same texts.
    their_fit
        Temperature and thresholds of the float model, fitted on validation as the model's own are.
    name
        Of the float model.
    """
    temperature, limits = calibration.temperature, np.array(calibration.thresholds or [0.5] * targets.shape[1])
    probabilities, float_probabilities = probabilities_of(logits, temperature), probabilities_of(theirs, their_fit[0])
    rows = counted(logits, targets, temperature, limits), counted(theirs, targets, *their_fit)
    found, float_found = (ratios(each.sum(axis=0, keepdims=True)) for each in rows)
    rounds, float_rounds = (ratios(drawn_anew(each)) for each in rows)

    def difference(key: str) -> Estimate:
        return Estimate(float((found[key] - float_found[key])[0]), percentiles(rounds[key] - float_rounds[key]))

    return BesideFloat(
        float_model=name,
        float_macro_f1=float(float_found["macro_f1"][0]),
        float_accuracy=float(float_found["accuracy"][0]),
        macro_f1_difference=difference("macro_f1"),
        accuracy_difference=difference("accuracy"),
        agreement=float(np.mean(logits.argmax(axis=1) == theirs.argmax(axis=1))),
        labels_agreement=float(np.mean((probabilities >= limits) == (float_probabilities >= their_fit[1]))),
        probability_difference=float(np.mean(np.abs(probabilities - float_probabilities))),
    )


def beside_lines(beside: BesideFloat) -> Iterator[str]:
    """For people."""
    for name, theirs, difference in (
        ("macro-F1", beside.float_macro_f1, beside.macro_f1_difference),
        ("accuracy", beside.float_accuracy, beside.accuracy_difference),
    ):
        low, high = (100 * each for each in difference.interval)
        yield (
            f"beside {beside.float_model}: {name} {100 * difference.value:+.2f} points (95 % interval {low:+.2f} to "
            f"{high:+.2f}; float {theirs:.4f})"
        )
    yield (
        f"both name the same label first for {beside.agreement:.2%} of the texts and agree on "
        f"{beside.labels_agreement:.2%} of all labels; probabilities differ by {beside.probability_difference:.4f}"
    )
