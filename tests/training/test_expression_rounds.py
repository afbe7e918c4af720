from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.datasets.cleaning import CleaningReport
from training.datasets.face_batches import as_input
from training.expression import FaceValidation, TrainingData, train_float
from training.recipe import ExpressionRecipe
from training.recipe_parts import Network, Schedule

pytestmark = pytest.mark.tensorflow


def test_a_further_round_goes_on_from_the_best_weights_and_is_resumed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(56) % 7
    images = (rng.integers(0, 60, (56, 48, 48)) + 25 * labels[:, None, None]).astype(np.uint8)
    data = TrainingData(
        images,
        np.eye(7, dtype=np.float32)[labels],
        FaceValidation(as_input(images), labels),
        CleaningReport(56, 0, 0, 0, 0, 56),
    )
    schedule = Schedule(epochs=1, batch_size=28, warmup_epochs=0)
    one = ExpressionRecipe(network=Network(width=0.25), schedule=schedule)
    two = one.model_copy(update={"further": [Schedule(epochs=2, batch_size=28, warmup_epochs=0)]})
    train_float(one, data, tmp_path, progress=False)
    first = (tmp_path / "checkpoint.npz").read_bytes()
    model, state = train_float(two, data, tmp_path, progress=False)
    # The first round is taken up as it was left, the second is trained; both keep their curves.
    assert (tmp_path / "checkpoint.npz").read_bytes() == first
    assert {path.name for path in tmp_path.glob("curves*.png")} == {"curves.png", "curves_2.png"}
    with np.load(tmp_path / "checkpoint_2.npz") as second:
        assert '"epoch": 2' in str(second["notes"])
    for weight, kept in zip(model.get_weights(), state.best, strict=True):
        assert np.array_equal(weight, kept)
    again, _ = train_float(two, data, tmp_path, progress=False)
    for weight, other in zip(model.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(weight, other)
