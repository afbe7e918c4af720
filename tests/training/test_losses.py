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


NAN = float("nan")


def test_labels_and_numbers_are_each_measured_where_they_are_known() -> None:
    from training.losses import binary_cross_entropy, labels_and_numbers

    outputs = np.array([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0], [4.0, 9.0, 2.0]], np.float32)
    targets = np.array([[1, 0, NAN], [0, 1, NAN], [NAN, NAN, 1.5]], np.float32)
    expected = float(binary_cross_entropy(targets[:2, :2], outputs[:2, :2])) + 0.5**2
    assert float(labels_and_numbers(2)(targets, outputs)) == pytest.approx(expected, abs=1e-6)


def test_what_is_unknown_changes_nothing_and_has_no_gradient() -> None:
    import tensorflow as tf

    from training.losses import labels_and_numbers

    start = np.array([[1.0, -2.0, 0.5, 3.0], [0.3, 0.1, -1.0, -3.0]], np.float32)
    targets = np.array([[1, NAN, 0.2, NAN], [0, NAN, NAN, NAN]], np.float32)

    def at(values: np.ndarray) -> tuple[float, np.ndarray]:
        outputs = tf.Variable(values)
        with tf.GradientTape() as tape:
            loss = labels_and_numbers(2)(targets, outputs)
        return float(loss), tape.gradient(loss, outputs).numpy()

    loss, gradient = at(start)
    known = ~np.isnan(targets)
    assert np.isfinite(loss)
    assert (gradient[known] != 0).all()
    assert (gradient[~known] == 0).all()
    assert gradient[0, 2] == pytest.approx(2 * (0.5 - 0.2), abs=1e-6)  # of the one text whose number is known
    assert at(np.where(known, start, 7).astype(np.float32))[0] == loss
    nothing = np.full((2, 4), NAN, np.float32)
    assert float(labels_and_numbers(2)(nothing, start)) == 0
