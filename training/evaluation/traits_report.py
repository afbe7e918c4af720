"""A way of reading traits measured by folds over the essays: what the manifest keeps of it, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.datasets.text_set import TextSet
from training.evaluation.intervals import ROUNDS, Estimate, plain
from training.evaluation.metrics import Floats, Integers
from training.evaluation.report import machine_and_versions
from training.evaluation.text_figures import Believable, Mask, believable
from training.evaluation.text_traits import LengthFigures, TraitsFigures, difference, measure_traits

SPLIT = "folds"
"""The name under which a manifest keeps these figures, in place of a split's."""

BASELINE = "TF-IDF with logistic regression"


@dataclass(frozen=True)
class TraitsReport:
    """The figures of one way of reading traits."""

    figures: TraitsFigures
    """Of the int8 files."""
    float_accuracy: float
    """Mean over the traits, of the float models."""
    above_float: Estimate
    """The int8 files' mean accuracy less the float models', drawn in pairs."""
    raw: Believable
    """At temperature 1."""
    calibrated: Believable
    """At the temperature that was fitted on these very answers."""
    lengths: tuple[LengthFigures, ...]
    protocol: dict[str, Any]

    def entry(self) -> dict[str, Any]:
        """What the manifest keeps under evaluation.folds."""
        return {
            **self.figures.as_dict(),
            "raw": plain(self.raw),
            "calibrated": plain(self.calibrated),
            "float": {
                "float_accuracy": plain(self.float_accuracy),
                "accuracy_difference": plain(self.above_float.value),
                "accuracy_difference_interval": plain(self.above_float.interval),
            },
            "lengths": [plain(row) for row in self.lengths],
            "protocol": self.protocol,
        }

    def as_text(self) -> str:
        """What is printed for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        figures = self.figures
        yield f"{figures.texts:,} essays, each answered by a model that was not trained on it:"
        yield ""
        yield (
            f"{'trait':<20}{'accuracy':>9}   {'95 % interval':<18}{'ROC-AUC':>8}{'majority':>10}{'p':>8}"
            + (f"{'baseline':>10}{'p':>8}" if figures.baseline is not None else "")
        )
        for name, row in figures.per_trait.items():
            beside = "" if row.baseline is None else f"{row.baseline:>10.3f}{row.baseline_p:>8.3f}"
            yield (
                f"{name:<20}{row.accuracy.value:>9.3f}   {_interval(row.accuracy):<18}{_number(row.roc_auc):>8}"
                f"{row.majority:>10.3f}{row.majority_p:>8.3f}{beside}"
            )
        beside = "" if figures.baseline is None else f"{'':>8}{figures.baseline:>10.3f}"
        yield (
            f"{'mean':<20}{figures.accuracy.value:>9.3f}   {_interval(figures.accuracy):<18}"
            f"{_number(figures.roc_auc):>8}{figures.majority:>10.3f}{beside}"
        )
        yield ""
        yield f"above the majority: {_points(figures.above_majority)}"
        if figures.above_baseline is not None:
            yield f"above {BASELINE} in the same folds: {_points(figures.above_baseline)}"
        yield f"int8 less float: {_points(self.above_float)} (float {self.float_accuracy:.4f})"
        yield (
            f"calibration: T = {self.calibrated.temperature:.3f}, error of all labels {self.calibrated.label_ece:.4f} "
            f"(as trained {self.raw.label_ece:.4f})"
        )
        yield ""
        yield f"{'words':<8}{'accuracy':>9}   {'95 % interval':<18}{'above majority':<32}{'lost':>7}{'essays':>8}"
        for length in self.lengths:
            yield (
                f"{length.words:<8}{length.accuracy.value:>9.3f}   {_interval(length.accuracy):<18}"
                f"{_points(length.above_majority):<32}{length.lost:>7.3f}{length.texts:>8}"
            )


def report_traits(
    data: TextSet,
    folds: Sequence[Integers],
    logits: Floats,
    float_logits: Floats,
    *,
    baseline: Mask | None,
    temperature: float,
    lengths: Sequence[LengthFigures],
    protocol: dict[str, Any],
) -> TraitsReport:
    """All figures of out-of-fold answers.

    Parameters
    ----------
    data
        The essays.
    folds
        Numbers of each fold's essays.
    logits, float_logits
        (n, traits) of the int8 files and of the float models.
    baseline
        (n, traits) answers of `BASELINE` in the same folds, or None.
    temperature
        That was fitted on `logits`.
    lengths
        Of `training.evaluation.text_traits.by_length`.
    protocol
        What this module cannot know: command, recipe, seed and runtime.
    """
    truth = data.targets > 0
    figures = measure_traits(logits, data.targets, names=data.labels, baseline=baseline)
    return TraitsReport(
        figures=figures,
        float_accuracy=float(((float_logits > 0) == truth).mean()),
        above_float=difference((logits > 0) == truth, (float_logits > 0) == truth),
        raw=believable(logits, data.targets),
        calibrated=believable(logits, data.targets, temperature),
        lengths=tuple(lengths),
        protocol={
            **protocol,
            "data": {
                "source": "essays",
                "texts": len(data),
                "sha256": data.digest(),
                "sha256_of": "the texts (UTF-8, each with a line feed behind) and then their traits (float32, "
                "little-endian), in order",
                "cleaning": data.cleaning.as_dict(),
            },
            "scored": f"{len(folds)} folds over the writers, dealt at random: each essay once, by a model that was "
            "neither trained on it nor chosen by it; the model that ships was trained in the same way on nearly all",
            "baseline": BASELINE if baseline is not None else None,
            "intervals": f"95 %: of one trait Wilson's, of means and differences {ROUNDS} bootstrap rounds over essays",
            "p": "exact McNemar tests, each trait by itself",
            **machine_and_versions(),
        },
    )


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{low:.3f} to {high:.3f}"


def _points(estimate: Estimate) -> str:
    low, high = (100 * each for each in estimate.interval)
    return f"{100 * estimate.value:+.1f} points ({low:+.1f} to {high:+.1f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
