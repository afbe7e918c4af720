"""The face detector's run from photographs to int8 file: it learns drawn faces and is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from converter import cost
from edge.cli import main
from edge.errors import DataError
from edge.features.cells import VALUES, CellGrid
from edge.inference.manifest import read_manifest, verify_model
from edge.recognizers.face_detector import FaceDetector
from tests.training.photo_folder import write_photos
from training import detector
from training.architectures.face_detector import build_face_detector
from training.datasets.cell_targets import COLUMNS, FACE, LANDMARKS_KNOWN, LEFT_OUT, NUMBERS, STATE
from training.datasets.face_photos import read_photos
from training.datasets.scene_batches import SceneBatches
from training.detector_loss import detector_loss
from training.recipe import DetectorRecipe, read_recipe, recipe_names
from training.recipe_parts import DetectorTargets

pytestmark = pytest.mark.tensorflow

RECIPE = """
name = "drawn"
task = "face-detection"
{start}
[data]
test_sources = ["ccc"]
validation_sources = ["bbb"]
[network]
height = 64
width = 96
channels = [8, 16, 16, 16]
head = 16
[schedule]
epochs = {epochs}
steps_per_epoch = 60
batch_size = 8
learning_rate = 5e-3
warmup_epochs = 0.2
average_decay = 0.9
[augmentation]
face_pixels_min = 12
mosaic = 0.0
paste = 0.0
low_light = 0.0
occlusion = 0.0
rotation_max = 15
[quantization]
epochs = 1
learning_rate = 1e-4
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "data"
    write_photos(path, {"aaa": (16, 8), "bbb": (8, 4), "ccc": (4, 2)})
    (path / "train_ignore.csv").unlink()
    return path


def write_recipe(path: Path, *, epochs: int = 4, start: str = "") -> Path:
    path.write_text(RECIPE.format(epochs=epochs, start=start))
    return path


def test_the_networks_of_all_recipes_are_small_enough() -> None:
    """At most 200,000 parameters, which int8 holds in 300 KB with its tables; 1,600 multiply-adds for a pixel."""
    for name in recipe_names():
        recipe = read_recipe(name)
        if not isinstance(recipe, DetectorRecipe):
            continue
        network = recipe.network
        model = build_face_detector(
            height=network.height, width=network.width, channels=network.channels, head=network.head
        )
        grid = detector.grid_of(recipe)
        assert model.output_shape == (None, len(grid.centers), VALUES)
        assert cost.parameters(model) <= 200_000
        assert cost.multiply_adds(model) <= 1600 * network.height * network.width


def test_the_order_of_the_cells_is_that_of_the_grid() -> None:
    """A network that answers where a bright spot is has to answer at that spot's cells."""
    keras.utils.set_random_seed(0)
    model = build_face_detector(height=64, width=96, channels=(8, 8, 8, 8), head=8)
    grid = CellGrid(64, 96)

    def middle(x: int, y: int) -> Any:
        """Where the finest map changes when a spot appears there."""
        dark = np.zeros((1, 64, 96, 1), np.float32)
        bright = dark.copy()
        bright[0, y - 4 : y + 4, x - 4 : x + 4] = 1
        change = np.abs(np.asarray(model(bright)) - np.asarray(model(dark))).sum(axis=(0, 2))
        fine = change[: grid.counts[0]]
        return (grid.centers[: grid.counts[0]] * fine[:, None]).sum(axis=0) / fine.sum()

    # An untrained network smears a spot over its neighbourhood, but what moves right moves right.
    right = middle(76, 20) - middle(20, 20)
    down = middle(20, 44) - middle(20, 20)
    assert right[0] > 20
    assert abs(right[1]) < right[0] / 3
    assert down[1] > 8
    assert abs(down[0]) < down[1] / 3


def perfect(targets: Any) -> Any:
    """The answers that a network which knows the targets would give."""
    answers = np.zeros((*targets.shape[:2], VALUES), np.float32)
    answers[..., 0] = np.where(targets[..., STATE] == FACE, 12.0, -12.0)
    answers[..., 1:] = targets[..., NUMBERS]
    return answers


