"""The report of one evaluation: what JSON and manifest keep of it, with its protocol, and how it is printed."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.inference.manifest import Manifest
from training.datasets.fer2013 import SPLITS, FaceSet
from training.evaluation.calibration import Selection
from training.evaluation.comparison import Comparison
from training.evaluation.metrics import ECE_BINS, Figures
from training.evaluation.predict import installed_version


@dataclass(frozen=True)
class Report:
    """One model's figures on one split."""

    model: str
    """Name of the file, without its folder."""
    split: str
    labels: Sequence[str]
    figures: Figures
    selection: Selection | None
    """What 'unsure' costs and gives, if the model has a threshold."""
    comparison: Comparison | None
    """Beside the float model, if one was given."""
    protocol: dict[str, Any]
    """How the figures came about; see `protocol_of`."""

    def entry(self) -> dict[str, Any]:
        """What the manifest keeps under evaluation.<split>."""
        return {
            **self.figures.as_dict(),
            "unsure": self.selection.as_dict() if self.selection else None,
            "float": self.comparison.as_dict() if self.comparison else None,
            "protocol": self.protocol,
        }

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"model": self.model, "split": self.split, "labels": list(self.labels), **self.entry()}

    def as_text(self) -> str:
        """What is printed for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        figures = self.figures
        data = self.protocol["data"]
        yield f"{self.model} on {self.split} ({data['source']}): {figures.faces:,} faces, {self.protocol['runtime']}"
        yield ""
        low, high = figures.accuracy_interval
        yield f"{'accuracy':<20}{figures.accuracy:.4f}   95 % interval {low:.4f} to {high:.4f}"
        yield f"{'macro-F1':<20}{figures.macro_f1:.4f}"
        yield f"{'balanced accuracy':<20}{figures.balanced_accuracy:.4f}"
        yield f"{'top-2, top-3':<20}{figures.top2:.4f}, {figures.top3:.4f}"
        yield f"{'ROC-AUC, macro':<20}{_number(figures.roc_auc_macro)}"
        if figures.ferplus:
            plus = figures.ferplus
            yield (
                f"{'FER+ agreement':<20}{plus.accuracy:.4f}   on {plus.faces:,} faces with a majority "
                f"({plus.ties} ties, {plus.without_votes} without votes left out); the labels reach "
                f"{plus.label_accuracy:.4f}"
            )
        yield ""
        yield from calibration_lines(figures, self.selection, "faces")
        yield ""
        yield from class_lines(figures, self.labels, "faces")
        if self.comparison:
            yield ""
            yield from _comparison_lines(self.comparison)


def calibration_lines(figures: Figures, selection: Selection | None, unit: str) -> Iterator[str]:
    """How far the probabilities can be believed, and what 'unsure' costs; `unit` names what is counted: 'faces'."""
    yield f"{'':<20}{'as trained':>10}{'calibrated':>12}"
    rows = (("temperature", "temperature"), (f"ECE, {ECE_BINS} bins", "ece"), ("NLL", "nll"), ("Brier", "brier"))
    for title, key in rows:
        yield f"{title:<20}{getattr(figures.raw, key):>10.4f}{getattr(figures.calibrated, key):>12.4f}"
    if selection:
        yield (
            f"'unsure' below {selection.threshold:.3f}: {selection.coverage:.1%} of the {unit} answered"
            + ("" if selection.accuracy is None else f", {selection.accuracy:.1%} of them right")
        )


def class_lines(figures: Figures, labels: Sequence[str], unit: str) -> Iterator[str]:
    """The classes one by one, and the confusion matrix."""
    width = max(map(len, labels)) + 2
    column = max(7, len(unit) + 2)
    yield f"{'class':<{width}}{'precision':>10}{'recall':>8}{'F1':>8}{'ROC-AUC':>9}{unit:>{column}}"
    for name, row in figures.per_class.items():
        yield (
            f"{name:<{width}}{row.precision:>10.3f}{row.recall:>8.3f}{row.f1:>8.3f}"
            f"{_number(row.roc_auc, 3):>9}{row.support:>{column}}"
        )
    yield ""
    yield f"{'label / answer':<15}" + "".join(f"{name:>{width}}" for name in labels)
    for name, counts in zip(labels, figures.confusion, strict=True):
        yield f"{name:<15}" + "".join(f"{count:>{width}}" for count in counts)


def protocol_of(
    *,
    faces: FaceSet,
    directory: Path,
    split: str,
    fitted_on: str | None,
    runtime: str,
    manifest: Manifest | None,
    command: str,
) -> dict[str, Any]:
    """How figures came about, enough to repeat them: no date and no path, so that a repetition writes the same."""
    digest = hashlib.sha256(faces.images.tobytes())
    digest.update(faces.labels.astype("<i8").tobytes())
    training = manifest.training if manifest else {}
    return {
        "command": command,
        "data": {
            "source": data_source(directory, split),
            "faces": len(faces),
            "sha256": digest.hexdigest(),
            "sha256_of": "the split's pixels (uint8) and then its labels (int64, little-endian), in order",
            "cleaning": "none: every face of the split is scored, as published",
        },
        "calibration_fitted_on": fitted_on,
        "training": {key: training[key] for key in ("recipe", "seed", "cleaning") if key in training},
        "runtime": runtime,
        **machine_and_versions(),
    }


def machine_and_versions() -> dict[str, Any]:
    """What computed, for the protocol."""
    return {
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: installed_version(name) for name in ("affect-edge", "numpy", "scipy", "scikit-learn")},
        },
    }


def data_source(directory: Path, split: str) -> str:
    """The split's name in the public files: 'fer2013.csv, PublicTest', or 'folders, validation'."""
    if (directory / "fer2013.csv").is_file():
        usage = next(usage for usage, name in SPLITS.items() if name == split)
        return f"fer2013.csv, {usage}"
    return f"folders, {split}"


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    yield (
        f"beside {comparison.float_model}: accuracy {comparison.accuracy_difference * 100:+.2f} points "
        f"(float {comparison.float_accuracy:.4f}), the same answer on {comparison.agreement:.2%}"
    )
    yield (
        f"right alone on {comparison.only_this_right} faces, the float model on {comparison.only_float_right} "
        f"(McNemar p = {comparison.p_value:.3f}); probabilities differ by {comparison.probability_difference:.4f}"
    )


def _number(value: float | None, places: int = 4) -> str:
    return "-" if value is None else f"{value:.{places}f}"
