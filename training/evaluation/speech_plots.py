"""A picture of a speech model's figures by corpus and by group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from training.evaluation.plots import BLUE, GREY, INK, STYLE
from training.evaluation.speech_figures import PartFigures
from training.evaluation.speech_report import SpeechReport


def write_part_plot(report: SpeechReport, directory: Path) -> Path:
    """Draw UAR of each corpus and group with its interval into `directory`, as parts.png."""
    path = directory / "parts.png"
    with rc_context(STYLE):
        part_plot(report).savefig(path)
    return path


def part_plot(report: SpeechReport) -> Figure:
    """UAR of each corpus and group with its interval; grey where there are too few recordings or speakers."""
    rows: list[tuple[str, PartFigures]] = [("all", report.whole)]
    if report.emotions:
        rows.append(("what is spoken", report.emotions))
    rows += report.corpora.items()
    for group, found in report.groups.items():
        rows += [(f"{group}: {value}", each) for value, each in found.items()]
    figure = Figure(figsize=(7.2, 0.34 * len(rows) + 1.3), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"Corpora and groups: {report.model}, {report.split}")
    for row, (_, each) in enumerate(rows):
        interval = each.unweighted_average_recall_interval
        colour = GREY if interval is None or each.too_few else BLUE
        if interval:
            axes.plot(interval, (row, row), color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(each.unweighted_average_recall, row, "o", color=colour, markersize=6)
    # Groups are of people: what they are beside is all that is spoken.
    axes.axvline((report.emotions or report.whole).unweighted_average_recall, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(
        np.arange(len(rows)),
        [
            f"{name}  ({each.recordings}{f' of {each.speakers} speakers' if each.speakers else ''})"
            for name, each in rows
        ],
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 1.01)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("unweighted average recall, 95 % interval over speakers\ngrey: too few to tell")
    return figure
