"""Pictures of a model's figures, to be looked at: PNG files drawn by matplotlib, without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.metrics import roc_curve

from training.evaluation.calibration import Selection, risk_coverage
from training.evaluation.metrics import Bins, Figures, Floats, Integers, probabilities_of, reliability_bins

INK, GREY, FAINT = "#222222", "#8a8a8a", "#e4e4e4"
BLUE, RED = "#2b6ca3", "#c0492f"
CLASS_COLOURS = ("#c0492f", "#7d8b2f", "#6f4fa0", "#e0a12e", "#2b6ca3", "#d67fb0", "#8a8a8a")
# Any: matplotlib types the keys as one long Literal, in some of its versions.
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "savefig.dpi": 150,
}
MISTAKES = 40
"""Faces on the page of mistakes."""


@dataclass(frozen=True)
class Scored:
    """What one model said about one split, as the pictures need it."""

    title: str
    """Model and split, for the headings."""
    names: Sequence[str]
    images: npt.NDArray[np.uint8] | None
    """(n, 48, 48); None for what cannot be shown."""
    labels: Integers
    """(n,)"""
    logits: Floats
    """(n, classes)"""
    temperature: float
    figures: Figures
    selection: Selection | None
    """Where the model says 'unsure', if it has a threshold."""
    unit: str = "faces"
    """What is counted."""

    @property
    def probabilities(self) -> Floats:
        """(n, classes) at the calibrated temperature."""
        return probabilities_of(self.logits, self.temperature)


def write_plots(scored: Scored, directory: Path) -> list[Path]:
    """Draw every picture into `directory`, which is made if need be, and return the files' paths."""
    drawings = {
        "confusion": confusion,
        "reliability": reliability,
        "roc": roc,
        "risk_coverage": risk_against_coverage,
        "classes": class_bars,
    }
    if scored.images is not None:
        drawings["mistakes"] = mistakes
    with rc_context(STYLE):
        figures = {name: draw(scored) for name, draw in drawings.items()}
    return save_figures(figures, directory)


def confusion(scored: Scored) -> Figure:
    """Confusion matrix: shades and percentages of each true class, with the counts below."""
    counts = np.array(scored.figures.confusion)
    support = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(support, 1)
    figure, axes = sheet(6.4, 6.0, f"Confusion: {scored.title}")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    ticks = np.arange(len(scored.names))
    axes.set_xticks(ticks, scored.names, rotation=30, ha="right")
    axes.set_yticks(ticks, [f"{name}\n{total}" for name, total in zip(scored.names, support[:, 0], strict=True)])
    axes.tick_params(length=0)
    axes.set_xlabel("answer")
    axes.set_ylabel(f"label, and its number of {scored.unit}")
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.55 else INK
        axes.text(column, row - 0.12, f"{shares[row, column]:.0%}", ha="center", va="center", color=colour)
        axes.text(column, row + 0.22, counts[row, column], ha="center", va="center", color=colour, fontsize=7)
    return figure


