"""Activations of Keras 3 that legacy Keras lacks or defines otherwise, as functions that are registered with it.

What a device computes often (relu6, hard-swish) is built from layers instead, see `legacy_parts.BuiltActivation`; these
are for the rest, and for what recurrent layers compute inside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

PACKAGE = "affect_edge"
"""The name that legacy Keras knows our functions and layers by."""


def _hard_sigmoid(x: Any) -> Any:
    import tensorflow as tf

    # Legacy Keras has another slope: 0.2 x + 0.5.
    return tf.nn.relu6(x + 3.0) / 6.0


def _celu(x: Any, alpha: float = 1.0) -> Any:
    import tensorflow as tf

    return tf.nn.relu(x) + alpha * tf.math.expm1(tf.minimum(x, 0.0) / alpha)


def _glu(x: Any, axis: int = -1) -> Any:
    import tensorflow as tf

    values, gate = tf.split(x, 2, axis=axis)
    return values * tf.sigmoid(gate)


def _hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    import tensorflow as tf

    return tf.where(tf.abs(x) > threshold, x, tf.zeros_like(x))


def _soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    import tensorflow as tf

    return tf.sign(x) * tf.nn.relu(tf.abs(x) - threshold)


def _sparsemax(x: Any, axis: int = -1) -> Any:
    """Martins and Astudillo 2016, "From Softmax to Sparsemax", as Keras computes it.

    Its threshold adds up the sums over the support, where the paper takes the last of them: with two or more numbers
    above zero they do not add up to one. A model was trained with that, so it is kept; a Keras that computes it
    otherwise is seen when the outputs are compared.
    """
    import tensorflow as tf

    x = tf.experimental.numpy.moveaxis(x, axis, -1)
    falling = tf.sort(x, direction="DESCENDING")
    sums = tf.cumsum(falling, axis=-1)
    counts = tf.cast(tf.range(1, tf.shape(x)[-1] + 1), x.dtype)
    support = tf.cast(falling - (sums - 1) / counts > 0, x.dtype)
    total, size = (tf.reduce_sum(each, axis=-1, keepdims=True) for each in (support * sums, support))
    return tf.experimental.numpy.moveaxis(tf.nn.relu(x - (total - 1) / size), -1, axis)


def _sparse_plus(x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x < -1, tf.zeros_like(x), tf.where(x < 1, tf.square(x + 1) / 4, x))


def _squareplus(x: Any, b: float = 4) -> Any:
    import tensorflow as tf

    return (x + tf.sqrt(tf.square(x) + b)) / 2


def _threshold(x: Any, threshold: float, default_value: float) -> Any:
    import tensorflow as tf

    return tf.where(x > threshold, x, tf.fill(tf.shape(x), tf.cast(default_value, x.dtype)))


def _table() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    return {
        "celu": _celu,
        "glu": _glu,
        "hard_shrink": _hard_shrink,
        "hard_sigmoid": _hard_sigmoid,
        "hard_silu": lambda x: x * _hard_sigmoid(x),
        "hard_tanh": lambda x: tf.clip_by_value(x, -1.0, 1.0),
        "log_sigmoid": tf.math.log_sigmoid,
        "log_softmax": lambda x, axis=-1: tf.nn.log_softmax(x, axis=axis),
        "relu6": tf.nn.relu6,
        "soft_shrink": _soft_shrink,
        "sparse_plus": _sparse_plus,
        "sparse_sigmoid": lambda x: tf.clip_by_value((x + 1) / 2, 0.0, 1.0),
        "sparsemax": _sparsemax,
        "squareplus": _squareplus,
        "tanh_shrink": lambda x: x - tf.tanh(x),
        "threshold": _threshold,
    }


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """Keras 3's name of each activation -> the function, registered with legacy Keras."""
    import tf_keras

    def registered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def activation(x: Any, **options: Any) -> Any:
            return function(x, **options)

        activation.__name__ = name
        registrar = tf_keras.utils.register_keras_serializable(package=PACKAGE, name=name)
        decorated: Callable[..., Any] = registrar(activation)
        return decorated

    return {name: registered(name, function) for name, function in _table().items()}
