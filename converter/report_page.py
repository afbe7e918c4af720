"""The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from converter.auto import Variant
from converter.layer_errors import LayerError
from converter.methods import METHODS, Method
from converter.report import Report, in_float, thread_counts, worst_layers
from converter.report_plots import Bar, Point, bars, columns, histogram, scatter
from converter.writing import write_whole

HISTOGRAMS = 12
"""Layers whose activations are drawn: those that lose most."""

DECIBELS = (-10.0, 60.0)
"""Columns of layers end there: layers that only move numbers have no error, and one without signal has nothing else."""

LISTED = 20
"""Layers in the table of those that lose most."""

_WIDE = '<div class="wide" tabindex="0">'
"""Around what may be wider than the screen; the keyboard can scroll it."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --faint: #5a6570; --line: #d5dbe1; --paper: #ffffff; --good: #e5f2ea;
  --series-0: #2b6ca3; --series-1: #b8442a; --series-2: #6a51a3; --series-3: #8a6d00; --series-4: #1b7f5c;
  --series-5: #6b7580; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --faint: #9aa6b2; --line: #39424c; --paper: #14181c; --good: #1c3527;
    --series-0: #6cb2eb; --series-1: #f08a6f; --series-2: #b9a3ec; --series-3: #d9b740; --series-4: #5ec79d;
    --series-5: #a7b1bb; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p, dd { overflow-wrap: anywhere; } .faint, dt, caption { color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; } dd { margin: 0; }
