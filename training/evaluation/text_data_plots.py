"""Pictures of what sets of texts are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from training.datasets.text_overview import Overview
from training.evaluation.plots import BLUE, CLASS_COLOURS, INK, STYLE, save_figures, sheet

LENGTH_BINS = 40


def write_data_plots(name: str, splits: Mapping[str, Overview], directory: Path) -> list[Path]:
    """Draw a set's classes, lengths and words into `directory`, as <name>_classes.png and so on."""
    with rc_context(STYLE):
        drawings = {
            f"{name}_classes": ratings(name, splits) if _first(splits).rated else classes(name, splits),
            f"{name}_lengths": lengths(name, splits),
            f"{name}_words": words(name, splits),
        }
        return save_figures(drawings, directory)


def classes(name: str, splits: Mapping[str, Overview]) -> Figure:
    """How many texts of each split have each label, the most frequent label first."""
    first = _first(splits)
    order = np.argsort(first.targets.sum(axis=0), kind="stable")
    figure, axes = sheet(6.8, 0.3 * len(order) + 1.6, f"Classes: {name}")
    rows = np.arange(len(order))
    height = 0.8 / len(splits)
    for number, (split, each) in enumerate(splits.items()):
        shares, counts = each.targets.mean(axis=0)[order], each.targets.sum(axis=0)[order]
        places = rows + 0.4 - height * (number + 0.5)
        axes.barh(places, shares, height, color=CLASS_COLOURS[number], label=f"{split} ({len(each.targets):,})")
        if number == 0:
            for row, share, count in zip(places, shares, counts, strict=True):
                axes.text(share + 0.004, row, f"{count:.0f}", va="center", fontsize=7, color=INK)
    axes.set_yticks(rows, [first.labels[column] for column in order])
    axes.set_xlabel("share of the texts with the label; some have several")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=len(splits))
    return figure


def ratings(name: str, splits: Mapping[str, Overview]) -> Figure:
    """How the texts' ratings are spread, of the first split."""
    first = _first(splits)
    figure, axes = sheet(6.8, 4.2, f"Ratings: {name}")
    bins = np.linspace(1, 5, 41).tolist()
    for column, label in enumerate(first.labels):
        axes.hist(
            first.targets[:, column], bins, histtype="step", color=CLASS_COLOURS[column], linewidth=1.6, label=label
        )
    axes.set(xlabel="rating from 1 to 5", ylabel="texts")
    axes.legend(loc="upper right")
    return figure


def lengths(name: str, splits: Mapping[str, Overview]) -> Figure:
    """How long the texts are, up to the length that one in two hundred exceeds, each split by itself."""
    figure, axes = sheet(6.8, 4.2, f"Lengths: {name}")
    last = max(float(np.percentile(each.lengths, 99.5)) for each in splits.values())
    width = max(1, int(np.ceil(last / LENGTH_BINS)))
    bins = (np.arange(0, last + 2 * width, width) - 0.5).tolist()
    for number, (split, each) in enumerate(splits.items()):
        weights = np.full(len(each.lengths), 1 / len(each.lengths))
        middle = int(np.median(each.lengths))
        axes.hist(
            np.minimum(each.lengths, last),
            bins,
            weights=weights,
            histtype="step",
            color=CLASS_COLOURS[number],
            linewidth=1.6,
            label=f"{split}, median {middle}, longest {each.lengths.max()}",
        )
    axes.set(xlabel="tokens; longer texts stand in the last step", ylabel="share of the texts")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.legend(loc="outside lower center", ncols=len(splits), fontsize=8)
    return figure


def words(name: str, splits: Mapping[str, Overview]) -> Figure:
    """The most frequent words of the first split, without stop words."""
    told = _first(splits).words[::-1]
    figure, axes = sheet(6.0, 0.21 * len(told) + 1.4, f"Most frequent words: {name}")
    rows = np.arange(len(told))
    axes.barh(rows, [count for _, count in told], 0.7, color=BLUE)
    axes.set_yticks(rows, [word for word, _ in told], fontsize=8)
    axes.set_xlabel("texts that have the word")
    axes.grid(visible=False, axis="y")
    axes.margins(y=0.01)
    return figure


def _first(splits: Mapping[str, Overview]) -> Overview:
    return next(iter(splits.values()))
