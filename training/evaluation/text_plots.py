"""Pictures of text models' figures: labels that do not exclude each other, and scores of traits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.metrics import precision_recall_curve, roc_curve

from training.evaluation import metrics, plots
from training.evaluation.metrics import Floats
from training.evaluation.plots import BLUE, CLASS_COLOURS, GREY, INK, RED, STYLE, reliability_bars, save_figures, sheet
from training.evaluation.text_figures import TextFigures, probabilities_of, top_bins
from training.evaluation.text_report import LengthRow
from training.evaluation.text_traits import LengthFigures, TraitsFigures

MOST_CURVES = 10
"""Of one picture; of more labels, those that most texts have."""


@dataclass(frozen=True)
class ScoredTexts:
    """What one model said about one split, as the pictures need it."""

    title: str
    """Model and split, for the headings."""
    names: Sequence[str]
    targets: Floats
    """(n, labels)"""
    logits: Floats
    """(n, labels)"""
    figures: TextFigures
    lengths: Sequence[LengthRow]


def write_text_plots(scored: ScoredTexts, directory: Path) -> list[Path]:
    """Draw every picture of a text emotion model into `directory`, and return the files' paths."""
    drawings = {
        "confusion": confusion(scored),
        "reliability": reliability(scored),
        "curves": curves(scored),
        "labels": label_bars(scored),
        "lengths": length_points(scored),
    }
    return save_figures(drawings, directory)


def write_trait_plots(
    figures: TraitsFigures,
    rows: Sequence[LengthFigures],
    logits: Floats,
    targets: Floats,
    directory: Path,
    *,
    title: str,
) -> list[Path]:
    """Draw the pictures of out-of-fold scores of traits into `directory`, and return the files' paths.

    Parameters
    ----------
    logits, targets
        (n, traits) as for `training.evaluation.text_traits.measure_traits`.
    rows
        Of `training.evaluation.text_traits.by_length`.
    """
    drawings = {
        "roc": trait_roc(figures, logits, targets, title=title),
        "words": trait_lengths(rows, title=title),
    }
    return save_figures(drawings, directory)


def confusion(scored: ScoredTexts) -> Figure:
    """Confusion matrix of the texts with one label alone, of which a confusion can be told."""
    single = scored.targets.sum(axis=1) == 1
    labels, logits = scored.targets[single].argmax(axis=1).astype(np.int64), scored.logits[single]
    with rc_context(STYLE):
        return plots.confusion(
            plots.Scored(
                title=scored.title,
                names=scored.names,
                images=None,
                labels=labels,
                logits=logits,
                temperature=1.0,
                figures=metrics.measure(logits, labels, names=scored.names),
                selection=None,
                unit="texts with one label",
            )
        )


def reliability(scored: ScoredTexts) -> Figure:
    """How often the label that is named first is right, against its probability, before and after the temperature."""
    with rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.2), layout=ConstrainedLayoutEngine(wspace=0.06))
        figure.suptitle(f"Reliability: {scored.title}", x=0.01, ha="left", fontsize=11, fontweight="bold")
        axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(4, 1))
        for column, (name, each) in enumerate(
            (("as trained", scored.figures.raw), ("calibrated", scored.figures.calibrated))
        ):
            bins = top_bins(probabilities_of(scored.logits, each.temperature), scored.targets)
            reliability_bars(axes[0, column], bins)
            axes[0, column].set_title(f"{name}, T = {each.temperature:.2f}: ECE {each.ece:.3f}", fontweight="normal")
            axes[1, column].bar(
                bins.edges[:-1], bins.counts, np.diff(bins.edges), align="edge", color=GREY, linewidth=0
            )
            axes[1, column].set_xlabel("probability of the label that is named first")
        axes[0, 0].set_ylabel("it is one of the text's")
        axes[1, 0].set_ylabel("texts")
        axes[0, 0].legend(loc="upper left")
    return figure


