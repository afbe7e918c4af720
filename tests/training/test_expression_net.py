"""The expression network: what it costs, what it takes and gives, and that a seed fixes it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

import keras

from converter import cost
from training.architectures.expression_net import build_expression_net
from training.recipe import ExpressionRecipe, read_recipe

pytestmark = pytest.mark.tensorflow


def test_the_network_that_ships_is_small_enough() -> None:
    """At most 1.3 M parameters and 45 M multiply-adds: what a small board can bear many times a second."""
    recipe = read_recipe("expression")
    assert isinstance(recipe, ExpressionRecipe)
    options = recipe.network
    model = build_expression_net(width=options.width, dropout=options.dropout)
    assert 100_000 < cost.parameters(model) <= 1_300_000
    assert 1_000_000 < cost.multiply_adds(model) <= 45_000_000


def test_its_cost_is_counted_right() -> None:
    """By hand, for the first layers: kernels times places."""
    model = build_expression_net(width=1.0)
    layers = {layer.name: layer for layer in model.layers}
    head = keras.Model(model.input, layers["fused1_project"].output)
    assert cost.multiply_adds(head) == 48 * 48 * 9 * 16 + 24 * 24 * 9 * 16 * 48 + 24 * 24 * 48 * 32
    depthwise = layers["inverted1_depthwise"]
    assert cost.multiply_adds(keras.Model(depthwise.input, depthwise.output)) == 6 * 6 * 25 * 256


@pytest.mark.parametrize(("classes", "width"), [(7, 1.0), (7, 0.25), (3, 0.5)])
def test_faces_in_logits_out(classes: int, width: float) -> None:
    model = build_expression_net(classes=classes, width=width)
    assert model.input_shape == (None, 48, 48, 1)
    faces = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((5, 48, 48, 1), np.float32)
    logits = np.asarray(model(faces, training=False))
    assert logits.shape == (5, classes)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert logits.min() < 0, "logits, not probabilities"
    assert np.ptp(logits, axis=0).max() > 0.1 * np.abs(logits).max(), "different faces, different answers"


def test_a_seed_fixes_the_weights() -> None:
    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        return [np.asarray(weight) for weight in build_expression_net(width=0.25).get_weights()]

    first, again, other = weights(5), weights(5), weights(6)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_only_what_integer_kernels_and_fake_quantisation_know() -> None:
    kinds = {type(layer).__name__ for layer in build_expression_net().layers}
    assert kinds <= {
        "InputLayer",
        "Conv2D",
        "DepthwiseConv2D",
        "BatchNormalization",
        "ReLU",
        "Add",
        "GlobalAveragePooling2D",
        "Dropout",
        "Dense",
    }
