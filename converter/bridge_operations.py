"""Bare operations of Keras 3 (x + y, keras.ops.mean) as layers of legacy Keras.

A stock layer where one of that meaning exists, since TFMOT and TFLite know those; else `legacy_operations`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from converter import bridge_shapes
from converter.bridge_layers import plain, unsupported
from converter.legacy_activations import functions
from converter.legacy_operations import generic
from converter.legacy_parts import BUILT_ACTIVATIONS, BuiltActivation


def counterpart(operation: Any, name: str) -> Callable[..., Any] | None:
    """What does on legacy tensors as an operation of Keras 3 does on its own; None for one that is not known.

    It raises `ModelError` where it is called in a way that is not supported.
    """
    kind = type(operation).__name__
    function = _TABLE.get(kind)
    if function is None and re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower() in functions():
        function = _activation
    if function is None:
        return None

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(operation, name, *args, **kwargs)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise unsupported(operation, str(error).partition("\n")[0]) from error

    return call


def _is_tensor(value: Any) -> bool:
    from tf_keras.src.engine.keras_tensor import KerasTensor

    return isinstance(value, KerasTensor)


def _constant(value: Any) -> Any:
    """A number, or lists of numbers, of whatever Keras takes for a constant."""
    import keras

    return plain(value if isinstance(value, (int, float)) else keras.ops.convert_to_numpy(value))


def _scaled(x: Any, scale: Any, offset: Any, name: str) -> Any:
    from tf_keras import layers

    if isinstance(scale, (int, float)) and isinstance(offset, (int, float)) and (scale, offset) == (1, 0):
        return x
    return layers.Rescaling(scale, offset=offset, name=name)(x)


def _negative(value: Any) -> Any:
    return [_negative(each) for each in value] if isinstance(value, list) else -value


def _inverse(value: Any) -> Any:
    return [_inverse(each) for each in value] if isinstance(value, list) else 1 / value


def _merge(stock: str, kind: str) -> Callable[..., Any]:
    """Of two tensors; legacy Keras's layer aligns tensors of different rank in a way of its own."""

    def merge(_: Any, name: str, x1: Any, x2: Any) -> Any:
        from tf_keras import layers

        if _is_tensor(x1) and _is_tensor(x2):
            if len(x1.shape) == len(x2.shape):
                return getattr(layers, stock)(name=name)([x1, x2])
            return generic(kind, name, x1, x2)
        x, constant = (x1, _constant(x2)) if _is_tensor(x1) else (x2, _constant(x1))
        if kind == "add":
            return _scaled(x, 1.0, constant, name)
        if kind == "multiply":
            return _scaled(x, constant, 0.0, name)
        if kind == "subtract":
            return _scaled(x, 1.0, _negative(constant), name) if _is_tensor(x1) else _scaled(x, -1.0, constant, name)
        if kind == "maximum" and constant == 0:
            return layers.ReLU(name=name)(x)
        if not isinstance(constant, (int, float)):
            raise ValueError("its constant is an array; only a number is supported")
        infinity = math.inf
        low, high = (constant, infinity) if kind == "maximum" else (-infinity, constant)
        return generic("clip", name, x, low=low, high=high)

    return merge


def _divide(_: Any, name: str, x1: Any, x2: Any) -> Any:
    if _is_tensor(x1) and not _is_tensor(x2):
        return _scaled(x1, _inverse(_constant(x2)), 0.0, name)
    if not _is_tensor(x1):
        raise ValueError("it divides a constant by a tensor; only the other way round is supported")
    return generic("divide", name, x1, x2)


def _power(_: Any, name: str, x1: Any, x2: Any) -> Any:
    if not _is_tensor(x1) or not isinstance(exponent := _constant(x2), (int, float)):
        raise ValueError("its exponent has to be a number")
    return generic("square", name, x1) if exponent == 2 else generic("power", name, x1, exponent=exponent)


def _clip(operation: Any, name: str, x: Any) -> Any:
    from tf_keras import layers

    low, high = float(operation.x_min), float(operation.x_max)
    return layers.ReLU(high, name=name)(x) if low == 0 else generic("clip", name, x, low=low, high=high)


def _unary(kind: str) -> Callable[..., Any]:
    return lambda _, name, x: generic(kind, name, x)


def _activation(operation: Any, name: str, x: Any) -> Any:
    """An activation that legacy Keras lacks; its options are the operation's attributes."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(operation).__name__).lower()
    if kind in BUILT_ACTIVATIONS:
        return BuiltActivation(kind, name)(x)
    options = {
        key: getattr(operation, key)
        for key in ("alpha", "axis", "threshold", "b", "default_value")
        if hasattr(operation, key)
    }
    return generic("activation", name, x, function=kind, options=options)


def _stock(kind: str, **words: str) -> Callable[..., Any]:
    """A legacy layer; `words` are its settings, and the operation's attributes that they come from."""

    def call(operation: Any, name: str, x: Any) -> Any:
        from tf_keras import layers

        settings = {setting: getattr(operation, attribute) for setting, attribute in words.items()}
        return getattr(layers, kind)(**settings, name=name)(x)

    return call


