"""What a conversion cost: a model beside the float one that it was made from, face by face."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from training.evaluation.metrics import Floats, Integers, probabilities_of, probability_figures


@dataclass(frozen=True)
class Comparison:
    """A model against its float original on the same faces."""

    float_model: str
    float_accuracy: float
    float_macro_f1: float
    float_ece: float
    """At temperature 1."""
    agreement: float
    """Part of the faces on which both give the same top class."""
    accuracy_difference: float
    """This model's accuracy minus the float one's; negative where the conversion cost accuracy."""
    only_this_right: int
    only_float_right: int
    p_value: float
    """Exact McNemar test: how often equally good models would differ this much by chance."""
    probability_difference: float
    """Mean absolute difference of the probabilities at temperature 1."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; floats rounded to five places."""
        return {key: round(value, 5) if isinstance(value, float) else value for key, value in asdict(self).items()}


def compare(logits: Floats, float_logits: Floats, labels: Integers, *, float_model: str) -> Comparison:
    """Compare two models' logits, each (n, classes), on faces with the labels (n,)."""
    answer, float_answer = logits.argmax(axis=1), float_logits.argmax(axis=1)
    right, float_right = answer == labels, float_answer == labels
    only_this, only_float = int(np.sum(right & ~float_right)), int(np.sum(~right & float_right))
    differing = only_this + only_float
    return Comparison(
        float_model=float_model,
        float_accuracy=float(float_right.mean()),
        float_macro_f1=float(f1_score(labels, float_answer, average="macro", zero_division=0)),
        float_ece=probability_figures(float_logits, labels).ece,
        agreement=float(np.mean(answer == float_answer)),
        accuracy_difference=(only_this - only_float) / len(labels),
        only_this_right=only_this,
        only_float_right=only_float,
        p_value=float(binomtest(only_this, differing).pvalue) if differing else 1.0,
        probability_difference=float(np.mean(np.abs(probabilities_of(logits) - probabilities_of(float_logits)))),
    )
