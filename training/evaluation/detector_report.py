"""A face detector measured on marked photographs: figures, protocol, and how they are printed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import verify
from edge.errors import DataError, ModelError
from edge.features.cells import CellGrid, FloatArray
from edge.inference.interpreter import load_model
from edge.inference.manifest import Manifest
from training.datasets.face_photos import Photo, read_photos
from training.evaluation.detection import (
    FALSE_ALARMS_PER_IMAGE,
    DetectionFigures,
    landmark_error,
    score_detections,
)
from training.evaluation.predict import installed_version
from training.evaluation.searching import detect, mark

WIDTHS = (0.10, 0.05)
"""Least widths of the faces that count, as parts of the picture's."""


@dataclass(frozen=True)
class DetectorReport:
    """One detector's figures on one split."""

    model: str
    """Name of the file, without its folder."""
    split: str
    sources: tuple[str, ...]
    photographs: int
    figures: dict[float, DetectionFigures]
    """By least width."""
    landmark_error: float | None
    """Mean distance of the five landmarks of the faces that are found, in distances between their eyes."""
    float_figures: dict[float, DetectionFigures] | None
    protocol: dict[str, Any]

    def entry(self) -> dict[str, Any]:
        """What the manifest keeps under evaluation.<split>."""
        return {
            "average_precision": round(self.figures[WIDTHS[0]].average_precision, 4),
            "photographs": self.photographs,
            "sources": list(self.sources),
            "faces": _by_width(self.figures),
            "landmark_error": None if self.landmark_error is None else round(self.landmark_error, 4),
            "float": _by_width(self.float_figures) if self.float_figures else None,
            "protocol": self.protocol,
        }

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"model": self.model, "split": self.split, **self.entry()}

    def as_text(self) -> str:
        """What is printed for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.model} on {self.split} ({', '.join(self.sources)}): {self.photographs:,} photographs"
        yield ""
        yield f"{'faces of at least':<20}{'faces':>7}{'AP at IoU 0.5':>15}{'recall*':>9}{'score*':>8}"
        rows = [("", self.figures)] + ([("float, ", self.float_figures)] if self.float_figures else [])
        for title, figures in rows:
            for width, each in figures.items():
                yield (
                    f"{title + format(width, '.0%'):<20}{each.faces:>7}{each.average_precision:>15.4f}"
                    f"{each.recall:>9.4f}{each.threshold:>8.3f}"
                )
        yield f"* at {FALSE_ALARMS_PER_IMAGE:g} false alarms per picture"
        if self.landmark_error is not None:
            yield f"landmarks: off by {self.landmark_error:.1%} of the eyes' distance on average"


def evaluate_detector(
    model: Path, folder: Path, split: str, *, float_model: Path | None, command: str, progress: bool
) -> tuple[DetectorReport, Manifest]:
    """Measure a detector's int8 file, and the float model beside it, on the split that its recipe held out.

    Raises
    ------
    ModelError
        The file is no detector, or its manifest does not tell which sources were held out.
    DataError
        See `read_photos`.
    """
    interpreter, manifest = load_model(model, task="face-detection")
    held = manifest.training.get("settings", {}).get("data", {}).get(f"{split}_sources")
    if not held or manifest.detection is None:
        raise ModelError(f"{model}: its manifest does not tell which photographs were held out for {split}")
    grid = manifest.detection.grid(*manifest.input.shape[1:3])
    photos = read_photos(folder, sources=held, progress=progress)
    limit = manifest.detection.overlap_limit
    found = detect(photos, grid, lambda inputs: verify.logits(model, inputs), overlap_limit=limit, progress=progress)
    marked = [mark(photo) for photo in photos]
    report = DetectorReport(
        model=model.name,
        split=split,
        sources=tuple(held),
        photographs=len(photos),
        figures={width: score_detections(marked, found, least_width=width) for width in WIDTHS},
        landmark_error=landmark_error(marked, found, threshold=manifest.detection.threshold),
        float_figures=_float_figures(float_model, photos, grid, limit) if float_model else None,
        protocol={
            "command": command,
            "matching": "VOC at IoU 0.5; regions marked as doubtful, smaller faces, and detections on them, count for "
            "nothing",
            "data_sha256": _digest(photos),
            "runtime": interpreter.runtime,
            "machine": platform.machine(),
            "versions": {
                "python": platform.python_version(),
                **{name: installed_version(name) for name in ("affect-edge", "numpy")},
            },
        },
    )
    return report, manifest


def _float_figures(
    path: Path, photos: Sequence[Photo], grid: CellGrid, overlap_limit: float
) -> dict[float, DetectionFigures]:
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # a zip may break in many ways
        raise ModelError(f"{path}: not a readable Keras model: {str(error).partition(chr(10))[0]}") from None
    if model.input_shape[1:3] != (grid.height, grid.width):
        raise DataError(f"{path}: takes {model.input_shape[1:3]}, the int8 file {(grid.height, grid.width)}")

    def answer(inputs: FloatArray) -> FloatArray:
        return np.asarray(model.predict_on_batch(inputs))

    found = detect(photos, grid, answer, overlap_limit=overlap_limit)
    marked = [mark(photo) for photo in photos]
    return {width: score_detections(marked, found, least_width=width) for width in WIDTHS}


def _digest(photos: Sequence[Photo]) -> str:
    digest = hashlib.sha256()
    for photo in photos:
        for part in (photo.image, photo.boxes, photo.ignored):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _by_width(figures: dict[float, DetectionFigures]) -> dict[str, Any]:
    return {f"from {width:.0%} of the width": each.as_dict() for width, each in figures.items()}
