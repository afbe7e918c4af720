"""Operations of Keras 3 on the form of a tensor (reshape, slices, padding) as layers of legacy Keras.

Each takes the operation, the name of what it makes, and what the operation was called on.
"""

from __future__ import annotations

import math
from typing import Any

from converter.legacy_operations import encode_key, generic


def reshape(operation: Any, name: str, x: Any) -> Any:
    from tf_keras import layers

    first, *sides = (-1 if side is None else side for side in operation.newshape)
    if not all(isinstance(side, int) for side in (first, *sides)):
        raise ValueError("its shape is computed; only numbers are supported")
    within = x.shape[1:]
    if first != -1 or (-1 in sides and None in within):
        raise ValueError(f"the batch axis of its shape {tuple(operation.newshape)} has to be -1")
    # With the whole of a sample in the other sides, -1 is the batch and nothing is folded into it.
    if -1 in sides or (None not in within and math.prod(within) == math.prod(sides)):
        return layers.Reshape(sides, name=name)(x)
    return generic("reshape", name, x, sides=sides)


def _same_batch(x: Any, sides: list[int | None], name: str) -> Any:
    """The tensor with axes of length 1 added or taken away."""
    from tf_keras import layers

    if sides.count(None) > 1:
        raise ValueError("it leaves several sides open; name them with --input-shape")
    return layers.Reshape([-1 if side is None else side for side in sides], name=name)(x)


def expand(operation: Any, name: str, x: Any) -> Any:
    given = operation.axis if isinstance(operation.axis, (list, tuple)) else [operation.axis]
    rank = len(x.shape) + len(given)
    axes = {axis % rank for axis in given}
    if 0 in axes:
        raise ValueError("it adds an axis before the batch")
    rest = iter(x.shape)
    return _same_batch(x, [1 if axis in axes else next(rest) for axis in range(rank)][1:], name)


def squeeze(operation: Any, name: str, x: Any) -> Any:
    rank = len(x.shape)
    given = operation.axis
    axes = (
        {axis for axis in range(1, rank) if x.shape[axis] == 1}
        if given is None
        else {axis % rank for axis in (given if isinstance(given, (list, tuple)) else [given])}
    )
    if 0 in axes:
        raise ValueError("it takes the batch axis away")
    return _same_batch(x, [side for axis, side in enumerate(x.shape) if axis not in axes][1:], name)


def _ordered(x: Any, axes: list[int], name: str) -> Any:
    from tf_keras import layers

    if axes[0] != 0:
        return generic("transpose", name, x, axes=axes)
    return layers.Permute(axes[1:], name=name)(x)


def transpose(operation: Any, name: str, x: Any) -> Any:
    rank = len(x.shape)
    return _ordered(x, [axis % rank for axis in operation.axes or reversed(range(rank))], name)


def swap(operation: Any, name: str, x: Any) -> Any:
    axes = list(range(len(x.shape)))
    one, other = operation.axis1, operation.axis2
    axes[one], axes[other] = axes[other], axes[one]
    return _ordered(x, axes, name)


def move(operation: Any, name: str, x: Any) -> Any:
    rank = len(x.shape)
    goals = {to % rank: source % rank for source, to in zip(operation.source, operation.destination, strict=True)}
    rest = iter(axis for axis in range(rank) if axis not in goals.values())
    return _ordered(x, [goals[axis] if axis in goals else next(rest) for axis in range(rank)], name)


def pad(operation: Any, name: str, x: Any, constant_values: Any = None) -> Any:
    widths = [list(map(int, width)) for width in operation.pad_width]
    widths = widths * len(x.shape) if len(widths) == 1 else widths
    value = 0 if constant_values is None else float(constant_values)
    return generic("pad", name, x, widths=widths, mode=operation.mode.upper(), value=value)


def get_item(_: Any, name: str, x: Any, key: Any) -> Any:
    return generic("slice", name, x, key=encode_key(key))


def split(operation: Any, name: str, x: Any) -> Any:
    parts, axis = operation.indices_or_sections, operation.axis
    if not isinstance(parts, int):
        ends = [*parts, x.shape[axis]]
        parts = [end - begin for begin, end in zip([0, *parts], ends, strict=True)]
    return generic("split", name, x, parts=parts, axis=axis)


def flip(operation: Any, name: str, x: Any) -> Any:
    axes = operation.axis if operation.axis is not None else list(range(len(x.shape)))
    return generic("flip", name, x, axis=[axes] if isinstance(axes, int) else list(axes))
