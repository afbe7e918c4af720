from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def test_a_weight_scales_the_gradient_and_does_not_move_the_optimum() -> None:
    import tensorflow as tf

    from training.losses import weighted_cross_entropy

    target = np.array([0.7, 0.2, 0.1], np.float32)
    logits = tf.Variable([np.log(target), [1.0, -2.0, 0.5]], dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = weighted_cross_entropy(3 * np.stack([target, target]), logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert gradient[0] == pytest.approx(0, abs=1e-6)  # where the answer is the target itself
    probabilities = tf.nn.softmax(logits[1]).numpy()
    assert gradient[1] == pytest.approx(3 * (probabilities - target) / 2, abs=1e-6)  # of two rows, the mean


def test_it_is_the_usual_one_where_targets_add_up_to_1() -> None:
    import keras

    from training.losses import weighted_cross_entropy

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 4)).astype(np.float32)
    targets = rng.dirichlet(np.ones(4), size=5).astype(np.float32)
    usual = keras.losses.CategoricalCrossentropy(from_logits=True)(targets, logits)
    assert float(weighted_cross_entropy(targets, logits)) == pytest.approx(float(usual), abs=1e-6)
