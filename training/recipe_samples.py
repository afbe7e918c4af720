"""What a recipe's model is trained on, as calibration data for `affect-edge convert --data recipe:NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from converter.sources import Raw, drawn
from edge.errors import DataError
from training.commands.train import require_packages
from training.recipe import DetectorRecipe, ExpressionRecipe, SpeechRecipe, TextRecipe, read_recipe

if TYPE_CHECKING:
    from training.datasets.speech_spectra import Spectrum
    from training.datasets.text_set import TextSet

FloatArray = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]


def samples(name: str, data_dir: Path, count: int | None, seed: int, shape: tuple[int, ...]) -> Raw:
    """Samples of a recipe's training part, and of the part that chooses among its epochs for validation.

    Parameters
    ----------
    name
        Of a recipe that comes with the package, or the path of a .toml file.
    data_dir
        Holds the public data that the recipe trains on, as for `affect-edge train --data`.
    count
        Draw at most so many of each part; None: all.
    seed
        Of the draw.
    shape
        Of one sample as the model takes it; a speech recipe's encoder takes one window, its whole model several.

    Raises
    ------
    ConfigError
        No such recipe.
    DataError
        The data is missing or damaged, or the recipe is one of traits.
    MissingDependencyError
        A package of the `train` extra is not installed.
    """
    recipe = read_recipe(name)
    require_packages()
    if isinstance(recipe, ExpressionRecipe):
        return _expression(data_dir, count, seed)
    if isinstance(recipe, DetectorRecipe):
        return _detector(recipe, data_dir, count, seed)
    if isinstance(recipe, SpeechRecipe):
        return _speech(recipe, data_dir, count, seed, shape)
    if isinstance(recipe, TextRecipe):
        return _text(recipe, data_dir, count, seed)
    raise DataError(f"recipe '{recipe.name}': its essays are trained on in folds; give its samples as an .npz")


def _expression(data_dir: Path, count: int | None, seed: int) -> Raw:
    from training.datasets.cleaning import clean_training
    from training.datasets.fer2013 import LABELS, read_faces

    sets = read_faces(data_dir)
    faces, labels, _ = clean_training(sets)
    validation = sets["validation"]
    mine, theirs = drawn(len(faces.images), count, seed), drawn(len(validation.images), count, seed)
    return Raw(
        faces.images[mine],
        labels[mine],
        validation.images[theirs],
        validation.labels[theirs],
        LABELS,
    )


def _detector(recipe: DetectorRecipe, data_dir: Path, count: int | None, seed: int) -> Raw:
    """Scenes from the training photographs; what the network should say of them depends on its loss."""
    from training.detector import prepare, scene_batches

    batches = scene_batches(recipe, prepare(data_dir, recipe, progress=False), -1, seed=seed)
    x = np.concatenate([scenes for scenes, _ in batches.of_epoch(0, limit=count)])
    return Raw(x[:count], input_range=(0.0, 1.0))


def _speech(recipe: SpeechRecipe, data_dir: Path, count: int | None, seed: int, shape: tuple[int, ...]) -> Raw:
    from training.quantize_speech import INPUT_RANGE
    from training.speech import read, split, validation_of

    splits = split(*read(data_dir, recipe, progress=False), recipe)

    def part(spectra: list[Spectrum]) -> tuple[FloatArray, npt.NDArray[np.int64] | None]:
        recordings = validation_of(splits, [spectra[index] for index in drawn(len(spectra), count, seed)], recipe)
        windows = recordings.windows.clip(*INPUT_RANGE)
        if windows.shape[1:] == shape:
            return windows, recordings.labels
        return windows.reshape(-1, *windows.shape[2:], 1)[:count], None

    x, y = part(splits.train)
    x_validation, y_validation = part(splits.validation) if splits.validation else (None, None)
    labels = None if y is None else tuple(recipe.data.labels)
    return Raw(x, y, x_validation, y_validation, labels, INPUT_RANGE)


def _text(recipe: TextRecipe, data_dir: Path, count: int | None, seed: int) -> Raw:
    from training.text import ids_of, prepare

    splits = prepare(data_dir, recipe)

    def part(texts: TextSet) -> tuple[Ids, npt.NDArray[np.int8] | None]:
        picked = drawn(len(texts), count, seed)
        ids = ids_of([texts.texts[index] for index in picked], splits.settings)
        # With ratings behind the labels' outputs the labels alone are no targets.
        return ids, None if splits.ratings else texts.targets[picked].astype(np.int8)

    return Raw(*part(splits.train), *part(splits.validation), (*splits.train.labels, *splits.ratings))