def reliability(scored: Scored) -> Figure:
    """Accuracy against confidence, before and after the temperature, over the number in each bin."""
    figure = Figure(figsize=(9.0, 5.2), layout=ConstrainedLayoutEngine(wspace=0.06))
    figure.suptitle(f"Reliability: {scored.title}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(4, 1))
    for column, (name, temperature) in enumerate((("as trained", 1.0), ("calibrated", scored.temperature))):
        bins = reliability_bins(probabilities_of(scored.logits, temperature), scored.labels)
        reliability_bars(axes[0, column], bins)
        axes[0, column].set_title(f"{name}, T = {temperature:.2f}: ECE {bins.ece:.3f}", fontweight="normal")
        axes[1, column].bar(bins.edges[:-1], bins.counts, np.diff(bins.edges), align="edge", color=GREY, linewidth=0)
        axes[1, column].set_xlabel("confidence")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel(scored.unit)
    axes[0, 0].legend(loc="upper left")
    return figure


def roc(scored: Scored) -> Figure:
    """ROC curve of each class against the rest."""
    figure, axes = sheet(6.2, 5.6, f"One class against the rest: {scored.title}")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for index, name in enumerate(scored.names):
        area = scored.figures.per_class[name].roc_auc
        if area is not None:
            false_positives, true_positives, _ = roc_curve(scored.labels == index, scored.probabilities[:, index])
            axes.plot(
                false_positives,
                true_positives,
                color=CLASS_COLOURS[index % len(CLASS_COLOURS)],
                linewidth=1.6,
                label=f"{name}  {area:.3f}",
            )
    axes.set(xlim=(-0.01, 1.0), ylim=(0, 1.01), aspect="equal", xlabel="false positive rate", ylabel="recall")
    axes.legend(loc="lower right", title="area under the curve", alignment="left")
    return figure


def risk_against_coverage(scored: Scored) -> Figure:
    """Error among those answered against the part answered, with the threshold's place marked."""
    curve = risk_coverage(scored.probabilities, scored.labels)
    figure, axes = sheet(6.2, 4.4, f"Risk and coverage: {scored.title}")
    axes.plot(curve.coverage, curve.risk, color=BLUE, linewidth=1.8)
    axes.set(xlim=(0, 1.005), ylim=(0, max(0.05, float(curve.risk.max()) * 1.1)))
    axes.set(xlabel=f"part of the {scored.unit} that is answered", ylabel="errors among those answered")
    selection = scored.selection
    if selection is not None and selection.accuracy is not None:
        risk = 1 - selection.accuracy
        axes.plot(selection.coverage, risk, "o", color=RED, markersize=7)
        # The curve rises to the right: below it there is room to the right of the point, above it to the left.
        early = selection.coverage < 0.5
        axes.annotate(
            f"'unsure' below {selection.threshold:.2f}\n{selection.coverage:.0%} answered, {risk:.0%} of them wrong",
            (selection.coverage, risk),
            xytext=(12, -12) if early else (-12, 12),
            textcoords="offset points",
            ha="left" if early else "right",
            va="top" if early else "bottom",
            color=RED,
        )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def class_bars(scored: Scored) -> Figure:
    """F1 of each class, best first, with precision and recall beside it."""
    ranked = sorted(scored.figures.per_class.items(), key=lambda item: item[1].f1)
    figure, axes = sheet(6.4, 3.9, f"Classes: {scored.title}")
    rows = np.arange(len(ranked))
    axes.barh(rows, [value.f1 for _, value in ranked], 0.62, color=BLUE, alpha=0.85, label="F1")
    axes.plot([value.precision for _, value in ranked], rows, "|", color=INK, markersize=14, mew=2, label="precision")
    axes.plot([value.recall for _, value in ranked], rows, "o", color=RED, markersize=6, label="recall")
    for row, (_, value) in zip(rows, ranked, strict=True):
        axes.text(0.012, float(row), f"{value.f1:.2f}", va="center", color="white", fontsize=9)
    axes.set_yticks(rows, [f"{name}  ({value.support})" for name, value in ranked])
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], texts[::-1], loc="outside lower center", ncols=3)
    return figure


def mistakes(scored: Scored) -> Figure:
    """The wrong answers that the model was surest of: often it is the label that is wrong."""
    assert scored.images is not None  # `write_plots` draws none otherwise
    probabilities = scored.probabilities
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != scored.labels)
    surest = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:MISTAKES]
    columns = 8
    rows = max(1, -(-len(surest) // columns))
    figure = Figure(figsize=(columns * 1.3, rows * 1.62 + 0.6), layout="constrained")
    figure.suptitle(f"Surest mistakes: {scored.title}", x=0.005, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel("above each face: the answer with its probability, and the label", x=0.005, ha="left", fontsize=8)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, index in zip(figure.axes, surest, strict=False):
        axes.imshow(scored.images[index], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        answer = scored.names[predicted[index]]
        axes.set_title(
            f"{answer} {probabilities[index, predicted[index]]:.2f}\nlabel {scored.names[scored.labels[index]]}",
            fontsize=8,
            fontweight="normal",
            pad=3,
        )
    return figure


def save_figures(figures: Mapping[str, Figure], directory: Path) -> list[Path]:
    """Write pictures into `directory`, which is made if need be, as <name>.png; returns the files' paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in figures.items():
        path = directory / f"{name}.png"
        with rc_context(STYLE):
            figure.savefig(path)
        written.append(path)
    return written


def sheet(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A page with one picture; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def reliability_bars(axes: Axes, bins: Bins) -> None:
    """Accuracy of each bin of confidence, and its gap to the confidence."""
    filled = bins.counts > 0
    left, width = bins.edges[:-1][filled], np.diff(bins.edges)[filled]
    accuracy, confidence = bins.accuracy[filled], bins.confidence[filled]
    axes.bar(left, accuracy, width, align="edge", color=BLUE, alpha=0.85, edgecolor="white", label="accuracy")
    axes.bar(
        left,
        confidence - accuracy,
        width,
        bottom=accuracy,
        align="edge",
        color="none",
        edgecolor=RED,
        hatch="////",
        linewidth=0.8,
        label="gap to the confidence",
    )
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 1))
