"""`affect-edge evaluate` for text emotion models; see `training.commands.evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import AffectEdgeError
from edge.inference.manifest import Calibration, Manifest, manifest_path

if TYPE_CHECKING:
    from training.datasets.text_set import FloatArray
    from training.evaluation.text_comparison import BesideFloat
    from training.evaluation.text_predict import EmotionModel, Scored
    from training.evaluation.text_report import TextReport


def run(arguments: argparse.Namespace, command: str) -> int:
    """Measure a text emotion model on one of GoEmotions' splits, and write the figures where they belong."""
    from training.datasets import goemotions
    from training.evaluation import text_predict, text_ratings, text_report

    progress = sys.stderr.isatty() and not arguments.json
    model = text_predict.open_emotion_model(arguments.model)
    if arguments.split == "test" and "test" in model.manifest.evaluation:
        print("note: this model's manifest already holds figures of the test split", file=sys.stderr)
    sets = goemotions.read(arguments.data, model.data.labels)
    scored = text_predict.as_taken(sets[arguments.split], model)
    logits = model.logits(scored.ids, progress=progress)
    held = scored
    if arguments.split != "validation" and (arguments.calibrate or arguments.float_model):
        held = text_predict.as_taken(sets["validation"], model)
    calibration = model.manifest.calibration
    if arguments.calibrate:
        held_logits = logits if held is scored else model.logits(held.ids, progress=progress)
        target = arguments.target_accuracy or text_report.TARGET_ACCURACY
        calibration = text_report.calibrate_text(model, held, held_logits, target)
    beside = _beside_float(arguments, model, calibration, scored, logits, held) if arguments.float_model else None
    ratings = None
    if model.manifest.ratings:
        ratings = text_ratings.evaluate_ratings(
            model.path, model.manifest, arguments.data, arguments.split, progress=progress
        )
    report = text_report.evaluate_text(
        model,
        scored,
        logits,
        split=arguments.split,
        calibration=calibration,
        beside=beside,
        command=command,
        ratings=ratings,
    )
    document = json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    print(document if arguments.json else report.as_text())
    try:
        if arguments.out:
            _draw(arguments, report, scored, logits)
            (arguments.out / "evaluation.json").write_text(document + "\n", encoding="utf-8")
        if arguments.calibrate or arguments.write_manifest:
            changes: dict[str, Any] = {"calibration": calibration}
            if arguments.write_manifest:
                changes["evaluation"] = {**model.manifest.evaluation, report.split: report.entry()}
            _write(model, model.manifest.model_copy(update=changes), card=arguments.write_manifest)
    except OSError as error:
        raise AffectEdgeError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return 0


def _beside_float(
    arguments: argparse.Namespace,
    model: EmotionModel,
    calibration: Calibration,
    scored: Scored,
    logits: FloatArray,
    held: Scored,
) -> BesideFloat:
    """The float model's answers beside the model's, with a temperature and thresholds that validation gives it too."""
    from converter import environment

    # Before anything imports TensorFlow: the converter wants legacy Keras behind tf.keras.
    environment.prepare()
    from training.evaluation.float_models import open_float_model
    from training.evaluation.text_comparison import beside_float
    from training.evaluation.text_report import fit_labels

    labels = len(model.manifest.labels)
    takes = model.settings.length, model.settings.pieces
    gives = (labels + len(model.manifest.ratings),)
    original = open_float_model(arguments.float_model, takes=takes, gives=gives)

    def answer(texts: Scored) -> FloatArray:
        return np.asarray(original.predict(texts.ids, batch_size=512, verbose=0), np.float32)[:, :labels]

    theirs = answer(scored)
    their_fit = fit_labels(theirs if held is scored else answer(held), held.texts.targets)
    name = arguments.float_model.name
    return beside_float(logits, calibration, theirs, their_fit, scored.texts.targets, name)


def _write(model: EmotionModel, manifest: Manifest, *, card: bool) -> None:
    from training.commands.evaluate import warn_of_other_temperatures
    from training.evaluation.card import card_path, render_card

    path = manifest_path(model.path)
    manifest.write(path)
    if card:
        card_path(model.path).write_text(render_card(manifest), encoding="utf-8")
    warn_of_other_temperatures(manifest, path)


def _draw(arguments: argparse.Namespace, report: TextReport, scored: Scored, logits: FloatArray) -> None:
    from training.evaluation.text_plots import ScoredTexts, write_text_plots

    write_text_plots(
        ScoredTexts(
            title=f"{report.model}, {report.split}",
            names=report.labels,
            targets=scored.texts.targets,
            logits=logits,
            figures=report.figures,
            lengths=report.lengths,
        ),
        arguments.out,
    )
