"""A text emotion model measured on GoEmotions: figures, protocol, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.inference.manifest import Calibration
from training.evaluation.calibration import TARGET_ACCURACY as TARGET_ACCURACY
from training.evaluation.calibration import Selection, choose_threshold, select
from training.evaluation.intervals import ROUNDS, Estimate, Interval, plain, wilson
from training.evaluation.metrics import ECE_BINS, Floats
from training.evaluation.report import machine_and_versions
from training.evaluation.text_comparison import BesideFloat, beside_lines
from training.evaluation.text_figures import (
    Mask,
    TextFigures,
    best_thresholds,
    credited,
    fit_temperature,
    measure,
    probabilities_of,
    top_is_right,
)
from training.evaluation.text_predict import EmotionModel, Scored
from training.evaluation.text_ratings import RatingReport, rating_lines

LENGTHS = (1, 6, 11, 16, 21, 31)
"""Tokens from which on a text belongs to the next group."""

FILES = {"validation": "dev.tsv", "test": "test.tsv"}

INTERVALS = f"95 %, {ROUNDS} bootstrap rounds over texts; of lengths the Wilson score interval"

SCORED = {
    "validation": "these texts chose among epochs and set temperature, thresholds and 'unsure'",
    "test": "these texts were not trained on and chose nothing",
}


@dataclass(frozen=True)
class LengthRow:
    """Texts of similar length."""

    tokens: str
    """Such as '6-10'."""
    texts: int
    accuracy: float
    """Share of them whose most probable label is among theirs."""
    accuracy_interval: Interval


@dataclass(frozen=True)
class TextReport:
    """One text emotion model's figures on one split."""

    model: str
    """Name of the file, without its folder."""
    split: str
    labels: tuple[str, ...]
    figures: TextFigures
    selection: Selection | None
    """What 'unsure' costs and gives, if the model has such a threshold."""
    lengths: tuple[LengthRow, ...]
    beside: BesideFloat | None
    protocol: dict[str, Any]
    ratings: RatingReport | None = None
    """Of a model that rates too, on texts of their own."""

    def entry(self) -> dict[str, Any]:
        """What the manifest keeps under evaluation.<split>."""
        return {
            **self.figures.as_dict(),
            "unsure": self.selection.as_dict() if self.selection else None,
            "lengths": [plain(row) for row in self.lengths],
            "float": plain(self.beside),
            **({"ratings": plain(self.ratings)} if self.ratings else {}),
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
        yield (
            f"{self.model} on {self.split} ({self.protocol['data']['source']}): {figures.texts:,} texts, "
            f"{self.protocol['runtime']}"
        )
        yield ""
        yield f"{'macro-F1':<20}{_shown(figures.macro_f1)}"
        yield f"{'micro-F1':<20}{_shown(figures.micro_f1)}"
        yield f"{'accuracy':<20}{_shown(figures.accuracy)}   the label named first is one of the text's"
        yield (
            f"{'of single labels':<20}{_shown(figures.single_accuracy)}   the same, of the {figures.single_texts:,} "
            "texts with one label"
        )
        yield f"{'exact match':<20}{_shown(figures.exact_match)}   all labels of a text and no others"
        yield ""
        for name, each in (("as trained", figures.raw), ("calibrated", figures.calibrated)):
            yield (
                f"{name:<12} T = {each.temperature:.3f}   ECE {each.ece:.4f} ({ECE_BINS} bins)   of all labels "
                f"{each.label_ece:.4f}   NLL {each.nll:.4f}   Brier {each.brier:.4f}"
            )
        if self.selection:
            accuracy = self.selection.accuracy
            yield (
                f"'unsure' below {self.selection.threshold:.3f}: {self.selection.coverage:.1%} of the texts answered"
                + ("" if accuracy is None else f", {accuracy:.1%} of them right")
            )
        yield ""
        width = max(map(len, self.labels)) + 2
        yield f"{'label':<{width}}{'precision':>10}{'recall':>8}{'F1':>8}{'ROC-AUC':>9}{'AP':>8}{'from':>8}{'texts':>8}"
        for label, row in figures.per_label.items():
            yield (
                f"{label:<{width}}{row.precision:>10.3f}{row.recall:>8.3f}{row.f1:>8.3f}{number(row.roc_auc):>9}"
                f"{number(row.average_precision):>8}{row.threshold:>8.3f}{row.support:>8}"
            )
        yield ""
        yield f"{'tokens':<{width}}{'accuracy':>10}   {'95 % interval':<18}{'texts':>8}"
        for length in self.lengths:
            interval = "{:.3f} to {:.3f}".format(*length.accuracy_interval)
            yield f"{length.tokens:<{width}}{length.accuracy:>10.3f}   {interval:<18}{length.texts:>8}"
        if self.beside:
            yield ""
            yield from beside_lines(self.beside)
        if self.ratings:
            yield ""
            yield from rating_lines(self.ratings)


def evaluate_text(
    model: EmotionModel,
    scored: Scored,
    logits: Floats,
    *,
    split: str,
    calibration: Calibration,
    beside: BesideFloat | None,
    command: str,
    ratings: RatingReport | None = None,
) -> TextReport:
    """All figures of a model on one split.

    Parameters
    ----------
    logits
        (n, labels) the model's, of the texts.

    Raises
    ------
    DataError
        A logit is not finite.
    """
    targets = scored.texts.targets
    figures = measure(
        logits,
        targets,
        names=scored.texts.labels,
        temperature=calibration.temperature,
        thresholds=calibration.thresholds,
    )
    probabilities = probabilities_of(logits, calibration.temperature)
    selection = None
    if calibration.unsure_below > 0:
        selection = select(probabilities, credited(probabilities, targets), calibration.unsure_below)
    return TextReport(
        model=model.path.name,
        split=split,
        labels=scored.texts.labels,
        figures=figures,
        selection=selection,
        lengths=by_length(top_is_right(logits, targets), scored.lengths),
        beside=beside,
        ratings=ratings,
        protocol={
            "command": command,
            "data": {
                "source": source_of(model, split),
                "texts": len(scored.texts),
                "sha256": scored.texts.digest(),
                "sha256_of": "the texts (UTF-8, each with a line feed behind) and then their labels (float32, "
                "little-endian), in order",
                "cleaning": "none: every text of the split is scored, as published; training texts with the same "
                "tokens were dropped",
                "unfamiliar": scored.unfamiliar,
                "unfamiliar_are": "texts with fewer than half of their words in the vocabulary: scored like all "
                "others, while the device answers 'unsure'",
            },
            "scored": SCORED[split],
            "intervals": INTERVALS,
            "calibration_fitted_on": calibration.fitted_on,
            "training": {key: model.manifest.training.get(key) for key in ("recipe", "seed", "cleaning")},
            "runtime": model.runtime,
            **machine_and_versions(),
        },
    )


def calibrate_text(model: EmotionModel, scored: Scored, logits: Floats, target: float) -> Calibration:
    """Fit on validation texts: the temperature, then each label's threshold, then where 'unsure' begins.

    Raises
    ------
    DataError
        See `fit_temperature` and `choose_threshold`.
    """
    targets = scored.texts.targets
    temperature, thresholds = fit_labels(logits, targets)
    probabilities = probabilities_of(logits, temperature)
    chosen = choose_threshold(probabilities, credited(probabilities, targets), target)
    return Calibration(
        link="sigmoid",
        temperature=temperature,
        thresholds=tuple(thresholds.tolist()),
        unsure_below=chosen.threshold,
        fitted_on=f"{source_of(model, 'validation')}: {len(targets)} texts; each label counts as present from the "
        f"probability with the best F1 on, and 'unsure' is set so that at least {target:.0%} of the labels that are "
        "named first are among the text's",
    )


def fit_labels(logits: Floats, targets: Floats) -> tuple[float, Floats]:
    """The temperature and, at it, each label's threshold with the best F1, to six places."""
    temperature = fit_temperature(logits, targets)
    return temperature, best_thresholds(probabilities_of(logits, temperature), targets).round(6)


def by_length(right: Mask, tokens: Floats, borders: Sequence[int] = LENGTHS) -> tuple[LengthRow, ...]:
    """Accuracy of texts of similar length; groups without a text are left out.

    Parameters
    ----------
    right
        (n,) whether the label that is named first is one of the text's.
    tokens
        (n,) of each text.
    borders
        Tokens from which on the next group begins.
    """
    rows = []
    for begin, end in zip(borders, [*borders[1:], None], strict=True):
        within = (tokens >= begin) & (tokens < (np.inf if end is None else end))
        if count := int(within.sum()):
            of_these = int(right[within].sum())
            name = f"{begin}+" if end is None else f"{begin}-{end - 1}"
            rows.append(LengthRow(name, count, of_these / count, wilson(of_these, count)))
    return tuple(rows)


def source_of(model: EmotionModel, split: str) -> str:
    """The split's name in the public files."""
    labels = "Ekman's classes" if model.data.labels == "ekman" else "all emotions"
    return f"GoEmotions, {labels}, {FILES[split]}"


def number(value: float | None) -> str:
    """To three places, or '-'."""
    return "-" if value is None else f"{value:.3f}"


def _shown(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.4f}   95 % interval {low:.4f} to {high:.4f}"
