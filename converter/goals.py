"""What fine-tuning works towards: the labels, or where there are none the float model's own answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import verify
from converter.data import Samples
from converter.qat import PREDICT_BATCH
from converter.subject import Subject


@dataclass(frozen=True)
class Goal:
    """Targets, the loss that leads to them, and the score that chooses the best epoch."""

    name: str
    """'labels' or 'float model', for the manifest."""
    targets: npt.NDArray[Any]
    """(n, ...) of the training samples, as the loss takes them."""
    loss: Callable[[Any, Any], Any] | None
    """Of targets and outputs; None for `qat.fine_tune`'s own, the cross-entropy of a softmax."""
    score: Callable[[Any], float]
    """Of a model, on the validation samples; higher is better."""
    measure: str
    """What the score is: 'accuracy', or 'sqnr_db' against the targets, see `verify.Agreement`."""


def goal_of(subject: Subject, learned: Samples, held: Samples, *, progress: bool) -> Goal:
    """The goal that training and validation samples allow.

    Class numbers and probabilities are learned by the cross-entropy of a softmax; classes that may hold at once by
    that of a sigmoid each; all else, and the float model's own outputs, by the squared error (Ba and Caruana 2014,
    "Do Deep Nets Really Need to be Deep?", for outputs before the softmax).

    Without labels on both sides the float model teaches on both.
    """
    if learned.y is None or held.y is None:
        answers = subject.predict(learned.x, progress=progress)
        return _real("float model", answers, held.x, subject.predict(held.x, progress=progress))
    if learned.y.dtype.kind == "f" and learned.y.shape[1:] == subject.output_shape and len(subject.output_shape) != 1:
        return _real("labels", learned.y, held.x, held.y)
    targets, loss = _classes(learned.y, subject.output_shape[0])

    def accuracy(model: Any) -> float:
        return held.accuracy(model.predict(held.x, batch_size=PREDICT_BATCH, verbose=0)) or 0.0

    return Goal("labels", targets, loss, accuracy, "accuracy")


def _classes(y: npt.NDArray[Any], count: int) -> tuple[npt.NDArray[np.float32], Callable[[Any, Any], Any] | None]:
    if y.ndim == 1:
        one_hot: npt.NDArray[np.float32] = np.eye(count, dtype=np.float32)[y]
        return one_hot, None
    return y.astype(np.float32), None if y.dtype.kind == "f" else _sigmoid_cross_entropy


def _real(name: str, targets: npt.NDArray[Any], x: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Goal:
    def score(model: Any) -> float:
        return verify.agreement(wanted, model.predict(x, batch_size=PREDICT_BATCH, verbose=0)).sqnr_db

    return Goal(name, targets, _squared_error, score, "sqnr_db")


def _squared_error(targets: Any, outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.square(targets - outputs))


def _sigmoid_cross_entropy(targets: Any, outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs))
