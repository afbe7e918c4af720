"""`affect-edge evaluate` for speech models; see `training.commands.evaluate`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import AffectEdgeError
from edge.inference.manifest import Manifest, manifest_path

if TYPE_CHECKING:
    from training.evaluation.metrics import Floats
    from training.evaluation.speech_predict import HeldOut, SpeechModel
    from training.evaluation.speech_report import SpeechReport


def run(arguments: argparse.Namespace, command: str) -> int:
    """Measure a speech model on the speakers that its recipe held out, and write the figures where they belong."""
    from converter import environment

    # Before anything imports TensorFlow: the converter wants legacy Keras behind tf.keras.
    environment.prepare()
    from training.datasets.speech_votes import read_voice_votes
    from training.evaluation import speech_predict, speech_report

    progress = sys.stderr.isatty() and not arguments.json
    model = speech_predict.open_speech_model(arguments.model)
    original = speech_predict.open_float_model(arguments.float_model, model) if arguments.float_model else None
    if arguments.split == "test" and "test" in model.manifest.evaluation:
        print("note: this model's manifest already holds figures of the test split", file=sys.stderr)
    held = speech_predict.read_held_out(arguments.data, model, arguments.split, progress=progress)
    logits = model.logits(held.windows, progress=progress)
    calibration = model.manifest.calibration
    if arguments.calibrate:
        fit_on, fit_logits = held, logits
        if arguments.split != "validation":
            fit_on = speech_predict.read_held_out(arguments.data, model, "validation", progress=progress)
            fit_logits = model.logits(fit_on.windows, progress=progress)
        target = arguments.target_accuracy or speech_report.TARGET_ACCURACY
        calibration = speech_report.calibrate_speech(fit_on, fit_logits, model.data.labels, target)
    float_model = None
    if original:
        theirs = np.asarray(original.predict(held.windows, batch_size=128, verbose=0), np.float32)
        float_model = arguments.float_model.name, theirs
    report = speech_report.evaluate_speech(
        model,
        held,
        logits,
        split=arguments.split,
        calibration=calibration,
        votes=read_voice_votes(arguments.data),
        float_model=float_model,
        command=command,
    )
    document = json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    print(document if arguments.json else report.as_text())
    try:
        if arguments.out:
            _draw(arguments, report, held, logits)
            (arguments.out / "evaluation.json").write_text(document + "\n", encoding="utf-8")
        if arguments.calibrate or arguments.write_manifest:
            changes: dict[str, Any] = {"calibration": calibration}
            if arguments.write_manifest:
                changes["evaluation"] = {**model.manifest.evaluation, report.split: report.entry()}
            _write(model, model.manifest.model_copy(update=changes), cards=arguments.write_manifest)
    except OSError as error:
        raise AffectEdgeError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return 0


def _write(model: SpeechModel, manifest: Manifest, *, cards: bool) -> None:
    """The head's manifest and, where figures were written, both cards."""
    from training.commands.evaluate import warn_of_other_temperatures
    from training.evaluation.card import card_path, render_card

    path = manifest_path(model.path)
    manifest.write(path)
    if cards:
        card_path(model.path).write_text(render_card(manifest), encoding="utf-8")
        card_path(model.encoder_path).write_text(render_card(model.encoder_manifest), encoding="utf-8")
    warn_of_other_temperatures(manifest, path)


def _draw(arguments: argparse.Namespace, report: SpeechReport, held: HeldOut, logits: Floats) -> None:
    from training.evaluation.plots import Scored, write_plots
    from training.evaluation.speech_plots import write_part_plot

    write_plots(
        Scored(
            title=f"{report.model}, {report.split}",
            names=report.labels,
            images=None,
            labels=held.labels,
            logits=logits,
            temperature=report.figures.calibrated.temperature,
            figures=report.figures,
            selection=None,
            unit="recordings",
        ),
        arguments.out,
    )
    write_part_plot(report, arguments.out)