def _named(activation: str) -> Callable[..., Any]:
    def call(_: Any, name: str, x: Any) -> Any:
        from tf_keras import layers

        return layers.Activation(activation, name=name)(x)

    return call


def _gelu(operation: Any, name: str, x: Any) -> Any:
    from tf_keras import activations, layers

    if not operation.approximate:
        return layers.Activation(activations.gelu, name=name)(x)
    return generic("gelu", name, x)


def _reduction(kind: str) -> Callable[..., Any]:
    def call(operation: Any, name: str, x: Any) -> Any:
        from tf_keras import layers

        rank = len(x.shape)
        axes = operation.axis if operation.axis is not None else range(rank)
        axes = sorted(axis % rank for axis in ([axes] if isinstance(axes, int) else axes))
        stock = {"mean": "GlobalAveragePooling", "max": "GlobalMaxPooling"}.get(kind)
        if stock and 3 <= rank <= 5 and axes == list(range(1, rank - 1)):
            return getattr(layers, f"{stock}{rank - 2}D")(keepdims=operation.keepdims, name=name)(x)
        return generic(kind, name, x, axis=axes, keepdims=operation.keepdims)

    return call


def _concatenate(operation: Any, name: str, tensors: Any) -> Any:
    from tf_keras import layers

    return layers.Concatenate(axis=operation.axis, name=name)(list(tensors))


def _cast(operation: Any, _: str, x: Any) -> Any:
    wanted = str(getattr(operation, "dtype", ""))
    if x.dtype.is_floating and wanted in ("float16", "bfloat16", "float32"):
        return x
    raise ValueError(f"it changes {x.dtype.name} to {wanted}")


_TABLE: dict[str, Callable[..., Any]] = {
    "Abs": _unary("abs"),
    "Absolute": _unary("abs"),
    "Add": _merge("Add", "add"),
    "Cast": _cast,
    "Clip": _clip,
    "Concatenate": _concatenate,
    "Divide": _divide,
    "Elu": _stock("ELU", alpha="alpha"),
    "Exp": _named("exponential"),
    "ExpandDims": bridge_shapes.expand,
    "Flip": bridge_shapes.flip,
    "Gelu": _gelu,
    "GetItem": bridge_shapes.get_item,
    "LeakyRelu": _stock("LeakyReLU", alpha="negative_slope"),
    "Log": _unary("log"),
    "Matmul": lambda _, name, x1, x2: generic("matmul", name, x1, x2),
    "Max": _reduction("max"),
    "Maximum": _merge("Maximum", "maximum"),
    "Mean": _reduction("mean"),
    "Min": _reduction("min"),
    "Minimum": _merge("Minimum", "minimum"),
    "Mish": _named("mish"),
    "Moveaxis": bridge_shapes.move,
    "Multiply": _merge("Multiply", "multiply"),
    "Negative": lambda _, name, x: _scaled(x, -1.0, 0.0, name),
    "Pad": bridge_shapes.pad,
    "Power": _power,
    "ReLU": _stock("ReLU", max_value="max_value", negative_slope="negative_slope", threshold="threshold"),
    "Relu": _stock("ReLU"),
    "Repeat": lambda operation, name, x: generic("repeat", name, x, count=operation.repeats, axis=operation.axis),
    "Reshape": bridge_shapes.reshape,
    "Rsqrt": _unary("rsqrt"),
    "Selu": _named("selu"),
    "Sigmoid": _named("sigmoid"),
    "Silu": _named("swish"),
    "Softmax": _stock("Softmax", axis="axis"),
    "Softplus": _named("softplus"),
    "Softsign": _named("softsign"),
    "Split": bridge_shapes.split,
    "Sqrt": _unary("sqrt"),
    "Square": _unary("square"),
    "Squeeze": bridge_shapes.squeeze,
    "Stack": lambda operation, name, x: generic("stack", name, *x, axis=operation.axis),
    "StopGradient": lambda _, __, x: x,
    "Subtract": _merge("Subtract", "subtract"),
    "Sum": _reduction("sum"),
    "Swapaxes": bridge_shapes.swap,
    "Tanh": _named("tanh"),
    "Tile": lambda operation, name, x: generic("tile", name, x, counts=list(operation.repeats)),
    "Transpose": bridge_shapes.transpose,
    "TrueDivide": _divide,
}
