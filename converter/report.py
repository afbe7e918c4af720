"""What came of trying the methods, to be read: a table for the terminal and JSON; `report_page` makes a page of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converter import environment, layer_costs, layer_errors
from converter.auto import MAX_DROP, Comparison, Recommendation, Variant, recommend
from converter.data import Data
from converter.layer_costs import LayerCost
from converter.layer_errors import LayerError
from converter.methods import Method, Options
from converter.subject import Subject
from converter.writing import write_whole
from edge.errors import AffectEdgeError

ROUNDED: tuple[Method, ...] = ("int8", "qat", "int16x8")
"""Methods whose activations are whole numbers, so that each layer has an error of its own."""

WORST = 5
"""Layers that the table names for each method; JSON and the page have them all."""


@dataclass(frozen=True)
class Report:
    """One model, all its variants, and which to take."""

    name: str
    """Of the model."""
    model: str
    """Where it was read from."""
    data: str
    """Where the data came from."""
    comparison: Comparison
    recommendation: Recommendation
    max_drop: float
    """That the recommendation allowed."""
    layers: Mapping[Method, Sequence[LayerError]] = field(default_factory=dict)
    """Error of each layer, in the order of the file, for the methods that it was measured for."""
    unmeasured: Mapping[Method, str] = field(default_factory=dict)
    """Why the error of the layers could not be measured for a method."""
    costs: Sequence[LayerCost] = ()
    """Layers that cost int8 most, the costliest first, and what is gained by keeping them in float."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else belongs to the figures, such as the versions of the packages; plain types."""


def of(
    subject: Subject,
    data: Data,
    comparison: Comparison,
    options: Options | None = None,
    *,
    max_drop: float = MAX_DROP,
    costliest: int = 0,
    facts: Mapping[str, Any] | None = None,
) -> Report:
    """Recommend a variant, and measure the error of each layer of those in whole numbers.

    Parameters
    ----------
    options
        Those that the variants were made with.
    costliest
        How many layers to name that cost int8 most. Each layer of the model is tried, which takes as many conversions;
        0 tries none.
    facts
        What else belongs to the figures, in plain types; the seed and the packages' versions are added.

    Raises
    ------
    ModelError
        No variant can be used; or TFLite cannot quantise the model, where `costliest` was asked for.
    """
    options = options or Options()
    layers: dict[Method, Sequence[LayerError]] = {}
    unmeasured: dict[Method, str] = {}
    for variant in comparison.variants:
        if variant.method in ROUNDED and variant.content is not None:
            try:
                layers[variant.method] = layer_errors.measure(
                    subject, data.validation.x, variant.content, progress=options.progress
                )
            except AffectEdgeError as error:
                unmeasured[variant.method] = str(error)
    costs: Sequence[LayerCost] = ()
    if costliest:
        costs = layer_costs.costliest(
            subject,
            data.calibration.x[: options.calibration_samples],
            data.validation.x,
            costliest,
            input_range=options.input_range or data.input_range,
            progress=options.progress,
        )
    return Report(
        name=subject.name,
        model=str(subject.path or subject.name),
        data=data.source,
        comparison=comparison,
        recommendation=recommend(comparison, max_drop),
        max_drop=max_drop,
        layers=layers,
        unmeasured=unmeasured,
        costs=costs,
        facts={**(facts or {}), "seed": options.seed, "versions": environment.versions()},
    )


def worst_layers(layers: Sequence[LayerError], count: int = WORST) -> list[LayerError]:
    """Those with the least signal for their noise, the worst first."""
    return sorted(layers, key=lambda layer: layer.sqnr_db)[:count]


def in_float(variant: Variant) -> str:
    """The operators that work in float, such as '2 CONV_2D, SOFTMAX'."""
    counts = Counter(variant.floating)
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items()) or "none"


def thread_counts(comparison: Comparison) -> list[int]:
    """All numbers of threads that a variant was timed with."""
    return sorted({threads for variant in comparison.variants for threads in variant.timings})


