"""Losses that several recipes share."""

from __future__ import annotations

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
    each = keras.ops.relu(logits) - logits * targets + keras.ops.log1p(keras.ops.exp(-keras.ops.abs(logits)))
    return keras.ops.mean(keras.ops.sum(each, axis=-1))
