"""The last stage of a text run: the float network becomes an int8 file with its manifest.

Calibrated, not fine-tuned with fake quantisation: TFMOT takes neither one-dimensional convolutions nor LSTM layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from converter import bridge, cost, export, package, verify
from converter.unrolled import unroll
from edge.features.token_ids import TextSettings
from edge.inference.manifest import Calibration, TextInput, TraitScores
from training.datasets import emobank, goemotions
from training.datasets.text_batches import TextBatches
from training.evaluation.text_figures import best_thresholds, probabilities_of
from training.fit import Progress
from training.quantize import QAT_SEED_STEP, Written, training_notes
from training.recipe import TextRecipe, TraitsRecipe
from training.text import LIMITS, TextSplits, ids_of, text_batches


def quantize_text(
    recipe: TextRecipe, model: keras.Model, state: Progress, splits: TextSplits, models: Path, *, progress: bool
) -> Written:
    """Quantise, verify on the validation texts, and write file and manifest.

    Parameters
    ----------
    recipe, state, splits
        Of the float run.
    model
        With its best weights.
    models
        Folder for the file.

    Raises
    ------
    ModelError
        The file is not int8 throughout, or cannot be written.
    """
    ids = ids_of(splits.validation.texts, splits.settings)
    labels = splits.train.labels
    reference = np.asarray(model.predict(ids, batch_size=512, verbose=0), np.float32)[:, : len(labels)]
    probabilities = probabilities_of(reference)
    path = write_int8(
        recipe,
        model,
        text_batches(recipe, splits, seed=recipe.seed + QAT_SEED_STEP),
        splits.settings,
        models,
        labels=labels,
        ratings=splits.ratings,
        # Till `affect-edge evaluate --calibrate` finds those of the int8 file.
        calibration=Calibration(
            link="sigmoid", thresholds=tuple(best_thresholds(probabilities, splits.validation.targets).tolist())
        ),
        training=training_notes(
            recipe, state, goemotions.TERMS if splits.rated is None else f"{goemotions.TERMS}; {emobank.TERMS}"
        )
        | {"cleaning": splits.train.cleaning.as_dict(), "validation_macro_f1_float": round(state.best_score, 4)}
        | ({} if splits.rated is None else {"cleaning_of_rated": splits.rated.cleaning.as_dict()}),
        limits=LIMITS,
    )
    answers = verify.logits(path, ids, progress=progress)[:, : len(labels)]
    found = verify.agreement(reference, answers)
    return Written(
        path,
        f"names first what the float model names first on {found.top1:.2%} of the validation texts",
    )


def write_int8(
    recipe: TextRecipe | TraitsRecipe,
    model: keras.Model,
    batches: TextBatches,
    settings: TextSettings,
    models: Path,
    *,
    labels: tuple[str, ...],
    ratings: tuple[str, ...] = (),
    calibration: Calibration,
    training: dict[str, Any],
    limits: str,
    traits: TraitScores | None = None,
) -> Path:
    """Calibrate on training texts and write an int8 file with its manifest; raises `ModelError`."""
    count = -(-recipe.quantization.calibration_images // recipe.schedule.batch_size)
    texts = np.concatenate([batches[index][0] for index in range(min(count, len(batches)))])
    path = package.write_package(
        export.int8_of_ids(unroll(bridge.to_tf_keras(model)), texts),
        models,
        name=recipe.name,
        task=recipe.task,
        labels=labels,
        ratings=ratings,
        takes=(TextInput, {"text": settings}),
        version=recipe.version,
        parameters=cost.parameters(model),
        multiply_adds=cost.multiply_adds(model),
        calibration=calibration,
        traits=traits,
        training=training,
        quantization={"method": "int8", "calibration_texts": len(texts)},
        limits=limits,
    )
    verify.require_int8(path)
    return path
