"""The training loop: it learns, keeps what is best, and goes on after a kill as if nothing had been."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("matplotlib")
pytest.importorskip("keras")

import keras

from edge.errors import DataError
from tests.training.conftest import pattern_faces
from tests.training.fit_harness import EPOCHS, RATE, STEPS, network, schedule, train
from training.datasets.face_batches import Batch, FaceBatches, as_input
from training.expression import FaceValidation
from training.fit import Progress, fit
from training.recipe import ExpressionRecipe
from training.recipe_parts import Augmentation

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keras.Model, Progress]:
    """A run that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "run" / "checkpoint.npz"
    return (path, *train(path, schedule()))


def _same_run(
    one: tuple[keras.Model, Progress], other: tuple[keras.Model, Progress], *, tolerance: float = 1e-4
) -> None:
    """Same history and same weights, as far as sums in another order are the same.

    Without the random numbers of dropout, the optimizer's state or the averaged weights in place, the runs differ by
    some hundred times the tolerance.
    """
    (model, state), (other_model, other_state) = one, other
    assert (state.epoch, state.best_epoch) == (other_state.epoch, other_state.best_epoch)
    assert len(state.history) == len(other_state.history)
    for entry, other_entry in zip(state.history, other_state.history, strict=True):
        assert entry == pytest.approx(other_entry, abs=tolerance)
    for weights, other_weights in (
        (state.average, other_state.average),
        (state.best, other_state.best),
        (model.get_weights(), other_model.get_weights()),
    ):
        for weight, other_weight in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(weight, other_weight, atol=tolerance)


def test_it_learns(whole: tuple[Path, keras.Model, Progress]) -> None:
    path, model, state = whole
    assert state.epoch == EPOCHS
    assert [entry["epoch"] for entry in state.history] == list(range(1, EPOCHS + 1))
    assert state.history[0]["validation_score"] < 0.8
    assert state.best_score > 0.95
    assert 1 < state.best_epoch < EPOCHS
    assert state.history[-1]["loss"] < state.history[0]["loss"]
    rates = [entry["learning_rate"] for entry in state.history]
    assert rates[0] == pytest.approx(RATE), "the peak, after one epoch of warm-up"
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(RATE / 100, rel=0.01)

    # The model is left with the best weights, and has the accuracy that is told of them.
    images, labels = pattern_faces(10, seed=1)
    accuracy, _ = FaceValidation(as_input(images), labels).score(model)
    assert accuracy == state.best_score == state.history[state.best_epoch - 1]["validation_score"]
    assert state.best_score == max(entry["validation_score"] for entry in state.history)

    picture = cv2.imread(str(path.with_name("curves.png")))
    assert path.with_name("curves.png").read_bytes().startswith(b"\x89PNG")
    assert picture is not None
    assert picture.shape[0] > 300
    assert picture.std() > 5
    assert sorted(each.name for each in path.parent.iterdir()) == ["checkpoint.npz", "curves.png"]


def test_the_score_is_accuracy_and_cross_entropy() -> None:
    inputs = keras.Input((48, 48, 1))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs)))
    model.layers[-1].set_weights([np.array([[2.0, 0.0]]), np.array([-1.0, 0.0])])
    faces = np.stack([np.zeros((48, 48, 1)), np.ones((48, 48, 1)), np.ones((48, 48, 1))]).astype(np.float32)
    # Logits (-1, 0), (1, 0), (1, 0) for the labels 1, 0, 1.
    accuracy, loss = FaceValidation(faces, np.array([1, 0, 1])).score(model)
    assert accuracy == pytest.approx(2 / 3)
    assert loss == pytest.approx((2 * np.log(1 + np.exp(-1)) + np.log(1 + np.exp(1))) / 3)


def test_the_average_is_what_is_kept(tmp_path: Path) -> None:
    """Averaging changes what is validated and kept, not what is trained."""
    plans = schedule(epochs=1), schedule(epochs=1, average_decay=0.0)
    (model, averaged), (other_model, plain) = (train(tmp_path / f"{i}.npz", plan) for i, plan in enumerate(plans))
    assert averaged.history[0]["loss"] == pytest.approx(plain.history[0]["loss"], abs=1e-4)
    assert averaged.history[0]["validation_loss"] != pytest.approx(plain.history[0]["validation_loss"], abs=1e-3)
    assert plain.average == []
    for kept, mean, weight, other in zip(
        averaged.best, averaged.average, model.get_weights(), other_model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, mean)
        np.testing.assert_array_equal(weight, mean)
        assert not np.allclose(weight, other, atol=1e-4)


@pytest.mark.parametrize(("choose", "epoch", "score"), [("score", 2, 0.7), ("loss", 3, 0.6)])
def test_which_epoch_is_kept(
    choose: str, epoch: int, score: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([(0.5, 1.2), (0.7, 1.1), (0.6, 0.9), (0.7, 1.0)])
    seen = []

    def told(self: FaceValidation, model: keras.Model) -> tuple[float, float]:
        seen.append(model.get_weights())
        return next(found)

    monkeypatch.setattr(FaceValidation, "score", told)
    model, state = train(tmp_path / "c.npz", schedule(epochs=4, choose=choose))
    assert (state.best_epoch, state.best_score) == (epoch, score)
    for kept, then in zip(model.get_weights(), seen[epoch - 1], strict=True):
        np.testing.assert_array_equal(kept, then)


def test_a_loss_that_is_not_told_chooses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaceValidation, "score", lambda self, model: (0.5, None))
    with pytest.raises(DataError, match=r"schedule\.choose = 'loss'"):
        train(tmp_path / "c.npz", schedule(epochs=1, choose="loss"))


