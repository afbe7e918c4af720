"""Plots of a conversion's report as SVG text that stands inside an HTML page.

Written by hand: the shapes are few, and colours come from the page's own style, so that the plots follow its dark and
light themes and need no package. Nothing depends on colour alone; each mark has its words beside it or as its title.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH = 720
"""Units of a plot; the page scales it down on narrow screens."""

_LETTER, _LINE = 7.0, 16.0
"""About how wide a letter and how high a line of the page's 12-unit text is."""


@dataclass(frozen=True)
class Point:
    """One mark of `scatter`."""

    name: str
    x: float
    y: float
    series: int
    """Number of its colour."""
    chosen: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar of `bars`."""

    label: str
    """In front of it; empty to belong to the one above."""
    value: float
    text: str
    """Behind it."""
    series: int


@dataclass(frozen=True)
class Frame:
    """Where a plot's field lies, and how numbers become places in it."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool = False

    def across(self, value: float) -> float:
        scale = math.log10 if self.log_x else float
        low, high = scale(self.x[0]), scale(self.x[1])
        return self.left + (self.right - self.left) * (scale(value) - low) / (high - low)

    def down(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.y[0]) / (self.y[1] - self.y[0])


def svg(identity: str, title: str, description: str, height: float, parts: Sequence[str], width: float = WIDTH) -> str:
    """The element around a plot; `identity` has to be the only one on the page."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{identity}-title {identity}-text">'
        f'<title id="{identity}-title">{escape(title)}</title><desc id="{identity}-text">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def scatter(
    identity: str,
    title: str,
    description: str,
    points: Sequence[Point],
    *,
    x_label: str,
    y_label: str,
    level: float,
    level_text: str,
    floor: float,
    floor_text: str,
) -> str:
    """Marks with their names; x on a logarithmic scale.

    Parameters
    ----------
    level, floor
        Values of y to draw a line at.
    """
    values = [*(point.y for point in points), level, floor]
    margin = max(0.08 * (max(values) - min(values)), 1e-3)
    sizes = [point.x for point in points]
    frame = Frame(
        left=64,
        top=16,
        right=WIDTH - 24,
        bottom=300,
        x=(min(sizes) / 1.35, max(sizes) * 1.6),
        y=(min(values) - margin, max(values) + margin),
        log_x=True,
    )
    parts = [_axes(frame, _log_ticks(*frame.x), ticks(*frame.y), x_label, y_label)]
    taken = [(frame.across(point.x) - 7, frame.down(point.y) - 7, 14.0, 14.0) for point in points]
    for value, text, kind in ((level, level_text, "level"), (floor, floor_text, "floor")):
        y = frame.down(value)
        taken.append((frame.left, y - 1, frame.right - frame.left, 2))
        taken.append((frame.right - len(text) * _LETTER, y - _LINE, len(text) * _LETTER, _LINE))
        parts.append(f'<line class="{kind}" x1="{frame.left}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(frame.right, y - 4, text, "end", "small"))
    for point in points:
        x, y = frame.across(point.x), frame.down(point.y)
        told = f"{point.name}: {point.x:,.1f} kB, {point.y:.4f}"
        radius = 7 if point.chosen else 5
        ring = ' class="chosen"' if point.chosen else ""
        parts.append(
            f'<g><title>{escape(told)}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"{ring} '
            f'fill="var(--series-{point.series})"/></g>'
        )
        place, anchor, box = _free_place(frame, x, y, len(point.name) * _LETTER, taken)
        taken.append(box)
        parts.append(_text(*place, point.name, anchor, "strong" if point.chosen else ""))
    return svg(identity, title, description, frame.bottom + 48, parts)


def bars(identity: str, title: str, description: str, rows: Sequence[Bar], *, x_label: str) -> str:
    """Bars from left to right, one a line, with their figures behind them."""
    left = 24 + _LETTER * max(len(row.label) for row in rows)
    step = 22.0
    frame = Frame(left, 8, WIDTH - 110, 16 + step * len(rows), (0, max(row.value for row in rows) or 1), (0, 1))
    parts = [_x_axis(frame, ticks(*frame.x), x_label)]
    for index, row in enumerate(rows):
        top = frame.top + 4 + step * index
        wide = frame.across(row.value) - frame.left
        parts.append(_text(left - 8, top + 13, row.label, "end"))
        parts.append(
            f'<g><title>{escape(f"{row.label} {row.text}")}</title><rect x="{left:.1f}" y="{top:.1f}" '
            f'width="{max(wide, 1):.1f}" height="16" fill="var(--series-{row.series})"/></g>'
        )
        parts.append(_text(left + wide + 6, top + 13, row.text))
    return svg(identity, title, description, frame.bottom + 44, parts)


def columns(
    identity: str,
    title: str,
    description: str,
    values: Sequence[float],
    names: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    unit: str,
    limits: tuple[float, float],
) -> str:
    """Thin columns side by side, each with its name as its title; those beyond `limits` end there."""
    shown = np.clip(values, *limits)
    high = max(0.0, float(shown.max()))
    low = min(0.0, float(shown.min()))
    frame = Frame(56, 12, WIDTH - 12, 240, (0, len(values)), (low, high if high > low else low + 1))
    parts = [_axes(frame, [], ticks(*frame.y), x_label, y_label)]
    zero = frame.down(0)
    for index, (name, value, height) in enumerate(zip(names, values, shown, strict=True)):
        x, wide = frame.across(index), frame.across(index + 1) - frame.across(index)
        y = frame.down(float(height))
        parts.append(
            f'<g><title>{escape(f"{index + 1}. {name}: {value:.1f} {unit}")}</title><rect class="column" '
            f'x="{x:.2f}" y="{min(y, zero):.1f}" width="{0.85 * wide:.2f}" height="{max(abs(zero - y), 0.5):.1f}"/></g>'
        )
    return svg(identity, title, description, frame.bottom + 44, parts)


def histogram(
    identity: str, title: str, description: str, counts: npt.NDArray[np.int64], edges: npt.NDArray[np.float64]
) -> str:
    """A small plot of how often which numbers occur; the height is a root, so that rare ones are seen."""
    heights = np.sqrt(counts / max(int(counts.max()), 1))
    frame = Frame(8, 8, 252, 96, (float(edges[0]), float(edges[-1])), (0, 1))
    parts = [_x_axis(frame, ticks(*frame.x, count=3), "")]
    for count, height, begin, end in zip(counts, heights, edges[:-1], edges[1:], strict=True):
        x, wide = frame.across(begin), frame.across(end) - frame.across(begin)
        told = f"{begin:.3g} to {end:.3g}: {count}"
        parts.append(
            f'<g><title>{escape(told)}</title><rect class="column" x="{x:.2f}" y="{frame.down(height):.1f}" '
            f'width="{wide:.2f}" height="{frame.bottom - frame.down(height):.1f}"/></g>'
        )
    return svg(identity, title, description, 120, parts, width=260)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers between two; none where both are the same."""
    if not high > low:
        return []
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [10.0**power * factor for power in powers for factor in (1, 2, 5)]
    return [value for value in found if low <= value <= high]


