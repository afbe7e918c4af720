"""The last stage of a run: the trained float model becomes an int8 file with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from converter import bridge, cost, export, package, qat, verify
from training.datasets.face_batches import Batch, FaceBatches, as_input
from training.datasets.fer2013 import LABELS
from training.evaluation.metrics import probabilities_of
from training.expression import DATA_TERMS, LIMITS, TrainingData
from training.fit import Progress
from training.recipe import ExpressionRecipe, Recipe

QAT_SEED_STEP = 1000
"""Added to the recipe's seed, so that fine-tuning does not see the float training's batches again."""


@dataclass(frozen=True)
class Written:
    """The int8 model."""

    path: Path
    summary: str
    """How it compares with the float model on the validation faces."""


def quantize_expression(
    recipe: ExpressionRecipe,
    model: keras.Model,
    state: Progress,
    data: TrainingData,
    out: Path,
    models: Path,
    *,
    progress: bool,
) -> Written:
    """Fine-tune with fake quantisation (or calibrate alone), export, verify, and write file and manifest.

    Parameters
    ----------
    recipe, state, data
        Of the float run.
    model
        The float model with its best weights.
    out
        Folder of the run: the fine-tuning's checkpoint goes there.
    models
        Folder for the int8 file.

    Raises
    ------
    ModelError
        The export is not int8 throughout, or cannot be written.
    """
    options = recipe.quantization
    legacy = bridge.to_tf_keras(model)
    note: dict[str, Any]
    if options.epochs:
        batches = FaceBatches(
            data.images,
            data.targets,
            recipe.augmentation.calm(),
            batch_size=recipe.schedule.batch_size,
            seed=recipe.seed + QAT_SEED_STEP,
        )
        tuned = qat.fine_tune(
            legacy,
            lambda epoch: _distilled(batches, epoch, model, options.distill),
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            steps_per_epoch=len(batches),
            score=lambda model: qat.accuracy(model, data.validation.inputs, data.validation.labels),
            checkpoint=out,
            progress=progress,
        )
        content = export.int8_from_qat(tuned.model)
        note = {"method": "qat", "epochs": options.epochs, "kept_epoch": tuned.best_epoch, "distill": options.distill}
    else:
        picked = np.random.default_rng(recipe.seed).permutation(len(data.images))[: options.calibration_images]
        content = export.int8_calibrated(legacy, as_input(data.images[picked]))
        note = {"method": "int8", "calibration_images": len(picked)}

    reference = np.asarray(model.predict(data.validation.inputs, batch_size=256, verbose=0), np.float32)
    partial = out / f"{recipe.name}.unverified.tflite"
    try:
        partial.write_bytes(content)
        verify.require_int8(partial)
        found = verify.agreement(reference, verify.logits(partial, data.validation.inputs, progress=progress))
    finally:
        partial.unlink(missing_ok=True)
    path = package.write_package(
        content,
        models,
        name=recipe.name,
        task=recipe.task,
        labels=LABELS,
        version=recipe.version,
        parameters=cost.parameters(model),
        multiply_adds=cost.multiply_adds(model),
        training=training_notes(recipe, state, DATA_TERMS)
        | {"cleaning": data.cleaning.as_dict(), "validation_accuracy_float": round(state.best_score, 4)},
        quantization=note | {"agreement_on_validation": found.as_dict()},
        limits=LIMITS,
    )
    return Written(path, f"names what the float model names on {found.top1:.2%} of the validation faces")


def training_notes(recipe: Recipe, state: Progress, data: str) -> dict[str, Any]:
    """What a manifest keeps of a run; `data` names the data and their terms."""
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "settings": recipe.as_dict(),
        "data": data,
        "epochs": state.epoch,
        "kept_epoch": state.best_epoch,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }


def _distilled(batches: FaceBatches, epoch: int, teacher: keras.Model, part: float) -> Iterator[Batch]:
    """One epoch's batches, a part of each target replaced by the float model's own answer to the same picture."""
    batches.epoch = epoch
    for index in range(len(batches)):
        faces, targets = batches[index]
        if part:
            answer = probabilities_of(np.asarray(teacher.predict_on_batch(faces))).astype(np.float32)
            targets = (1 - part) * targets + part * answer
        yield faces, targets
