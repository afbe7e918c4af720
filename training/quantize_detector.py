"""The last stage of a face detector's run: the trained float model becomes an int8 file with its manifest."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from converter import bridge, cost, export, package, qat, verify
from edge.features.cells import FloatArray
from edge.inference.manifest import Detection
from training.detector import DetectorTraining, grid_of, loss_of, scene_batches
from training.evaluation.detection import FALSE_ALARMS_PER_IMAGE, DetectionFigures, score_detections
from training.evaluation.searching import OVERLAP_LIMIT, detect, mark
from training.fit import Progress
from training.quantize import QAT_SEED_STEP, Written, training_notes
from training.recipe import DetectorRecipe

THRESHOLD_WIDTH = 0.05
"""Faces from this part of the picture's width set the threshold."""

DATA_TERMS = (
    "photographs of many public collections with YuNet's boxes and landmarks, checked against human boxes where those "
    "exist, WIDER FACE (CC BY-NC-ND 4.0) and BSDS500 (academic use) among them; for most no clean licence is known: "
    "research use, and the weights carry the terms of the data"
)

LIMITS = (
    "Says where in a grey picture a face seems to be, not whose it is and not what it shows. Faces in profile, turned "
    "upside down, covered, in the dark or smaller than about 5 % of the picture are found less often; so may be faces "
    "of groups that the photographs show seldom: no figure per group exists, since the data has no such labels. Found "
    "faces are biometric data: in the EU it is prohibited to infer emotions from them at work or in education (AI Act, "
    "Article 5(1)(f)), and people who are exposed to such a system elsewhere must be told (Article 50(3))."
)


def quantize_detector(
    recipe: DetectorRecipe,
    model: keras.Model,
    state: Progress,
    data: DetectorTraining,
    out: Path,
    models: Path,
    *,
    progress: bool,
) -> Written:
    """Fine-tune with fake quantisation (or calibrate alone), export, verify, set the threshold, write it all.

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
    options, grid = recipe.quantization, grid_of(recipe)
    batches = scene_batches(recipe, data, -1, seed=recipe.seed + QAT_SEED_STEP)
    legacy = bridge.to_tf_keras(model)
    note: dict[str, object]
    if options.epochs:
        tuned = qat.fine_tune(
            legacy,
            batches.of_epoch,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            steps_per_epoch=len(batches),
            score=lambda candidate: data.validation.score(candidate)[0],
            loss=loss_of(recipe, -1),
            checkpoint=out,
            progress=progress,
        )
        content = export.int8_from_qat(tuned.model)
        note = {"method": "qat", "epochs": options.epochs, "kept_epoch": tuned.best_epoch}
    else:
        inputs = np.concatenate([x for x, _ in batches.of_epoch(0, limit=options.calibration_images)])
        content = export.int8_calibrated(legacy, inputs[: options.calibration_images])
        note = {"method": "int8", "calibration_images": options.calibration_images}

    partial = out / f"{recipe.name}.unverified.tflite"
    try:
        partial.write_bytes(content)
        verify.require_int8(partial)
        figures = _score(data, lambda inputs: verify.logits(partial, inputs))
    finally:
        partial.unlink(missing_ok=True)
    path = package.write_package(
        content,
        models,
        name=recipe.name,
        task=recipe.task,
        version=recipe.version,
        parameters=cost.parameters(model),
        multiply_adds=cost.multiply_adds(model),
        detection=Detection(
            strides=grid.strides,
            sizes=grid.sizes,
            unit=grid.unit,
            threshold=round(figures.threshold, 3) if math.isfinite(figures.threshold) else 0.5,
            overlap_limit=OVERLAP_LIMIT,
            fitted_on=f"{', '.join(recipe.data.validation_sources)}: {figures.images} photographs; at most "
            f"{FALSE_ALARMS_PER_IMAGE:g} false alarms per picture for faces from {THRESHOLD_WIDTH:.0%} of its width",
        ),
        training=training_notes(recipe, state, DATA_TERMS) | {"photographs": len(data.photos)},
        quantization=note
        | {
            "average_precision_on_validation": round(figures.average_precision, 4),
            "average_precision_on_validation_float": round(state.best_score, 4),
        },
        limits=LIMITS,
    )
    return Written(
        path, f"average precision {figures.average_precision:.4f} on validation, float {state.best_score:.4f}"
    )


def _score(data: DetectorTraining, answer: Callable[[FloatArray], FloatArray]) -> DetectionFigures:
    photos = data.validation.photos
    found = detect(photos, data.validation.grid, answer)
    return score_detections([mark(photo) for photo in photos], found, least_width=THRESHOLD_WIDTH)
