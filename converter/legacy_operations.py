"""Bare operations on tensors as a layer of legacy Keras, for those that no stock layer stands for.

Legacy Keras would wrap them itself, but TFMOT cannot rebuild a model that holds such wrappers. This layer has a
configuration of plain values and is registered, so that a model can be copied, saved and searched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from converter.legacy_activations import PACKAGE, functions


def _slice(x: Any, key: list[Any]) -> Any:
    """`key`: of `encode_key`."""
    entries = [
        slice(*entry["slice"]) if isinstance(entry, dict) else Ellipsis if entry == "..." else entry for entry in key
    ]
    return x[tuple(entries)]


def encode_key(key: Any) -> list[Any]:
    """What stands in the brackets of `x[...]`, as plain values; raises ValueError where it is more than slices."""
    encoded: list[Any] = []
    for entry in key if isinstance(key, (tuple, list)) else (key,):
        if isinstance(entry, slice):
            parts = [entry.start, entry.stop, entry.step]
            if any(part is not None and not isinstance(part, int) for part in parts):
                raise ValueError(f"it takes {entry}, whose bounds are not numbers")
            encoded.append({"slice": parts})
        elif entry is Ellipsis:
            encoded.append("...")
        elif entry is None or isinstance(entry, int):
            encoded.append(entry)
        else:
            raise ValueError(f"it picks by {type(entry).__name__}; only numbers and slices are supported")
    return encoded


def _table() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    return {
        "abs": tf.abs,
        "activation": lambda x, function, options: functions()[function](x, **options),
        "add": tf.add,
        "clip": lambda x, low, high: tf.clip_by_value(x, low, high),
        "divide": tf.divide,
        "gelu": lambda x: tf.nn.gelu(x, approximate=True),
        "flip": lambda x, axis: tf.reverse(x, axis),
        "log": tf.math.log,
        "matmul": tf.matmul,
        "max": lambda x, axis, keepdims: tf.reduce_max(x, axis, keepdims),
        "maximum": tf.maximum,
        "mean": lambda x, axis, keepdims: tf.reduce_mean(x, axis, keepdims),
        "min": lambda x, axis, keepdims: tf.reduce_min(x, axis, keepdims),
        "minimum": tf.minimum,
        "multiply": tf.multiply,
        "pad": lambda x, widths, mode, value: tf.pad(x, widths, mode, value),
        "power": lambda x, exponent: tf.pow(x, exponent),
        "repeat": lambda x, count, axis: tf.repeat(x, count, axis),
        # The batch takes what the sides leave: windows can be folded into it and unfolded again.
        "reshape": lambda x, sides: tf.reshape(x, (-1, *sides)),
        "rsqrt": tf.math.rsqrt,
        "slice": _slice,
        "split": lambda x, parts, axis: tf.split(x, parts, axis),
        "sqrt": tf.sqrt,
        "square": tf.square,
        "stack": lambda *x, axis: tf.stack(x, axis),
        "subtract": tf.subtract,
        "sum": lambda x, axis, keepdims: tf.reduce_sum(x, axis, keepdims),
        "tile": lambda x, counts: tf.tile(x, counts),
        "transpose": lambda x, axes: tf.transpose(x, axes),
    }


@cache
def operation_layer() -> Any:
    """The layer's class; made when it is needed, since its base must not be imported before `environment.prepare`."""
    import tf_keras

    table = _table()

    @tf_keras.utils.register_keras_serializable(package=PACKAGE)
    class Operation(tf_keras.layers.Layer):  # type: ignore[misc]
        """One operation of a table; on one tensor, or on a list of them."""

        def __init__(self, kind: str, arguments: dict[str, Any] | None = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.kind, self.arguments = kind, dict(arguments or {})

        def call(self, inputs: Any) -> Any:
            tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            return table[self.kind](*tensors, **self.arguments)

        def get_config(self) -> dict[str, Any]:
            # Copied: legacy Keras wraps what is assigned to a layer, and TFMOT takes plain values.
            return {**super().get_config(), "kind": self.kind, "arguments": _plain(self.arguments)}

    return Operation


def generic(kind: str, name: str, *tensors: Any, **arguments: Any) -> Any:
    """What an operation of the table gives on symbolic tensors of legacy Keras."""
    layer = operation_layer()(kind, arguments, name=name)
    return layer(tensors[0] if len(tensors) == 1 else list(tensors))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
