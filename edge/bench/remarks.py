"""What is to be known beside the figures: sensors that say nothing, a busy machine, a governor that changed; energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edge.bench.document import Moment, Reason
from edge.bench.energy import Meter
from edge.bench.sensors import why_no_policy, why_no_temperature
from edge.bench.settings import Settings
from edge.bench.watch import Watch
from edge.board import throttling


def absent_sensors(start: Moment, settings: Settings) -> Iterator[Reason]:
    """Those of the board that say nothing, with the reason."""
    root = settings.root
    if not start.governors:
        yield Reason(what="governor", reason=why_no_policy("scaling_governor", root))
    if not start.clocks_mhz:
        yield Reason(what="clock", reason=why_no_policy("scaling_cur_freq", root))
    if start.celsius is None:
        yield Reason(what="temperature", reason=why_no_temperature(root))
    if throttling(root, vcgencmd=settings.vcgencmd) is None:
        reason = "no Raspberry Pi's firmware answers (another board, or no vcgencmd, or its group video is missing)"
        yield Reason(what="throttling", reason=reason)


def notes(start: Moment, end: Moment, watch: Watch, cores: int) -> Iterator[str]:
    """What makes figures worth less."""
    loads = [moment.load for moment in (start, end) if moment.load is not None]
    if start.load is not None and start.load > cores / 2:
        yield (
            f"the machine was busy before: load {start.load} on {cores} cores; trust the least times (min) and the "
            "ratios, not the other times"
        )
    elif loads and max(loads) > 2 * cores:
        yield f"the machine did other work as well: load {max(loads)} on {cores} cores"
    for change in watch.changes:
        yield (
            f"the governor of {change.policy} changed from {change.before} to {change.after} after {change.at_s:.0f} "
            f"s, during '{change.during}': figures before and after cannot be compared"
        )
    slow = sorted({governor for governor in start.governors.values() if governor not in ("performance",)})
    if slow:
        yield f"governor {', '.join(slow)}: clocks follow the load; `performance` holds them, for figures that repeat"
    if watch.throttled:
        yield f"the board was held back meanwhile: {', '.join(sorted(watch.throttled))}"


def energy(meter: Meter | None, watch: Watch, phases: Sequence[tuple[str, float, float]]) -> dict[str, Any] | None:
    """What `document.Energy` holds; None where nothing was measured."""
    if meter is None:
        return None
    found = []
    idle: float | None = None
    for phase, begin, end in phases:
        joules = watch.joules(begin, end)
        if joules is None:
            continue
        watts = joules / (end - begin)
        found.append(
            {
                "phase": phase,
                "seconds": round(end - begin, 3),
                "joules": round(joules, 3),
                "watts": round(watts, 3),
                "above_idle_watts": None if idle is None else round(watts - idle, 3),
            }
        )
        if phase == "idle":
            idle = watts
    return {"meter": meter.name, "rails": meter.rails, "phases": found} if found else None
