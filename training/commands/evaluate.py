"""Measure a model on labelled data, calibrate it, and write the figures where they belong.

For an expression model, MODEL is a .keras file, or a .tflite file, which is run face by face as the device does it, and
DIR holds fer2013.csv (with fer2013new.csv beside it the agreement with FER+ is told too) or folders train/<class>/,
validation/, test/. For a face detector's .tflite file, told by its manifest, DIR holds train.csv, train_ignore.csv and
images/; the photographs of the sources that its recipe held out are searched. For a speech model's .tflite file (the
one in speech-emotion/, its encoder beside it in speech-encoder/), DIR holds the corpora that it was trained on, under
their public file names; the recordings of the speakers that its recipe held out are scored, by corpus and by sex, age,
race and ethnicity, and beside CREMA-D's listeners where summaryTable.csv is there. For a text emotion model's .tflite
file, DIR holds GoEmotions (train.tsv, dev.tsv, test.tsv and labels.txt or emotions.txt, packed or not). A traits model
is measured where it is trained, by folds.

Choose between models on 'validation' (FER-2013's PublicTest), the default. 'test' (PrivateTest) is to be scored once,
when every choice has been made: whoever looks at it to choose has no test set any more.

--calibrate fits two numbers on validation, whatever the split: the temperature that divides the logits, and the
confidence below which the answer is 'unsure'; for text also the probability from which on each label counts as
present. Beside a .tflite file they go into its manifest.

examples:
  affect-edge evaluate run1/best.keras --data fer2013/
  affect-edge evaluate expression.tflite --data fer2013/ --calibrate --out figures/
  affect-edge evaluate expression.tflite --data fer2013/ --split test --float best.keras --write-manifest
  affect-edge evaluate face_near.tflite --data photographs/ --float runs/face_near/face_near.keras
  affect-edge evaluate models/speech-emotion/speech.tflite --data speech/ --calibrate --write-manifest
  affect-edge evaluate models/text-emotion/text.tflite --data goemotions/ --calibrate --write-manifest
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import AffectEdgeError, MissingDependencyError, ModelError
from edge.inference.manifest import Calibration, Manifest, manifest_path, read_manifest

if TYPE_CHECKING:
    from training.datasets.fer2013 import FaceSet
    from training.evaluation.predict import FaceModel
    from training.evaluation.report import Report

HELP = "measure a model on labelled data, calibrate it"

TEST_NOTE = "note: the test split is to be scored once, after every choice has been made on validation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the .keras or .tflite file")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled data")
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="what to score; 'test' is to be touched once, after all choices (default: validation)",
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="fit temperature and 'unsure' on validation, keep them"
    )
    parser.add_argument(
        "--target-accuracy",
        type=_fraction,
        metavar="PART",
        help="with --calibrate: how often what is named should be right (default: 0.80; for speech 0.70)",
    )
    parser.add_argument(
        "--float",
        type=Path,
        dest="float_model",
        metavar="MODEL",
        help="compare with this float model, answer by answer",
    )
    parser.add_argument(
        "--write-manifest", action="store_true", help="write figures and protocol into the manifest and card"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write evaluation.json and pictures (faces too) there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    if arguments.target_accuracy is not None and not arguments.calibrate:
        raise AffectEdgeError("--target-accuracy goes with --calibrate")
    try:
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(error.name or "scikit-learn", "train", "evaluation") from None
    if arguments.out:
        _make_folder(arguments.out)
    if arguments.split == "test":
        print(TEST_NOTE, file=sys.stderr)
    task = _task(arguments.model)
    if task == "face-detection":
        from training.commands import evaluate_detector

        return evaluate_detector.run(arguments, _command(arguments))
    if task == "speech-emotion":
        from training.commands import evaluate_speech

        return evaluate_speech.run(arguments, _command(arguments))
    if task == "speech-encoder":
        raise ModelError(f"{arguments.model}: half a model; evaluate the one in speech-emotion/ that it belongs to")
    if task == "text-emotion":
        from training.commands import evaluate_text

        return evaluate_text.run(arguments, _command(arguments))
    if task == "traits":
        raise ModelError(
            f"{arguments.model}: has learned from all essays, so that none is left to score it on; its figures are "
            "those of the folds that `affect-edge train` measured it by"
        )
    from training.datasets.fer2013 import read_faces
    from training.evaluation.predict import open_face_model

    model = open_face_model(arguments.model)
    if arguments.write_manifest and model.manifest is None:
        raise ModelError(
            f"{manifest_path(model.path)}: no manifest of {model.path.name} to write into; convert it first"
        )
    float_model = open_face_model(arguments.float_model) if arguments.float_model else None
    if arguments.split == "test" and model.manifest and "test" in model.manifest.evaluation:
        print("note: this model's manifest already holds figures of the test split", file=sys.stderr)
    sets = read_faces(arguments.data, progress=_progress(arguments))
    report = _evaluate(arguments, model, float_model, sets)
    print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) if arguments.json else report.as_text())
    return 0


def _task(model: Path) -> str | None:
    """What a .tflite file is for, if it has a manifest."""
    manifest = manifest_path(model)
    return read_manifest(manifest).task if model.suffix == ".tflite" and manifest.is_file() else None


def _evaluate(
    arguments: argparse.Namespace, model: FaceModel, float_model: FaceModel | None, sets: dict[str, FaceSet]
) -> Report:
    """Measure, write what is asked for, and return the report."""
    from training.datasets.fer2013 import LABELS
    from training.evaluation.calibration import TARGET_ACCURACY, calibrate, select
    from training.evaluation.comparison import compare
    from training.evaluation.metrics import measure, probabilities_of
    from training.evaluation.plots import Scored, write_plots
    from training.evaluation.report import Report, data_source, protocol_of

    faces, progress = sets[arguments.split], _progress(arguments)
    logits = model.logits(faces.images, progress=progress)
    calibration = model.manifest.calibration if model.manifest else Calibration()
    if arguments.calibrate:
        held = sets["validation"]
        held_logits = logits if held is faces else model.logits(held.images, progress=progress)
        target = arguments.target_accuracy or TARGET_ACCURACY
        temperature, chosen = calibrate(held_logits, held.labels, target)
        calibration = Calibration(
            temperature=temperature,
            unsure_below=chosen.threshold,
            fitted_on=f"{data_source(arguments.data, 'validation')}: {len(held)} faces; 'unsure' is set so that "
            f"at least {target:.0%} of the answered ones are right",
        )
    names = LABELS
    figures = measure(logits, faces.labels, names=names, temperature=calibration.temperature, votes=faces.votes)
    selection = None
    if calibration.unsure_below > 0:
        probabilities = probabilities_of(logits, calibration.temperature)
        selection = select(probabilities, faces.labels, calibration.unsure_below)
    comparison = None
    if float_model:
        float_logits = float_model.logits(faces.images, progress=progress)
        comparison = compare(logits, float_logits, faces.labels, float_model=float_model.path.name)
    report = Report(
        model=model.path.name,
        split=arguments.split,
        labels=names,
        figures=figures,
        selection=selection,
        comparison=comparison,
        protocol=protocol_of(
            faces=faces,
            directory=arguments.data,
            split=arguments.split,
            fitted_on=calibration.fitted_on,
            runtime=model.runtime,
            manifest=model.manifest,
            command=_command(arguments),
        ),
    )
    _write_manifest(arguments, model, calibration, report)
    if arguments.out:
        scored = Scored(
            title=f"{model.path.name}, {arguments.split}",
            names=names,
            images=faces.images,
            labels=faces.labels,
            logits=logits,
            temperature=calibration.temperature,
            figures=figures,
            selection=selection,
        )
        try:
            write_plots(scored, arguments.out)
            text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"
            (arguments.out / "evaluation.json").write_text(text, encoding="utf-8")
        except OSError as error:
            raise AffectEdgeError(f"{arguments.out}: cannot be written to: {error.strerror}") from None
    return report


def _write_manifest(arguments: argparse.Namespace, model: FaceModel, calibration: Calibration, report: Report) -> None:
    """Put calibration and figures into the manifest and its card; the model file, and so its sha256, stays as it is."""
    from training.evaluation.card import card_path, render_card

    if not arguments.calibrate and not arguments.write_manifest:
        return
    path = manifest_path(model.path)
    if model.manifest is None:
        print(f"note: {model.path.name} has no manifest: the calibration is printed, not kept", file=sys.stderr)
        return
    changes: dict[str, Any] = {"calibration": calibration}
    if arguments.write_manifest:
        changes["evaluation"] = {**model.manifest.evaluation, report.split: report.entry()}
    manifest = model.manifest.model_copy(update=changes)
    try:
        manifest.write(path)
        if arguments.write_manifest:
            card_path(model.path).write_text(render_card(manifest), encoding="utf-8")
    except OSError as error:
        raise AffectEdgeError(f"{error.filename or path}: cannot be written: {error.strerror}") from None
    warn_of_other_temperatures(manifest, path)


def warn_of_other_temperatures(manifest: Manifest, path: Path) -> None:
    """Tell of figures that were written at another temperature than the manifest's present one."""
    temperature = manifest.calibration.temperature
    for split, entry in manifest.evaluation.items():
        written_at = entry.get("calibrated", {}).get("temperature")
        if written_at != round(temperature, 5):
            print(
                f"note: {path.name}: evaluation.{split} was written at another temperature ({written_at}, now "
                f"{temperature}); evaluate that split again with --write-manifest",
                file=sys.stderr,
            )


def _command(arguments: argparse.Namespace) -> str:
    """The command line without the folders, which are nobody else's."""
    words = ["affect-edge evaluate", arguments.model.name, "--data DIR", "--split", arguments.split]
    if arguments.calibrate:
        words.append("--calibrate")
    if arguments.target_accuracy is not None:
        words.append(f"--target-accuracy {arguments.target_accuracy:g}")
    if arguments.float_model:
        words.append(f"--float {arguments.float_model.name}")
    if arguments.write_manifest:
        words.append("--write-manifest")
    return " ".join(words)


def _progress(arguments: argparse.Namespace) -> bool:
    return sys.stderr.isatty() and not arguments.json


def _make_folder(path: Path) -> None:
    """Before the work, so that a folder that cannot be made costs nothing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AffectEdgeError(f"{path}: cannot be made: {error.strerror}") from None


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value
