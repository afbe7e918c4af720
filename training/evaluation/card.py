"""The model card (Mitchell et al. 2019): the manifest in words, so that no figure in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.inference.manifest import Manifest
from training.evaluation.speech_card import encoder_lines, size_of, speech_lines
from training.evaluation.text_card import text_lines


def card_path(model: Path) -> Path:
    """Where the card of a model file lies: beside it, with the suffix .md."""
    return model.with_suffix(".md")


def render_card(manifest: Manifest) -> str:
    """A manifest as Markdown."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: Manifest) -> Iterator[str]:
    part = ", the encoder" if manifest.task == "speech-encoder" else ""
    yield f"# Model card: {manifest.name} {manifest.version}{part}"
    yield ""
    yield "Written by `affect-edge evaluate --write-manifest` from the manifest beside it; do not edit."
    yield ""
    yield "## What it is for, and what it is not"
    yield ""
    yield manifest.limits
    yield ""
    if manifest.task == "speech-emotion":
        yield from speech_lines(manifest)
    elif manifest.task == "speech-encoder":
        yield from encoder_lines(manifest)
    elif manifest.task in ("text-emotion", "traits"):
        yield from text_lines(manifest)
    else:
        yield from _picture_lines(manifest)


def _picture_lines(manifest: Manifest) -> Iterator[str]:
    yield "## The file"
    yield ""
    height, width = manifest.input.shape[1:3]
    yield f"- `{manifest.file}`: {size_of(manifest)}; sha256 `{manifest.sha256}`"
    if detection := manifest.detection:
        yield f"- input: one grey picture, {width}x{height} pixels, {manifest.input.dtype}"
        yield f"- output: {manifest.output.dtype}, {manifest.output.shape[1]} cells of face, box, landmarks"
        yield f"- a face from a score of {detection.threshold:.3f} on (fitted on {detection.fitted_on})"
    else:
        yield f"- input: one grey face, {width}x{height} pixels, {manifest.input.dtype}"
        yield f"- output: {manifest.output.dtype} logits of {', '.join(manifest.labels)}"
    calibration = manifest.calibration
    if calibration.fitted_on:
        yield (
            f"- calibration: temperature {calibration.temperature:.3f}; answers 'unsure' below "
            f"{calibration.unsure_below:.3f} (fitted on {calibration.fitted_on})"
        )
    quantization = manifest.quantization
    if agreement := quantization.get("agreement_on_validation"):
        yield (
            f"- quantisation: {quantization['method']}; on {agreement['samples']:,} validation faces it names what the "
            f"float model names in {agreement['top1']:.2%} of cases"
        )
    if precision := quantization.get("average_precision_on_validation"):
        yield (
            f"- quantisation: {quantization['method']}; average precision {precision:.4f} on validation, "
            f"{quantization['average_precision_on_validation_float']:.4f} in float"
        )
    yield ""
    yield from _training_lines(manifest.training)
    for split, entry in manifest.evaluation.items():
        yield from (_detection_lines if manifest.detection else _evaluation_lines)(split, entry)


def _training_lines(training: dict[str, Any]) -> Iterator[str]:
    yield "## Training data and recipe"
    yield ""
    yield f"- data: {training.get('data', 'not stated')}"
    if cleaning := training.get("cleaning"):
        yield (
            f"- of {cleaning['read']:,} training faces, dropped: {cleaning['leaked']} that stand in validation or "
            f"test too, {cleaning['blank']} blank, {cleaning['not_a_face']} without a face, {cleaning['doubles']} "
            f"doubles; {cleaning['kept']:,} kept"
        )
    if recipe := training.get("recipe"):
        yield (
            f"- recipe `{recipe}`, seed {training.get('seed')}, epoch {training.get('kept_epoch')} of "
            f"{training.get('epochs')} kept by its validation score"
        )
    yield ""


def _detection_lines(split: str, entry: dict[str, Any]) -> Iterator[str]:
    protocol = entry["protocol"]
    yield f"## Figures on {split} ({', '.join(entry['sources'])}: {entry['photographs']:,} photographs)"
    yield ""
    yield "| faces | count | average precision at IoU 0.5 | recall at 0.1 false alarms per picture |"
    yield "|---|---|---|---|"
    for name, row in entry["faces"].items():
        yield f"| {name} | {row['faces']} | {row['average_precision']:.4f} | {row['recall']:.4f} |"
    for name, row in (entry.get("float") or {}).items():
        yield f"| {name}, float model | {row['faces']} | {row['average_precision']:.4f} | {row['recall']:.4f} |"
    yield ""
    if entry["landmark_error"] is not None:
        yield f"Landmarks are off by {entry['landmark_error']:.1%} of the eyes' distance on average."
    yield (
        "The boxes and landmarks that this is measured against are those of another detector (YuNet), checked against "
        "human boxes where those exist."
    )
    yield f"Protocol: `{protocol['command']}`, {protocol['runtime']}; {protocol['matching']}."
    yield ""


def _evaluation_lines(split: str, entry: dict[str, Any]) -> Iterator[str]:
    protocol = entry["protocol"]
    low, high = entry["accuracy_interval"]
    yield f"## Figures on {split} ({protocol['data']['source']}, {entry['faces']:,} faces)"
    yield ""
    yield "| figure | value |"
    yield "|---|---|"
    yield f"| accuracy (95 % interval) | {entry['accuracy']:.4f} ({low:.4f} to {high:.4f}) |"
    yield f"| macro-F1 | {entry['macro_f1']:.4f} |"
    if plus := entry.get("ferplus"):
        yield f"| agreement with FER+'s majority, {plus['faces']:,} faces | {plus['accuracy']:.4f} |"
    yield f"| expected calibration error | {entry['calibrated']['ece']:.4f} |"
    if unsure := entry.get("unsure"):
        yield f"| answered, the rest is 'unsure' | {unsure['coverage']:.4f} |"
        if unsure["accuracy"] is not None:
            yield f"| accuracy of the answered | {unsure['accuracy']:.4f} |"
    if beside := entry.get("float"):
        yield f"| float model's accuracy | {beside['float_accuracy']:.4f} |"
    yield ""
    yield "| class | precision | recall | F1 | faces |"
    yield "|---|---|---|---|---|"
    for name, row in entry["per_class"].items():
        yield f"| {name} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']} |"
    yield ""
    yield f"Protocol: `{protocol['command']}`, {protocol['runtime']}; {protocol['data']['cleaning']}."
    yield ""