def curves(scored: ScoredTexts) -> Figure:
    """ROC and precision-recall curve of each label, with the place of its threshold on the latter."""
    frequent = np.argsort(-scored.targets.sum(axis=0), kind="stable")[:MOST_CURVES]
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 5.4), layout="constrained")
        figure.suptitle(f"Each label: {scored.title}", x=0.01, ha="left", fontsize=11, fontweight="bold")
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for order, column in enumerate(sorted(frequent)):
            label = scored.figures.per_label[scored.names[column]]
            if label.roc_auc is None or label.average_precision is None:
                continue
            colour = CLASS_COLOURS[order % len(CLASS_COLOURS)]
            truth, logits = scored.targets[:, column] > 0, scored.logits[:, column]
            name = scored.names[column]
            false, true, _ = roc_curve(truth, logits)
            left.plot(false, true, color=colour, linewidth=1.5, label=f"{name}  {label.roc_auc:.3f}")
            precision, recall, _ = precision_recall_curve(truth, logits)
            right.plot(recall, precision, color=colour, linewidth=1.5, label=f"{name}  {label.average_precision:.3f}")
            right.plot(label.recall, label.precision, "o", color=colour, markersize=6)
        left.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal", xlabel="false positive rate", ylabel="recall")
        right.set(xlim=(0, 1.01), ylim=(0, 1.01), aspect="equal", xlabel="recall", ylabel="precision")
        left.legend(loc="lower right", title="area under the curve", alignment="left")
        right.legend(loc="lower left", title="average precision; o: threshold", alignment="left", fontsize=8)
    return figure


def label_bars(scored: ScoredTexts) -> Figure:
    """F1 of each label, best first, with precision and recall beside it."""
    ranked = sorted(scored.figures.per_label.items(), key=lambda item: item[1].f1)
    rows = np.arange(len(ranked))
    with rc_context(STYLE):
        figure, axes = sheet(6.4, 0.36 * len(ranked) + 1.4, f"Labels: {scored.title}")
        axes.barh(rows, [value.f1 for _, value in ranked], 0.62, color=BLUE, alpha=0.85, label="F1")
        axes.plot(
            [value.precision for _, value in ranked], rows, "|", color=INK, markersize=14, mew=2, label="precision"
        )
        axes.plot([value.recall for _, value in ranked], rows, "o", color=RED, markersize=6, label="recall")
        for row, (_, value) in zip(rows, ranked, strict=True):
            axes.text(0.012, float(row), f"{value.f1:.2f}", va="center", color="white", fontsize=9)
        axes.set_yticks(rows, [f"{name}  ({value.support})" for name, value in ranked])
        axes.set_xlim(0, 1)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def length_points(scored: ScoredTexts) -> Figure:
    """Accuracy of texts of similar length, with intervals."""
    with rc_context(STYLE):
        figure, axes = sheet(6.4, 4.0, f"Length: {scored.title}")
        places = np.arange(len(scored.lengths))
        _points(axes, places, [(row.accuracy, row.accuracy_interval) for row in scored.lengths])
        axes.axhline(scored.figures.accuracy.value, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xticks(places, [f"{row.tokens}\n{row.texts}" for row in scored.lengths])
        axes.set(xlabel="tokens, and number of texts", ylabel="the label named first is one of the text's")
        axes.set_ylim(0, 1)
    return figure


def trait_roc(figures: TraitsFigures, logits: Floats, targets: Floats, *, title: str) -> Figure:
    """ROC curve of each trait, out of folds."""
    with rc_context(STYLE):
        figure, axes = sheet(6.2, 5.6, f"Each trait: {title}")
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for column, (name, trait) in enumerate(figures.per_trait.items()):
            if trait.roc_auc is not None:
                false, true, _ = roc_curve(targets[:, column] > 0, logits[:, column])
                axes.plot(false, true, color=CLASS_COLOURS[column], linewidth=1.5, label=f"{name}  {trait.roc_auc:.3f}")
        axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), aspect="equal", xlabel="false positive rate", ylabel="recall")
        axes.legend(loc="lower right", title="area under the curve", alignment="left")
    return figure


def trait_lengths(rows: Sequence[LengthFigures], *, title: str) -> Figure:
    """Mean accuracy of texts cut to so many words, beside the majority on the same texts."""
    with rc_context(STYLE):
        figure, axes = sheet(6.4, 4.0, f"Words: {title}")
        places = np.arange(len(rows))
        _points(axes, places, [(row.accuracy.value, row.accuracy.interval) for row in rows])
        usual = [row.accuracy.value - row.above_majority.value for row in rows]
        axes.plot(places, usual, "_", color=GREY, markersize=22, mew=2, label="majority")
        axes.set_xticks(places, [f"{row.words}\n{row.texts}" for row in rows])
        axes.set(xlabel="words that texts were cut to, and number of texts", ylabel="mean accuracy of the traits")
        axes.legend(loc="upper left")
    return figure


def _points(axes: Axes, places: Floats | metrics.Integers, values: Sequence[tuple[float, tuple[float, float]]]) -> None:
    for place, (value, interval) in zip(places, values, strict=True):
        axes.plot((place, place), interval, color=BLUE, linewidth=2.2, solid_capstyle="butt")
        axes.plot(place, value, "o", color=BLUE, markersize=6)
    axes.margins(x=0.08)
    axes.grid(visible=False, axis="x")