def as_dict(report: Report) -> dict[str, Any]:
    """For JSON: plain types, rounded to what the figures can bear."""
    comparison = report.comparison
    return {
        "name": report.name,
        "model": report.model,
        "data": report.data,
        **report.facts,
        "machine": {**vars(comparison.machine), "temperature_c": list(comparison.machine.temperature_c)},
        "measure": comparison.measure,
        "samples": comparison.samples,
        "float_model": round(comparison.baseline, 5),
        "variants": [_variant(comparison, variant) for variant in comparison.variants],
        "layers": {method: [layer.as_dict() for layer in layers] for method, layers in report.layers.items()},
        "layers_unmeasured": dict(report.unmeasured),
        "costliest_layers": [cost.as_dict() for cost in report.costs],
        "recommendation": {**vars(report.recommendation), "max_drop": report.max_drop},
    }


def _variant(comparison: Comparison, variant: Variant) -> dict[str, Any]:
    return {
        "method": variant.method,
        "error": variant.error,
        "size_bytes": variant.size_bytes,
        "score": None if variant.score is None else round(variant.score, 5),
        "drop": None if variant.score is None else round(comparison.drop(variant), 5),
        "agreement": variant.agreement and variant.agreement.as_dict(),
        "milliseconds": {str(threads): timing.as_dict() for threads, timing in variant.timings.items()},
        "floating": dict(Counter(variant.floating)),
        "notes": dict(variant.notes),
    }


def table(report: Report) -> str:
    """For a terminal."""
    comparison = report.comparison
    threads = thread_counts(comparison)
    head = ["method", "kB", comparison.measure, "drop", *(f"ms, {count} thr" for count in threads), "in float"]
    rows = [_row(comparison, variant, threads) for variant in comparison.variants if variant.content is not None]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        f"model     {report.model}",
        f"data      {report.data}: {comparison.samples} validation samples",
        f"timed on  {comparison.machine}",
        f"float     {comparison.measure} {comparison.baseline:.4f} before any conversion",
        "",
        *(_line(row, widths) for row in [head, *rows]),
        *(f"{each.method} is out of the question: {each.error}" for each in comparison.variants if each.error),
    ]
    for method, layers in report.layers.items():
        lines += ["", f"layers that lose most in {method}, dB of signal over noise:"]
        lines += [f"  {layer.sqnr_db:6.1f}  {layer.layer} ({layer.operator})" for layer in worst_layers(layers)]
    lines += [f"layers of {method} were not measured: {why}" for method, why in report.unmeasured.items()]
    if report.costs:
        lines += ["", "gain of int8 where these stay in float, each with those above it, dB at the outputs:"]
        lines += [f"  {cost.gain_db:+6.1f}  {' + '.join(cost.layers)}" for cost in report.costs]
    chosen = report.recommendation
    plural = "" if chosen.threads == 1 else "s"
    lines += [
        "",
        f"take      {chosen.method}, {chosen.threads} thread{plural}",
        f"because   {chosen.why}",
        f"rule      {chosen.rule}",
    ]
    return "\n".join(lines)


def _row(comparison: Comparison, variant: Variant, threads: Sequence[int]) -> list[str]:
    taken = variant.milliseconds
    return [
        variant.method,
        f"{(variant.size_bytes or 0) / 1000:.1f}",
        "-" if variant.score is None else f"{variant.score:.4f}",
        "-" if variant.score is None else f"{comparison.drop(variant):+.4f}",
        *(f"{taken[count]:.3g}" if count in taken else "-" for count in threads),
        in_float(variant),
    ]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    # The first and the last are words, the others numbers.
    numbers = (f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
    return "  ".join((f"{row[0]:<{widths[0]}}", *numbers, row[-1]))


def write_json(report: Report, path: Path) -> None:
    """Write the report as JSON, whole or not at all.

    Raises
    ------
    ModelError
        The folder cannot be written.
    """
    write_whole(path, json.dumps(as_dict(report), indent=2, ensure_ascii=False) + "\n")
