"""Models inside models, TimeDistributed and normalisation behind dense layers, dissolved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converter import environment
from converter.flat import flat
from edge.errors import ModelError

pytestmark = pytest.mark.tensorflow
environment.prepare()

import tf_keras  # noqa: E402

layers = tf_keras.layers

STEPS, SIDE = 3, 6


def with_statistics(model: Any) -> Any:
    """Batch normalisation that does something."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.3, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
            for weight in layer.trainable_weights:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def window_model(name: str) -> Any:
    entry = tf_keras.Input((SIDE, SIDE, 2))
    x = layers.Conv2D(3, 3, use_bias=False, name="conv")(entry)
    x = layers.Flatten(name="flat")(layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x)))
    return tf_keras.Model(entry, layers.Dense(4, name="numbers")(x), name=name)


def over_time() -> Any:
    entry = tf_keras.Input((STEPS, SIDE, SIDE, 2))
    x = layers.TimeDistributed(layers.Conv2D(2, 3, padding="same"), name="first")(entry)
    x = layers.TimeDistributed(layers.BatchNormalization(), name="first_norm")(x)
    x = layers.TimeDistributed(window_model("window"), name="windows")(x)
    return tf_keras.Model(entry, layers.LSTM(4, name="memory")(x), name="over_time")


def dense_norms() -> Any:
    entry = tf_keras.Input((5,))
    x = layers.BatchNormalization(name="alone")(entry)
    x = layers.BatchNormalization(name="folded")(layers.Dense(4, use_bias=False, name="plain")(x))
    x = layers.BatchNormalization(scale=False, center=False, name="bare")(layers.Dense(4, name="biased")(x))
    x = layers.BatchNormalization(name="kept")(layers.Dense(4, activation="relu", name="bent")(x))
    used_twice = layers.Dense(4, name="twice")(x)
    x = layers.Add(name="sum")([layers.BatchNormalization(name="kept_too")(used_twice), used_twice])
    return tf_keras.Model(entry, x, name="dense_norms")


def nested() -> Any:
    inner = window_model("inner")
    left, right = tf_keras.Input((SIDE, SIDE, 2), name="left"), tf_keras.Input((SIDE, SIDE, 2), name="right")
    x = layers.Concatenate(name="both")([inner(left), inner(right)])
    return tf_keras.Model([left, right], layers.Dense(2, name="end")(x), name="nested")


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            over_time,
            "first_fold first first_norm windows_conv windows_norm windows_relu windows_flat windows_numbers"
            " windows_unfold memory",
        ),
        (dense_norms, "alone plain biased bent kept twice kept_too sum"),
        (nested, "inner_conv inner_norm inner_relu inner_flat inner_numbers both end"),
    ],
)
def test_the_outputs_are_the_same(make: Any, names: str) -> None:
    tf_keras.utils.set_random_seed(1)
    model = with_statistics(make())
    before = model.get_weights()
    found = flat(model)
    assert [layer.name for layer in found.layers if not isinstance(layer, layers.InputLayer)] == names.split()
    rng = np.random.default_rng(2)
    batch = [rng.normal(size=(2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    given = batch[0] if len(batch) == 1 else batch
    np.testing.assert_allclose(found(given, training=False), model(given, training=False), atol=1e-5)
    found.set_weights([np.zeros_like(weight) for weight in found.get_weights()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_flat_model_is_left_as_it_is() -> None:
    model = window_model("window")
    assert flat(model) is model


def test_an_open_number_of_steps_is_told() -> None:
    entry = tf_keras.Input((None, 5))
    model = tf_keras.Model(entry, layers.TimeDistributed(layers.Dense(2), name="each")(entry))
    with pytest.raises(ModelError, match=r"layer 'each' \(TimeDistributed\).*steps"):
        flat(model)


def test_a_model_with_its_own_call_is_told() -> None:
    class Own(tf_keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2

    entry = tf_keras.Input((5,))
    with pytest.raises(ModelError, match="model 'own': is a Own with a call"):
        flat(tf_keras.Model(entry, Own(name="own")(entry)))
