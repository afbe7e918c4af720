"""What fine-tuning is led by, for each kind of targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow_model_optimization")

from converter import environment
from converter.data import Samples
from converter.goals import goal_of
from converter.subject import Subject, of_model

pytestmark = pytest.mark.tensorflow

CLASSES, NUMBERS = 3, 5


def subject(*shape: int) -> Subject:
    """A dense layer whose outputs have this shape."""
    environment.prepare()
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    entry = tf_keras.Input((NUMBERS,))
    x = tf_keras.layers.Dense(int(np.prod(shape)))(entry)
    return of_model(tf_keras.Model(entry, tf_keras.layers.Reshape(shape)(x)))


def samples(count: int, y: npt.NDArray[Any] | None) -> Samples:
    return Samples(np.random.default_rng(0).normal(size=(count, NUMBERS)).astype(np.float32), y)


@pytest.mark.parametrize("kind", ["numbers", "shares", "several"])
def test_labels_lead_to_their_own_classes(kind: str) -> None:
    """The loss is least where the outputs say what the targets say, and the score is the accuracy there."""
    classes = np.arange(6) % CLASSES
    one_hot = np.eye(CLASSES, dtype=np.float32)[classes]
    y = {"numbers": classes, "shares": 0.7 * one_hot + 0.1, "several": (one_hot + one_hot[:, ::-1] > 0).astype(np.int8)}
    model = subject(CLASSES)
    goal = goal_of(model, samples(6, y[kind]), samples(6, y[kind]), progress=False)
    assert (goal.name, goal.measure) == ("labels", "accuracy")
    assert goal.targets.shape == (6, CLASSES)
    assert goal.targets.dtype == np.float32
    found = samples(6, y[kind]).accuracy(model.predict(samples(6, None).x))
    assert goal.score(model.model) == found
    assert (goal.loss is None) == (kind != "several")
    if goal.loss is not None:
        sure = np.where(goal.targets > 0, 9, -9).astype(np.float32)
        assert float(goal.loss(goal.targets, sure)) < 0.01
        assert float(goal.loss(goal.targets, -sure)) > 8


@pytest.mark.parametrize(("learned", "held"), [(False, False), (True, False), (False, True)])
def test_without_labels_on_both_sides_the_float_model_teaches(learned: bool, held: bool) -> None:
    model, y = subject(CLASSES), np.zeros(6, np.int64)
    mine = samples(6, None)
    goal = goal_of(model, samples(6, y if learned else None), samples(6, y if held else None), progress=False)
    assert (goal.name, goal.measure) == ("float model", "sqnr_db")
    np.testing.assert_array_equal(goal.targets, model.predict(mine.x))
    assert goal.score(model.model) > 100
    assert goal.loss is not None
    assert float(goal.loss(goal.targets, goal.targets)) == 0
    assert float(goal.loss(goal.targets, goal.targets + 2)) == pytest.approx(4)


def test_targets_of_the_outputs_shape_are_learned_as_numbers() -> None:
    model = subject(2, 4)
    y = np.random.default_rng(1).normal(size=(6, 2, 4)).astype(np.float32)
    goal = goal_of(model, samples(6, y), samples(6, y), progress=False)
    assert (goal.name, goal.measure) == ("labels", "sqnr_db")
    assert goal.targets is y
    assert goal.score(model.model) < 10