def test_killed_at_any_moment_it_goes_on_as_the_same_run(
    whole: tuple[Path, keras.Model, Progress], tmp_path: Path
) -> None:
    """A real child is killed with SIGKILL after a random number of batches, from within the second epoch on."""
    chance = random.Random()
    batches = chance.randrange(STEPS + 1, (EPOCHS - 1) * STEPS)
    path = tmp_path / "run" / "checkpoint.npz"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.training.fit_harness", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        assert child.stdout is not None
        for _ in range(batches):
            assert child.stdout.readline(), "it ended by itself"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    with np.load(path) as file:
        epoch = json.loads(str(file["notes"]))["epoch"]
    assert epoch in ((batches - 1) // STEPS, (batches - 1) // STEPS + 1), f"killed after {batches} batches"
    assert 1 <= epoch < EPOCHS
    # And as if the kill had come while the next checkpoint was written.
    path.with_suffix(".partial").write_bytes(path.read_bytes()[:5000])
    _same_run(whole[1:], train(path, schedule()))


def test_a_finished_run_is_not_trained_again(whole: tuple[Path, keras.Model, Progress]) -> None:
    path, model, state = whole
    before = path.stat().st_mtime_ns
    _same_run((model, state), train(path, schedule(), batches=_Untouchable), tolerance=0)
    assert path.stat().st_mtime_ns == before


class _Untouchable(FaceBatches):
    def __getitem__(self, index: int) -> Any:
        raise AssertionError(f"batch {index} of epoch {self.epoch} was taken")


def test_it_stops_early_and_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    plan = schedule(epochs=50, patience=2, learning_rate=1e-9)
    model, state = train(path, plan)
    assert state.epoch == state.best_epoch + 2 < 50
    again = train(path, plan, batches=_Untouchable)
    _same_run((model, state), again, tolerance=0)


def test_a_checkpoint_of_another_recipe_is_refused(whole: tuple[Path, keras.Model, Progress]) -> None:
    path = whole[0]
    content = path.read_bytes()
    for plan in (schedule(epochs=EPOCHS + 1), schedule(learning_rate=RATE / 2)):
        with pytest.raises(DataError, match=r"checkpoint\.npz: a checkpoint of another recipe; name another --out"):
            train(path, plan)
    assert path.read_bytes() == content


def _damages() -> Iterator[tuple[str, Any]]:
    yield "empty", lambda content: b""
    yield "first bytes", lambda content: content[:10]
    yield "half", lambda content: content[: len(content) // 2]
    yield "last byte", lambda content: content[:-1]
    yield "hole", lambda content: content[:3000] + bytes(64) + content[3064:]
    yield "no zip", lambda content: b"not a checkpoint\n"


@pytest.mark.parametrize(("name", "damage"), list(_damages()))
def test_a_damaged_checkpoint_is_refused(
    whole: tuple[Path, keras.Model, Progress], tmp_path: Path, name: str, damage: Any
) -> None:
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(damage(whole[0].read_bytes()))
    with pytest.raises(
        DataError, match=r"checkpoint\.npz: a damaged checkpoint .*; delete it to start again"
    ) as caught:
        train(path, schedule())
    assert "\n" not in str(caught.value)


def test_an_archive_that_is_no_checkpoint(tmp_path: Path) -> None:
    for notes in ("{}", "[]", "nonsense"):
        np.savez(tmp_path / "c.npz", notes=np.array(notes))
        with pytest.raises(DataError, match="a damaged checkpoint"):
            train(tmp_path / "c.npz", schedule())
    np.savez(tmp_path / "c.npz", other=np.zeros(3))
    with pytest.raises(DataError, match="a damaged checkpoint"):
        train(tmp_path / "c.npz", schedule())


def test_fewer_faces_than_a_batch(tmp_path: Path) -> None:
    images, labels = pattern_faces(1, seed=0)
    with pytest.raises(DataError, match="fewer training samples than one batch"):
        fit(
            network(),
            FaceBatches(images, np.eye(7, dtype=np.float32)[labels], Augmentation(), batch_size=8, seed=0),
            FaceValidation(as_input(images), labels),
            schedule(),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            recipe=ExpressionRecipe().as_dict(),
            checkpoint=tmp_path / "c.npz",
        )


def test_a_run_that_diverges_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"epoch \d: the loss is not finite; lower schedule.learning_rate"):
        train(tmp_path / "c.npz", schedule(learning_rate=1e38, average_decay=0))


DISK_LIMIT = 120_000
"""Bytes: the curves fit, the checkpoint does not."""


class _FullDisk(FaceBatches):
    """From the second epoch on, RLIMIT_FSIZE makes the kernel refuse the writes as a full disk would, for any user."""

    def __getitem__(self, index: int) -> Batch:
        if self.epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_LIMIT, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return super().__getitem__(index)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path, plan = tmp_path / "checkpoint.npz", schedule(epochs=2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match=r"File too large|not written"):
            train(path, plan, batches=_FullDisk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.stat().st_size > DISK_LIMIT > path.with_name("curves.png").stat().st_size
    assert not path.with_suffix(".partial").exists()
    first = json.loads(str(np.load(path)["notes"]))
    assert first["epoch"] == 1
    _, state = train(path, plan)
    assert state.epoch == 2, "it goes on when there is space"
    assert state.history[:1] == first["history"]
