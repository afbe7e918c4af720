"""The figures as a picture: models, loops, and the sustained run over time. Needs matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from edge.bench.document import Document, Sustained
from edge.errors import DataError, MissingDependencyError


def need_matplotlib() -> None:
    """Raise `MissingDependencyError` where it is not installed; it is not imported yet."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError("matplotlib", "demo", "--plot")


def draw(document: Document, path: Path) -> None:
    """Write a PNG.

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    DataError
        It cannot be written, or there is nothing to draw.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    panels = [_models] if document.models else []
    panels += [_loops] if any(loop and loop.back_to_back for loop in (document.camera, document.microphone)) else []
    run = document.sustained
    if run is not None and run.samples:
        panels += [_rates]
        # A virtual machine has no sensor.
        told = any(sample.celsius is not None or sample.clock_mhz is not None for sample in run.samples)
        panels += [_heat] if told else []
    if not panels:
        raise DataError(f"{path}: nothing was measured that could be drawn")
    # No pyplot: it would look for a screen.
    figure = Figure(figsize=(10, 3.6 * len(panels)), layout="constrained")
    figure.suptitle(_title(document))
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        panel(axes, document)
    try:
        figure.savefig(path, format="png", dpi=110)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None


def _title(document: Document) -> str:
    machine = document.machine
    cut = ", interrupted" if document.interrupted else ""
    return f"{machine.board or machine.cpu or machine.architecture}, affect-edge {document.versions.affect_edge}{cut}"


def _models(axes: Any, document: Document) -> None:
    names = list(dict.fromkeys(row.model for row in document.models))
    kinds = list(dict.fromkeys((row.accelerator, row.threads) for row in document.models))
    height = 0.8 / len(kinds)
    for place, (accelerator, threads) in enumerate(kinds):
        rows = [row for row in document.models if (row.accelerator, row.threads) == (accelerator, threads)]
        at = [names.index(row.model) + (place - (len(kinds) - 1) / 2) * height for row in rows]
        p50 = [row.p50_ms for row in rows]
        beyond = [max(0.0, row.p90_ms - row.p50_ms) for row in rows]
        below = [max(0.0, row.p50_ms - row.min_ms) for row in rows]
        label = f"{accelerator}, {threads} thread{'s' if threads > 1 else ''}"
        axes.barh(at, p50, height, xerr=[below, beyond], label=label, error_kw={"linewidth": 0.8})
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms for an inference: p50, with min and p90")
    axes.legend()


def _loops(axes: Any, document: Document) -> None:
    names, models, rest = [], [], []
    for name, loop in (("camera, a frame", document.camera), ("microphone, half a second", document.microphone)):
        if loop is not None and loop.back_to_back is not None:
            names.append(name)
            models.append(loop.back_to_back.models_ms)
            rest.append(loop.back_to_back.mean_ms - loop.back_to_back.models_ms)
    axes.barh(names, models, label="models")
    axes.barh(names, rest, left=models, label="all else")
    axes.invert_yaxis()
    axes.set_xlabel("ms on average, back to back")
    axes.legend()


def _rates(axes: Any, document: Document) -> None:
    run = _sustained(document)
    _line(axes, run, "frames_a_second", "frames a second", "tab:blue")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("frames a second")
    axes.set_xlabel("s")


def _heat(axes: Any, document: Document) -> None:
    run = _sustained(document)
    _line(axes, run, "celsius", "°C", "tab:red")
    axes.set_ylabel("°C")
    axes.set_xlabel("s")
    other = axes.twinx()
    _line(other, run, "clock_mhz", "MHz", "tab:green")
    other.set_ylabel("MHz")
    for sample in run.samples:
        if sample.throttled:
            axes.axvline(sample.at_s, color="tab:orange", alpha=0.3)
    axes.set_title("temperature (red), clock (green), held back (orange)")


def _line(axes: Any, run: Sustained, key: str, label: str, colour: str) -> None:
    points = [(sample.at_s, getattr(sample, key)) for sample in run.samples if getattr(sample, key) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, label=label, marker="." if len(points) < 40 else "")


def _sustained(document: Document) -> Sustained:
    assert document.sustained is not None
    return document.sustained
