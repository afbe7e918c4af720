"""Public architectures of keras.applications through the bridge, with random weights: each number is the same."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from converter import bridge, environment, legacy_graph, subject

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow
environment.prepare()

import keras  # noqa: E402

# The smallest inputs that each of them takes.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "MobileNetV2": {"input_shape": (32, 32, 3), "alpha": 0.35},
    "MobileNetV3Small": {"input_shape": (32, 32, 3)},
    "EfficientNetB0": {"input_shape": (32, 32, 3)},
    "NASNetMobile": {"input_shape": (32, 32, 3)},
    "DenseNet121": {"input_shape": (32, 32, 3)},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_outputs_are_equal(name: str) -> None:
    keras.utils.set_random_seed(3)
    model = getattr(keras.applications, name)(weights=None, classes=10, **ARCHITECTURES[name])
    rng = np.random.default_rng(3)
    for layer in model.layers:  # statistics and scales that no layer begins with
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    legacy = bridge.to_tf_keras(model)
    assert legacy.count_params() == model.count_params() - sum(
        layer.count_params() for layer in model.layers if isinstance(layer, keras.layers.Normalization)
    )
    # Its softmax is in the last layer; what is converted gives logits.
    x = rng.uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    logits = subject.of_model(legacy_graph.without_softmax(legacy)).predict(x)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = np.asarray(model(x, training=False))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(raised / raised.sum(axis=1, keepdims=True), expected, atol=bridge.TOLERANCE)
