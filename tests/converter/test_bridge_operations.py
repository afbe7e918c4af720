"""Bare operations of Keras 3 in legacy Keras: stock layers where there are some, equal numbers in any case."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from converter import bridge, environment
from edge.errors import ModelError

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow
environment.prepare()

import keras  # noqa: E402
import tf_keras  # noqa: E402
from keras import layers as L  # noqa: E402, N812
from keras import ops  # noqa: E402

PICTURE = (6, 4, 3)

CASES: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    # Of two tensors in -1 to 1, of shape (n, *PICTURE); and the legacy layers that are made of it.
    "x + y": (lambda x, y: x + y, ("Add",)),
    "x * y": (lambda x, y: x * y, ("Multiply",)),
    "x - y": (lambda x, y: x - y, ("Subtract",)),
    "x / y": (lambda x, y: x / (y + 2), ("Operation", "Rescaling")),
    "x + 3": (lambda x, y: x + 3.0, ("Rescaling",)),
    "3 - x": (lambda x, y: 3.0 - x, ("Rescaling",)),
    "x - 3": (lambda x, y: x - 3.0, ("Rescaling",)),
    "2 x": (lambda x, y: 2.0 * x, ("Rescaling",)),
    "x / 4": (lambda x, y: x / 4.0, ("Rescaling",)),
    "-x": (lambda x, y: -x, ("Rescaling",)),
    "x + constants": (lambda x, y: x + np.array([1.0, 2.0, 3.0], np.float32), ("Rescaling",)),
    "sum()": (lambda x, y: sum([x, y]), ("Add",)),
    "x ** 2": (lambda x, y: x**2, ("Operation",)),
    "x ** 3": (lambda x, y: x**3, ("Operation",)),
    "maximum": (lambda x, y: ops.maximum(x, y), ("Maximum",)),
    "maximum with 0": (lambda x, y: ops.maximum(x, 0), ("ReLU",)),
    "minimum with 0.5": (lambda x, y: ops.minimum(x, 0.5), ("Operation",)),
    "clip from 0": (lambda x, y: ops.clip(x, 0.0, 0.5), ("ReLU",)),
    "clip": (lambda x, y: ops.clip(x, -0.5, 0.5), ("Operation",)),
    "gate": (lambda x, y: x * ops.mean(y, axis=(1, 2), keepdims=True), ("GlobalAveragePooling2D", "Multiply")),
    "relu": (lambda x, y: ops.relu(x), ("ReLU",)),
    "relu with settings": (lambda x, y: keras.activations.relu(x, 0.1, 0.5), ("ReLU",)),
    "relu6": (lambda x, y: ops.relu6(9 * x), ("Rescaling", "ReLU")),
    "hard_silu": (lambda x, y: ops.hard_silu(x), ("Rescaling", "ReLU", "Rescaling", "Multiply")),
    "swish": (lambda x, y: ops.silu(x), ("Activation",)),
    "gelu": (lambda x, y: ops.gelu(x, approximate=False), ("Activation",)),
    "gelu by tanh": (lambda x, y: ops.gelu(x, approximate=True), ("Operation",)),
    "softmax": (lambda x, y: ops.softmax(x, axis=1), ("Softmax",)),
    "threshold": (lambda x, y: ops.threshold(x, 0.2, -0.1), ("Operation",)),
    "celu": (lambda x, y: ops.celu(x, 0.7), ("Operation",)),
    "unary": (lambda x, y: ops.sqrt(ops.abs(x)) + ops.log(ops.square(y) + 1.0), ()),
    "mean": (lambda x, y: ops.mean(x, axis=(1, 2)), ("GlobalAveragePooling2D",)),
    "mean over channels": (lambda x, y: ops.mean(x, axis=-1), ("Operation",)),
    "max": (lambda x, y: ops.max(x, axis=[1, 2], keepdims=True), ("GlobalMaxPooling2D",)),
    "min": (lambda x, y: ops.min(x, axis=1), ("Operation",)),
    "sum": (lambda x, y: ops.sum(x, axis=(2, 3)), ("Operation",)),
    "concatenate": (lambda x, y: ops.concatenate([x, y], axis=-1), ("Concatenate",)),
    "stack": (lambda x, y: ops.stack([x, y], axis=1), ("Operation",)),
    "split": (lambda x, y: ops.multiply(*ops.split(x, 2, axis=1)), ("Operation", "Multiply")),
    "split in parts": (lambda x, y: ops.split(x, [2, 5], axis=1)[2], ("Operation",)),
    "reshape": (lambda x, y: ops.reshape(x, (-1, 12, 6)), ("Reshape",)),
    "folded into the batch": (
        lambda x, y: ops.reshape(L.Dense(2)(ops.reshape(x, (-1, 4, 3))), (-1, 6, 8)),
        ("Operation", "Dense", "Operation"),
    ),
    "transpose": (lambda x, y: ops.transpose(x, (0, 3, 1, 2)), ("Permute",)),
    "swapaxes": (lambda x, y: ops.swapaxes(x, 1, -1), ("Permute",)),
    "moveaxis": (lambda x, y: ops.moveaxis(x, -1, 1), ("Permute",)),
    "expand, squeeze": (lambda x, y: ops.squeeze(ops.expand_dims(x, 2), 2), ("Reshape", "Reshape")),
    "pad": (lambda x, y: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))), ("Operation",)),
    "pad with 2": (lambda x, y: ops.pad(x, ((0, 0), (1, 2), (0, 0), (0, 0)), constant_values=2.0), ("Operation",)),
    "last step": (lambda x, y: x[:, -1], ("Operation",)),
    "every other": (lambda x, y: x[..., ::2, 1:, None], ("Operation",)),
    "flip": (lambda x, y: ops.flip(x, axis=2), ("Operation",)),
    "repeat": (lambda x, y: ops.repeat(x, 2, axis=1), ("Operation",)),
    "matmul": (lambda x, y: ops.matmul(x, ops.swapaxes(y, 2, 3)), ("Permute", "Operation")),
    "cast, identity": (lambda x, y: ops.stop_gradient(ops.cast(x, "float32")) + 0.0, ()),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_are_equal(name: str) -> None:
    keras.utils.set_random_seed(0)
    build, kinds = CASES[name]
    entry = keras.Input(PICTURE)
    x, y = (L.Conv2D(3, 1, activation="tanh", name=part)(entry) for part in ("x", "y"))
    model = keras.Model(entry, L.ActivityRegularization(name="end")(build(x, y)))
    legacy = bridge.to_tf_keras(model)
    assert bridge.output_difference(model, legacy, seed=2) <= bridge.TOLERANCE
    made = [type(layer).__name__ for layer in legacy.layers if layer.name not in ("x", "y", "end")][1:]
    assert not kinds or sorted(made) == sorted(kinds)
    # As TFMOT copies models: by their configuration alone.
    again = tf_keras.Model.from_config(legacy.get_config())
    again.set_weights(legacy.get_weights())
    assert bridge.output_difference(model, again, seed=3) <= bridge.TOLERANCE


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda x: ops.reshape(x, (2, -1)), r"\(Reshape\).*batch axis"),
        (lambda x: 1.0 / x, r"\(TrueDivide\).*divides a constant"),
        (lambda x: ops.expand_dims(x, 0), r"\(ExpandDims\).*before the batch"),
        (lambda x: ops.cast(x, "int32"), r"\(Cast\).*int32"),
        (lambda x: ops.cumsum(x, axis=1), r"\(Cumsum\).*no layer stands for.*model\.export"),
    ],
)
def test_what_is_not_supported_is_named(build: Callable[[Any], Any], says: str) -> None:
    entry = keras.Input(PICTURE)
    with pytest.raises(ModelError, match=says) as caught:
        bridge.to_tf_keras(keras.Model(entry, L.ActivityRegularization()(build(L.ReLU()(entry)))))
    assert "\n" not in str(caught.value)
