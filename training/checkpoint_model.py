"""The float model in a run's checkpoint: for a run that was stopped before it wrote its .keras file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from edge.errors import DataError
from edge.features.token_ids import FIRST_WORD, TextSettings
from training.architectures.expression_net import build_expression_net
from training.architectures.face_detector import build_face_detector
from training.architectures.speech_net import build_speech_net
from training.architectures.text_net import build_text_net
from training.fit import Weights
from training.recipe import DetectorRecipe, ExpressionRecipe, Recipe, SpeechRecipe, TextRecipe, TraitsRecipe
from training.speech import settings_of

FIRST, FURTHER = "checkpoint.npz", "checkpoint_*.npz"


def load_checkpoint(path: Path) -> keras.Model:
    """The network that a checkpoint was written of, with the weights that did best so far.

    Parameters
    ----------
    path
        A checkpoint .npz, or the folder of a run. Of several rounds, the one is taken that the run itself would keep:
        the best one for expressions, the last one for the face detector.

    Raises
    ------
    DataError
        No checkpoint there, or a damaged one, or one of a network that is built otherwise today.
    """
    if not path.is_dir():
        return _build(path, *_read(path))
    rounds = [path / FIRST, *sorted(path.glob(FURTHER))]
    read = {each: _read(each) for each in rounds if each.is_file()}
    if not read:
        raise DataError(f"{path}: no {FIRST} in it; name the folder of a run of  affect-edge train")
    chosen = list(read)[-1]
    if isinstance(_recipe(chosen, read[chosen][0]), ExpressionRecipe):
        chosen = max(read, key=lambda each: float(read[each][0]["best_score"]))
    return _build(chosen, *read[chosen])


def _read(path: Path) -> tuple[dict[str, Any], Weights]:
    """A checkpoint's notes and its best weights; see `training.fit`."""
    try:
        # Opened here, since np.load leaves a file open that is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            notes = json.loads(str(file["notes"]))
            best = [file[key] for key in sorted(file.files) if key.startswith("best_")]
            float(notes["best_score"])
            dict(notes["recipe"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such checkpoint") from None
    except Exception as error:  # a zip may break in many ways
        raise DataError(
            f"{path}: not a checkpoint of  affect-edge train, or damaged ({type(error).__name__}); train again, or "
            "name its .keras file"
        ) from None
    if not best:
        raise DataError(f"{path}: no epoch was finished yet; go on with  affect-edge train")
    return notes, best


def _recipe(path: Path, notes: dict[str, Any]) -> Recipe:
    try:
        recipe: Recipe = TypeAdapter(Recipe).validate_python(notes["recipe"])
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(f"{path}: its recipe's {key} is read otherwise today; train again") from None
    return recipe


def _build(path: Path, notes: dict[str, Any], best: Weights) -> keras.Model:
    model = _network(_recipe(path, notes), best)
    try:
        model.set_weights(best)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: of a network that is built otherwise today: {reason}; train again") from None
    return model


def _network(recipe: Recipe, best: list[npt.NDArray[np.float32]]) -> keras.Model:
    """Untrained; what the data decided, the weights' shapes tell."""
    outputs = best[-1].shape[0]  # the last layer's bias
    if isinstance(recipe, DetectorRecipe):
        options = recipe.network
        return build_face_detector(
            height=options.height, width=options.width, channels=options.channels, head=options.head
        )
    if isinstance(recipe, SpeechRecipe):
        return build_speech_net(recipe.network, settings_of(recipe.features), classes=outputs).full
    if isinstance(recipe, (TextRecipe, TraitsRecipe)):
        features = recipe.features
        words = best[0].shape[0] - FIRST_WORD - features.buckets
        settings = TextSettings(
            length=features.length,
            # Which words they are does not matter to the network.
            words=tuple(str(number) for number in range(words)),
            buckets=features.buckets,
            shortest=features.shortest,
            longest=features.longest,
            pieces=features.pieces,
        )
        return build_text_net(recipe.network, settings, outputs=outputs)
    return build_expression_net(classes=outputs, width=recipe.network.width, dropout=recipe.network.dropout)
