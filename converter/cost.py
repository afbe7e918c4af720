"""What a model costs: weights and multiply-adds, counted from its layers."""

from __future__ import annotations

import math
from typing import Any

_BY_OUTPUT = ("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
_BY_INPUT = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")


def parameters(model: Any) -> int:
    """Weights of a Keras model, the batch normalisation's moving statistics included, as `summary` counts them."""
    return int(model.count_params())


def multiply_adds(model: Any) -> int:
    """Multiply-add operations of one inference, in convolutions and dense layers; the rest is small beside them.

    Parameters
    ----------
    model
        keras.Model or tf_keras.Model with fixed shapes. A layer used twice is counted once.
    """
    total = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            total += multiply_adds(layer)
        elif kind in _BY_OUTPUT or kind in _BY_INPUT:
            # Each weight of a kernel is used once at each place of the grid that it is laid on.
            grid = layer.output.shape if kind in _BY_OUTPUT else layer.input.shape
            kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
            total += math.prod(grid[1:-1]) * sum(math.prod(weight.shape) for weight in kernels)
        elif kind == "Dense":
            total += math.prod(layer.output.shape[1:-1]) * math.prod(layer.weights[0].shape)
    return total
