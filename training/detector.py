"""The face detector's run, from photographs to the float model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge.errors import DataError
from edge.features.cells import CellGrid
from training.architectures.face_detector import build_face_detector
from training.datasets.face_photos import Photo, read_photos
from training.datasets.scene_batches import SceneBatches
from training.detector_loss import detector_loss
from training.evaluation.detection import score_detections
from training.evaluation.searching import detect, mark
from training.fit import Progress, fit
from training.recipe import DetectorRecipe

logger = logging.getLogger(__name__)

CHOOSING_WIDTH = 0.05
"""Least width of the faces that choose among epochs, as a part of the picture's width."""


@dataclass(frozen=True)
class DetectorValidation:
    """Photographs that choose among epochs."""

    photos: Sequence[Photo]
    grid: CellGrid
    metric: str = field(default="average precision", init=False)

    def score(self, model: keras.Model) -> tuple[float, None]:
        """Average precision at an IoU of 0.5 for faces from 5 % of the width."""
        found = detect(self.photos, self.grid, lambda inputs: np.asarray(model.predict_on_batch(inputs)))
        figures = score_detections([mark(photo) for photo in self.photos], found, least_width=CHOOSING_WIDTH)
        return figures.average_precision, None


@dataclass(frozen=True)
class DetectorTraining:
    """What one run learns from and is chosen by."""

    photos: Sequence[Photo]
    validation: DetectorValidation


def prepare(folder: Path, recipe: DetectorRecipe, *, progress: bool) -> DetectorTraining:
    """Read the photographs, those of the test sources left out.

    Raises
    ------
    DataError
        See `read_photos`; or nothing is left for training.
    """
    photos = read_photos(folder, progress=progress)
    held = {*recipe.data.test_sources, *recipe.data.validation_sources}
    if missing := held - {photo.source for photo in photos}:
        raise DataError(f"{folder}: no photograph of the source {', '.join(sorted(missing))} that the recipe holds out")
    training = [photo for photo in photos if photo.source not in held]
    validation = [photo for photo in photos if photo.source in recipe.data.validation_sources]
    if not any(len(photo.boxes) for photo in training) or all(len(photo.boxes) for photo in training):
        raise DataError(f"{folder}: training needs photographs with faces and some without")
    logger.info("%d photographs to learn from, %d to choose by", len(training), len(validation))
    return DetectorTraining(training, DetectorValidation(validation, grid_of(recipe)))


def grid_of(recipe: DetectorRecipe) -> CellGrid:
    """The cells of a recipe's network."""
    return CellGrid(recipe.network.height, recipe.network.width, sizes=recipe.targets.sizes)


def train_float(
    recipe: DetectorRecipe, data: DetectorTraining, out: Path, *, start: Path | None = None, progress: bool
) -> tuple[keras.Model, Progress]:
    """Train the float model, round by round, or go on where an earlier run in `out` was stopped.

    Parameters
    ----------
    start
        A .keras file of the same network, for an input of any size, whose weights the training begins with.

    Raises
    ------
    DataError
        `start` is not there or of another network; whatever `fit` raises.

    Returns
    -------
    model
        With the weights of the last round that did best on the validation photographs.
    progress
        That round.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = recipe.network
    model = build_face_detector(
        height=network.height, width=network.width, channels=network.channels, head=network.head
    )
    if start:
        _take_weights(model, start)
    common = recipe.model_dump(mode="json", exclude={"schedule", "further", "quantization", "version"})
    schedules = [each.model_dump(mode="json") for each in recipe.rounds]
    for number in range(len(schedules)):
        state = fit(
            model,
            scene_batches(recipe, data, number, seed=recipe.seed + number),
            data.validation,
            recipe.rounds[number],
            loss=loss_of(recipe, number),
            recipe=common | {"schedule": schedules[0], "further": schedules[1 : number + 1]},
            checkpoint=out / ("checkpoint.npz" if not number else f"checkpoint_{number + 1}.npz"),
            progress=progress,
        )
    return model, state


def scene_batches(recipe: DetectorRecipe, data: DetectorTraining, number: int, *, seed: int) -> SceneBatches:
    """The batches of a round, counted from 0; of the last one for -1."""
    schedule = recipe.rounds[number]
    return SceneBatches(
        data.photos,
        recipe,
        grid_of(recipe),
        batch_size=schedule.batch_size,
        steps=schedule.steps_per_epoch or max(1, len(data.photos) // schedule.batch_size),
        seed=seed,
    )


def loss_of(recipe: DetectorRecipe, number: int) -> Callable[[Any, Any], Any]:
    """The loss of a round, counted as in `scene_batches`."""
    weight = recipe.rounds[number].landmark_weight
    targets = recipe.targets if weight is None else recipe.targets.model_copy(update={"landmark_weight": weight})
    return detector_loss(targets, grid_of(recipe).unit)


def _take_weights(model: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such model to begin with; first  affect-edge train {path.stem} --data DIR")
    try:
        model.set_weights(keras.models.load_model(path, compile=False).get_weights())
    except Exception as error:  # a zip may break in many ways
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be begun with: {reason}; train it again") from None