def _axes(frame: Frame, at_x: Sequence[float], at_y: Sequence[float], x_label: str, y_label: str) -> str:
    middle = (frame.top + frame.bottom) / 2
    parts = [_x_axis(frame, at_x, x_label)]
    parts += [
        f'<line class="grid" x1="{frame.left}" x2="{frame.right}" y1="{frame.down(y):.1f}" y2="{frame.down(y):.1f}"/>'
        + _text(frame.left - 6, frame.down(y) + 4, _number(y), "end", "small")
        for y in at_y
    ]
    turned = f'transform="rotate(-90 14 {middle:.1f})"'
    parts.append(f'<text x="14" y="{middle:.1f}" text-anchor="middle" {turned}>{escape(y_label)}</text>')
    return "".join(parts)


def _x_axis(frame: Frame, at: Sequence[float], label: str) -> str:
    parts = [f'<line class="axis" x1="{frame.left}" x2="{frame.right}" y1="{frame.bottom}" y2="{frame.bottom}"/>']
    parts += [
        f'<line class="grid" x1="{frame.across(x):.1f}" x2="{frame.across(x):.1f}" y1="{frame.top}" '
        f'y2="{frame.bottom}"/>' + _text(frame.across(x), frame.bottom + 16, _number(x), "middle", "small")
        for x in at
    ]
    if label:
        parts.append(_text((frame.left + frame.right) / 2, frame.bottom + 36, label, "middle"))
    return "".join(parts)


Box = tuple[float, float, float, float]
"""Left, top, width, height."""


def _free_place(
    frame: Frame, x: float, y: float, wide: float, taken: Sequence[Box]
) -> tuple[tuple[float, float], str, Box]:
    """Where a mark's name covers nothing: beside it, above or below, or further off."""
    found = None
    for off in (0.0, _LINE, -_LINE, 2 * _LINE, -2 * _LINE, 3 * _LINE, -3 * _LINE):
        base = y + 4 + off
        for anchor, start in (("start", x + 11), ("end", x - 11)):
            left = start if anchor == "start" else start - wide
            place = (start, base), anchor, (left, base - 12, wide, _LINE)
            found = found or place  # covering something is better than no name
            inside = left >= frame.left and left + wide <= frame.right and frame.top <= base - 12 <= frame.bottom - 12
            if inside and not any(_meet(place[2], other) for other in taken):
                return place
    assert found is not None
    return found


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    styled = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) >= 1000 else f"{round(value, 10):.6g}"