.take { background: var(--good); border-radius: .5rem; padding: .75rem 1rem; } .take p { margin: .25rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .25rem 0; }
th, td { padding: .25rem .75rem .25rem 0; text-align: right; vertical-align: top; }
td { white-space: nowrap; } td.word { white-space: normal; min-width: 8rem; } small { font-weight: 400; }
th { font-weight: 600; } thead th { border-bottom: 1px solid var(--line); vertical-align: bottom; }
.word { text-align: left; } tr.chosen { background: var(--good); font-weight: 600; }
svg { display: block; width: 100%; min-width: 34rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .small { font-size: 11px; fill: var(--faint); } svg .strong { font-weight: 700; }
svg .grid { stroke: var(--line); stroke-width: .7; } svg .axis { stroke: var(--faint); }
svg .level { stroke: var(--ink); stroke-dasharray: 6 4; } svg .floor { stroke: var(--faint); stroke-dasharray: 2 3; }
svg .column { fill: var(--series-0); } svg circle.chosen { stroke: var(--ink); stroke-width: 2; }
.small-plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem; }
.small-plots svg { min-width: 0; } figure { margin: 0; } figcaption { font-size: .8rem; overflow-wrap: anywhere; }
"""


def page(report: Report) -> str:
    """The whole file."""
    usable = [variant for variant in report.comparison.variants if variant.error is None]
    parts = [
        _head(report),
        _taken(report),
        _table(report),
        _failures(report),
        _size_against_score(report, usable),
        _latency(report, usable),
        *(_layers(method, layers) for method, layers in report.layers.items() if layers),
        *(
            f"<h2>Error per layer: {escape(method)}</h2>\n<p>{escape(why)}</p>"
            for method, why in report.unmeasured.items()
        ),
        _histograms(report),
        _costs(report),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Whatever a layer may be called, the page loads and runs nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(report.name)}: which int8 file</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def write_page(report: Report, path: Path) -> None:
    """Write the page, whole or not at all; raises `ModelError` where the folder cannot be written."""
    write_whole(path, page(report))


def _series(method: Method) -> int:
    return METHODS.index(method)


def _head(report: Report) -> str:
    comparison = report.comparison
    before, after = comparison.machine.temperature_c
    facts = {
        "Model": report.model,
        "Data": f"{report.data}: {comparison.samples:,} validation samples",
        "Float model": f"{comparison.measure} {comparison.baseline:.4f} before any conversion",
        "Timed on": str(comparison.machine),
        "Temperature": None if before is None or after is None else f"{before:.0f} °C before, {after:.0f} °C after",
        **{key.replace("_", " ").capitalize(): _plain(value) for key, value in report.facts.items()},
    }
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value)
    return f"<h1>{escape(report.name)}</h1>\n<dl>{rows}</dl>"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _taken(report: Report) -> str:
    chosen = report.recommendation
    threads = f"{chosen.threads} thread" + ("" if chosen.threads == 1 else "s")
    return (
        f'<h2>Take {escape(chosen.method)}, with {threads}</h2>\n<div class="take"><p>{escape(chosen.why)}.</p>'
        f'<p class="faint">The rule: {escape(chosen.rule)}.</p></div>'
    )


def _table(report: Report) -> str:
    comparison = report.comparison
    threads = thread_counts(comparison)
    head = ["Size, kB", comparison.measure.capitalize(), "Drop", "Same class", "Signal to noise, dB"]
    head += [f"ms, {count} thread{'' if count == 1 else 's'}" for count in threads]
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    rows = "".join(_row(report, variant, threads) for variant in comparison.variants if variant.content is not None)
    return (
        f"<h2>The variants</h2>\n{_WIDE}<table>"
        "<caption>Times are medians; below them the range of nine in ten runs.</caption>"
        f'<thead><tr><th scope="col" class="word">Method</th>{heads}'
        f'<th scope="col" class="word">Operators in float</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(report: Report, variant: Variant, threads: Sequence[int]) -> str:
    comparison, agreement = report.comparison, variant.agreement
    cells = [
        f"{(variant.size_bytes or 0) / 1000:,.1f}",
        "–" if variant.score is None else f"{variant.score:.4f}",
        "–" if variant.score is None else f"{comparison.drop(variant):+.4f}",
        "–" if agreement is None or not comparison.names_classes else f"{agreement.top1:.4f}",
        "–" if agreement is None else f"{agreement.sqnr_db:.1f}",
    ]
    for count in threads:
        timing = variant.timings.get(count)
        cells.append(
            "–"
            if timing is None
            else f'{timing.median:.3g}<br><small class="faint">{timing.p5:.3g} to {timing.p95:.3g}</small>'
        )
    marked = ' class="chosen"' if variant.method == report.recommendation.method else ""
    filled = "".join(f"<td>{cell}</td>" for cell in cells)
    return (
        f'<tr{marked}><th scope="row" class="word">{escape(variant.method)}</th>{filled}'
        f'<td class="word">{escape(in_float(variant))}</td></tr>'
    )


def _failures(report: Report) -> str:
    failed = [variant for variant in report.comparison.variants if variant.error]
    if not failed:
        return ""
    rows = "".join(f"<dt>{escape(each.method)}</dt><dd>{escape(each.error or '')}</dd>" for each in failed)
    return f"<h3>Out of the question</h3>\n<dl>{rows}</dl>"


def _size_against_score(report: Report, usable: Sequence[Variant]) -> str:
    comparison = report.comparison
    points = [
        Point(
            each.method,
            (each.size_bytes or 0) / 1000,
            each.score or 0.0,
            _series(each.method),
            each.method == report.recommendation.method,
        )
        for each in usable
    ]
    plot = scatter(
        "size",
        f"Size against {comparison.measure}",
        "; ".join(f"{point.name}: {point.x:,.1f} kB, {point.y:.4f}" for point in points),
        points,
        x_label="size of the file, kB (logarithmic)",
        y_label=comparison.measure,
        level=comparison.baseline,
        level_text="float model",
        floor=comparison.baseline - report.max_drop,
        floor_text=f"{report.max_drop:g} below: no further for a recommendation",
    )
    return f"<h2>Size against {escape(comparison.measure)}</h2>\n{_WIDE}{plot}</div>"


def _latency(report: Report, usable: Sequence[Variant]) -> str:
    rows = [
        Bar(
            f"{each.method}, {threads} thread{'' if threads == 1 else 's'}",
            taken,
            f"{taken:.3g} ms",
            _series(each.method),
        )
        for each in usable
        for threads, taken in sorted(each.milliseconds.items())
    ]
    if not rows:
        return ""
    plot = bars(
        "latency",
        "Latency by threads",
        "; ".join(f"{row.label}: {row.text}" for row in rows),
        rows,
        x_label="milliseconds of one inference, median",
    )
    machine = escape(str(report.comparison.machine))
    return f'<h2>Latency by threads</h2>\n<p class="faint">{machine}</p>\n{_WIDE}{plot}</div>'


def _layers(method: str, layers: Sequence[LayerError]) -> str:
    worst = worst_layers(layers, LISTED)
    plot = columns(
        f"layers-{method}",
        f"Error per layer, {method}",
        f"Worst: {worst[0].layer} with {worst[0].sqnr_db:.1f} dB; the table below lists the {len(worst)} worst",
        [layer.sqnr_db for layer in layers],
        [f"{layer.layer} ({layer.operator})" for layer in layers],
        x_label="layers, in the order of the file",
        y_label="signal over noise, dB",
        unit="dB",
        limits=DECIBELS,
    )
    rows = "".join(
        f'<tr><th scope="row" class="word">{escape(layer.layer)}</th><td class="word">{escape(layer.operator)}</td>'
        f"<td>{layer.sqnr_db:.1f}</td><td>{layer.mean_error:.3g}</td><td>{100 * layer.clipped:.2f}</td></tr>"
        for layer in worst
    )
    return (
        f"<h2>Error per layer: {escape(method)}</h2>\n"
        "<p class=\"faint\">How far each layer's output lies from the float model's, as signal over noise: a short "
        f"column is a large error.</p>\n{_WIDE}{plot}</div>\n{_WIDE}<table>"
        '<caption>The layers that lose most</caption><thead><tr><th scope="col" class="word">Layer</th>'
        '<th scope="col" class="word">Operator</th><th scope="col">Signal to noise, dB</th>'
        '<th scope="col">Mean error</th><th scope="col">Beyond the range, %</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _costs(report: Report) -> str:
    costs = report.costs
    if not costs:
        return ""
    classes = report.comparison.names_classes
    rows = "".join(
        f'<tr><th scope="row" class="word">{escape(" + ".join(cost.layers))}</th><td>{cost.alone_db:.1f}</td>'
        f"<td>{cost.gain_db:+.1f}</td><td>{cost.sqnr_db:.1f}</td>"
        f"<td>{f'{cost.agreement:.4f}' if classes else '–'}</td></tr>"
        for cost in costs
    )
    same = f" All in int8, the same class is named in {costs[0].agreement_int8:.4f} of the samples." if classes else ""
    return (
        "<h2>Layers that cost most</h2>\n"
        '<p class="faint">Alone: the outputs\' signal over noise where this layer alone is in int8. The figures behind '
        f"it: int8 with this layer and those above it in float.{same}</p>\n"
        f'{_WIDE}<table><thead><tr><th scope="col" class="word">Layer</th><th scope="col">Alone, dB</th>'
        '<th scope="col">Gain, dB</th><th scope="col">Signal to noise, dB</th><th scope="col">Same class</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _histograms(report: Report) -> str:
    """The float model's activations, which are the same beside each method; those of the layers that lose most."""
    layers = next(iter(report.layers.values()), ())
    if not layers:
        return ""
    figures = []
    for index, layer in enumerate(worst_layers(layers, HISTOGRAMS)):
        counts, edges = np.asarray(layer.histogram.counts), np.asarray(layer.histogram.edges)
        plot = histogram(
            f"histogram-{index}",
            f"Activations of {layer.layer}",
            f"{int(counts.sum()):,} numbers from {edges[0]:.3g} to {edges[-1]:.3g}",
            counts,
            edges,
        )
        caption = f"{layer.layer}: {edges[0]:.3g} to {edges[-1]:.3g}"
        figures.append(f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>")
    return (
        f"<h2>Activations of the layers that lose most in {escape(next(iter(report.layers)))}</h2>\n"
        '<p class="faint">How often which number occurs in the float model, the heights as roots. int8 divides the '
        "whole range into 255 even steps: a few far numbers leave few steps for all the others.</p>\n"
        f'<div class="small-plots">{"".join(figures)}</div>'
    )
