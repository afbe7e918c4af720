"""Losses that several recipes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def weighted_cross_entropy(targets: Any, logits: Any) -> Any:
    """Mean cross-entropy in nats; a target's sum is its weight.

    Keras's own hands such targets to TensorFlow's fused operator, whose gradient takes it for granted that they add up
    to 1: a class of weight 3 would drive its logit up without end.

    Parameters
    ----------
    targets, logits
        (n, classes).
    """
    return -keras.ops.mean(keras.ops.sum(targets * keras.ops.log_softmax(logits, axis=-1), axis=-1))


def binary_cross_entropy(targets: Any, logits: Any) -> Any:
    """Mean over the texts of the labels' cross-entropies, each label by itself, in nats.

    Parameters
    ----------
    targets, logits
        (n, labels).
    """
    return keras.ops.mean(keras.ops.sum(_binary_cross_entropies(targets, logits), axis=-1))


def labels_and_numbers(labels: int) -> Callable[[Any, Any], Any]:
    """A loss of labels that do not exclude each other and of numbers, of texts that may have only one of both.

    The labels' cross-entropies, in nats, and the numbers' squared errors: each column's mean over the texts whose
    target is known; all of them added up.

    Parameters
    ----------
    labels
        Columns that are labels'; those behind are numbers.

    Returns
    -------
    A function of targets, (n, columns), NaN where unknown, and outputs of the same shape.
    """

    def loss(targets: Any, outputs: Any) -> Any:
        known = keras.ops.logical_not(keras.ops.isnan(targets))
        # Before they are used, for the gradient of what is computed from NaN is NaN even where it is left out.
        filled = keras.ops.where(known, targets, 0.0)
        each = keras.ops.concatenate(
            [
                _binary_cross_entropies(filled[:, :labels], outputs[:, :labels]),
                keras.ops.square(outputs[:, labels:] - filled[:, labels:]),
            ],
            axis=-1,
        )
        totals = keras.ops.sum(keras.ops.where(known, each, 0.0), axis=0)
        counts = keras.ops.sum(keras.ops.cast(known, each.dtype), axis=0)
        return keras.ops.sum(totals / keras.ops.maximum(counts, 1.0))

    return loss


def _binary_cross_entropies(targets: Any, logits: Any) -> Any:
    return keras.ops.relu(logits) - logits * targets + keras.ops.log1p(keras.ops.exp(-keras.ops.abs(logits)))