@pytest.fixture(scope="module")
def targets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    recipe = read_recipe(str(write_recipe(tmp_path_factory.mktemp("recipe") / "drawn.toml")))
    assert isinstance(recipe, DetectorRecipe)
    photos = read_photos(folder, sources=["aaa"])
    grid = detector.grid_of(recipe)
    batch = SceneBatches(photos, recipe, grid, batch_size=8, steps=2, seed=0)[0][1]
    assert batch.shape == (8, len(grid.centers), COLUMNS)
    return batch


def test_the_loss_of_perfect_answers_is_nothing(targets: Any) -> None:
    loss = detector_loss(DetectorTargets(), CellGrid.unit)
    best = float(loss(targets, perfect(targets)))
    assert best < 1e-3
    for column, shift, floor in ((0, -12.0, 0.1), (1, 4.0, 0.2), (3, 4.0, 0.2), (5, 4.0, 0.02)):
        answers = perfect(targets)
        answers[..., column] += shift
        assert float(loss(targets, answers)) > best + floor, f"column {column}"


def test_the_loss_does_not_see_what_is_left_out(targets: Any) -> None:
    loss = detector_loss(DetectorTargets(), CellGrid.unit)
    hidden = targets.copy()
    hidden[..., STATE] = np.where(hidden[..., STATE] == FACE, FACE, LEFT_OUT)
    answers = perfect(hidden)
    answers[hidden[..., STATE] == LEFT_OUT] = 9.0
    assert float(loss(hidden, answers)) < 1e-3
    unknown = targets.copy()
    unknown[..., LANDMARKS_KNOWN] = 0
    answers = perfect(unknown)
    answers[..., 5:] += 8
    assert float(loss(unknown, answers)) < 1e-3


def test_batches_are_the_same_for_the_same_place(folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(str(write_recipe(tmp_path / "drawn.toml")))
    assert isinstance(recipe, DetectorRecipe)
    photos, grid = read_photos(folder, sources=["aaa"]), detector.grid_of(recipe)

    def batches() -> SceneBatches:
        return SceneBatches(photos, recipe, grid, batch_size=4, steps=3, seed=1)

    in_turn = batches()
    epochs = [[x.copy() for x, _ in in_turn.of_epoch(epoch)] for epoch in (0, 1)]
    jump = batches()
    jump.epoch = 1
    assert np.array_equal(jump[2][0], epochs[1][2])
    jump.epoch = 0
    assert np.array_equal(jump[1][0], epochs[0][1])
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    with pytest.raises(IndexError):
        jump[3]


def test_a_run_from_photographs_to_an_int8_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out, models = write_recipe(tmp_path / "drawn.toml"), tmp_path / "run", tmp_path / "models"
    command = ["train", str(recipe), "--data", str(folder), "--out", str(out), "--models", str(models), "--quiet"]
    assert main(command) == 0
    assert "training on 24 photographs, choosing by 12" in capsys.readouterr().out
    model = models / "drawn.tflite"
    manifest = verify_model(model, task="face-detection")
    assert manifest.detection is not None
    assert manifest.training["settings"]["data"]["test_sources"] == ["ccc"]
    assert manifest.quantization["average_precision_on_validation"] > 0.6, "drawn faces are easy"
    assert "biometric" in manifest.limits
    assert keras.models.load_model(out / "drawn.keras").output_shape == (None, 126, VALUES)

    found = FaceDetector(model)(read_photos(folder, sources=["bbb"])[0].image)
    box = read_photos(folder, sources=["bbb"])[0].boxes[0]
    assert len(found) >= 1
    assert abs(found[0].box.x + found[0].box.width / 2 - box[0] - box[2] / 2) < 0.2 * box[2]

    # The test sources were not seen; they are measured by the evaluation command alone, beside the float model.
    assert manifest.evaluation == {}
    evaluate = ["evaluate", str(model), "--data", str(folder), "--float", str(out / "drawn.keras")]
    assert main([*evaluate, "--split", "test", "--json", "--write-manifest", "--out", str(tmp_path / "figures")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["photographs"] == 6
    assert report["sources"] == ["ccc"]
    assert report["faces"]["from 10% of the width"]["faces"] == 4
    assert report["float"]["from 10% of the width"]["faces"] == 4
    kept = read_manifest(model.with_suffix(".json"))
    assert kept.evaluation["test"]["faces"] == report["faces"]
    assert json.loads((tmp_path / "figures" / "evaluation.json").read_text()) == report
    card = model.with_suffix(".md").read_text()
    assert "| from 10% of the width | 4 |" in card
    assert "Article 5(1)(f)" in card
    assert main([*evaluate, "--calibrate"]) == 1
    assert "--calibrate is for expression models" in capsys.readouterr().err


def test_a_run_begins_with_another_ones_weights(folder: Path, tmp_path: Path) -> None:
    recipe = read_recipe(str(write_recipe(tmp_path / "drawn.toml", epochs=1, start='start = "first"')))
    assert isinstance(recipe, DetectorRecipe)
    data = detector.prepare(folder, recipe, progress=False)
    with pytest.raises(DataError, match=r"first.keras: no such model.*affect-edge train first --data DIR"):
        detector.train_float(recipe, data, tmp_path, start=tmp_path / "first.keras", progress=False)
    (tmp_path / "first.keras").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"first.keras: cannot be begun with"):
        detector.train_float(recipe, data, tmp_path, start=tmp_path / "first.keras", progress=False)
    first = build_face_detector(height=64, width=64, channels=(8, 16, 16, 16), head=16)
    first.get_layer("head8_face").bias.assign([50.0])
    first.save(tmp_path / "first.keras")
    model, _ = detector.train_float(recipe, data, tmp_path, start=tmp_path / "first.keras", progress=False)
    assert float(model.get_layer("head8_face").bias.numpy()[0]) > 40, "the weights of another size were taken"


def test_a_further_round_has_a_weight_of_its_own(folder: Path, tmp_path: Path) -> None:
    text = RECIPE.format(epochs=1, start="").replace("steps_per_epoch = 60", "steps_per_epoch = 1")
    further = "[[further]]\nepochs = 1\nsteps_per_epoch = 2\nbatch_size = 4\nlandmark_weight = 0.0\n"
    (tmp_path / "drawn.toml").write_text(text + further)
    recipe = read_recipe(str(tmp_path / "drawn.toml"))
    assert isinstance(recipe, DetectorRecipe)
    data = detector.prepare(folder, recipe, progress=False)
    model, state = detector.train_float(recipe, data, tmp_path, progress=False)
    assert {path.name for path in tmp_path.glob("checkpoint*")} == {"checkpoint.npz", "checkpoint_2.npz"}
    assert state.recipe["further"][0]["landmark_weight"] == 0.0
    for weight, kept in zip(model.get_weights(), state.best, strict=True):
        assert np.array_equal(weight, kept), "the last round's weights are kept"
    batches = detector.scene_batches(recipe, data, -1, seed=1)
    assert len(batches) == 2
    _, targets = batches[0]
    answers = perfect(targets)
    answers[..., 5:] += 8
    assert (
        float(detector.loss_of(recipe, -1)(targets, answers))
        < 1e-3
        < float(detector.loss_of(recipe, 0)(targets, answers))
    )


def test_sources_that_are_not_there(folder: Path, tmp_path: Path) -> None:
    text = RECIPE.format(epochs=1, start="").replace('"bbb"', '"bbb", "zzz"')
    (tmp_path / "drawn.toml").write_text(text)
    recipe = read_recipe(str(tmp_path / "drawn.toml"))
    assert isinstance(recipe, DetectorRecipe)
    with pytest.raises(DataError, match="no photograph of the source zzz"):
        detector.prepare(folder, recipe, progress=False)
