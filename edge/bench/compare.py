"""Two runs beside each other: ratios of what both measured, and what makes them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.bench.document import Document, Machine, Protocol, Versions

_MODEL_FIGURES = ("load_ms", "first_ms", "min_ms", "p50_ms", "p90_ms", "p99_ms")
_FAST_FIGURES = ("min_ms", "p50_ms", "p90_ms", "p99_ms", "mean_ms", "models_ms", "overhead", "cpu_overhead")
_PACED_FIGURES = ("p50_ms", "p99_ms", "missed", "cpu_ms_a_second")
_MEMORY_FIGURES = ("start_mb", "loaded_mb", "peak_mb", "after_mb")


def compare(old: Document, new: Document) -> dict[str, Any]:
    """What differs between two runs.

    Returns
    -------
    {'differences', 'rows', 'only_old', 'only_new', 'notes'}
        differences: of machine, versions and protocol, [{what, old, new}]. rows: [{what, old, new, ratio}]: new / old,
        null where the old figure is 0. only_old, only_new: names of figures that one run alone has.
    """
    olds, news = dict(_figures(old)), dict(_figures(new))
    rows = [
        {"what": what, "old": olds[what], "new": news[what], "ratio": _ratio(olds[what], news[what])}
        for what in olds
        if what in news
    ]
    return {
        "differences": list(_differences(old, new)),
        "rows": rows,
        "only_old": [what for what in olds if what not in news],
        "only_new": [what for what in news if what not in olds],
        "notes": [f"{which}: {note}" for which, run in (("old", old), ("new", new)) for note in _warnings(run)],
    }


def as_text(found: dict[str, Any], old: str, new: str) -> str:
    """For people."""
    lines = [f"old: {old}", f"new: {new}", ""]
    if found["differences"]:
        lines.append("The runs are not alike:")
        lines += [f"  {entry['what']}: {entry['old']} -> {entry['new']}" for entry in found["differences"]]
    else:
        lines.append("The same machine, versions and protocol, as far as is told.")
    lines += ["", *(f"  {note}" for note in found["notes"])] if found["notes"] else []
    width = max((len(row["what"]) for row in found["rows"]), default=10)
    lines += ["", f"{'figure':<{width}}  {'old':>12}  {'new':>12}  {'new/old':>8}"]
    for row in found["rows"]:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
        lines.append(f"{row['what']:<{width}}  {row['old']:>12.6g}  {row['new']:>12.6g}  {ratio:>8}")
    if not found["rows"]:
        lines.append("nothing that both measured")
    for which in ("old", "new"):
        if found[f"only_{which}"]:
            lines += ["", f"Only in the {which} run:", *(f"  {what}" for what in found[f"only_{which}"])]
    return "\n".join(lines)


def _figures(run: Document) -> Iterator[tuple[str, float]]:
    for row in run.models:
        yield from _named(f"{row.model}, {row.accelerator}, {row.threads} threads", row, _MODEL_FIGURES)
    for name, loop in (("camera", run.camera), ("microphone", run.microphone)):
        if loop is not None:
            yield from _named(f"{name}, back to back", loop.back_to_back, _FAST_FIGURES)
            yield from _named(f"{name}, at its pace", loop.paced, _PACED_FIGURES)
            yield from _named(f"{name}, memory", loop.memory, _MEMORY_FIGURES)
    yield from _named("camera", run.camera, ("frames_a_second",))
    yield from _named("microphone", run.microphone, ("ms_a_second", "silence_ms_a_second"))
    yield from _named("start", run.start, ("first_s", "min_s", "p50_s", "max_s", "peak_mb"))
    if run.energy is not None:
        for phase in run.energy.phases:
            yield from _named(f"energy, {phase.phase}", phase, ("watts", "above_idle_watts"))
    yield from _named("sustained", run.sustained, ("kept", "hottest_celsius", "slowest_mhz"))


def _named(prefix: str, part: object, keys: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    if part is None:
        return
    for key in keys:
        value = getattr(part, key)
        if value is not None:
            yield f"{prefix}: {key}", float(value)


def _differences(old: Document, new: Document) -> Iterator[dict[str, Any]]:
    pairs: list[tuple[str, Machine | Versions | Protocol, Machine | Versions | Protocol]] = [
        ("machine", old.machine, new.machine),
        ("versions", old.versions, new.versions),
        ("protocol", old.protocol, new.protocol),
    ]
    for name, before, after in pairs:
        for key in type(before).model_fields:
            one, other = getattr(before, key), getattr(after, key)
            if one != other:
                yield {"what": f"{name}.{key}", "old": one, "new": other}
    governors = [sorted(set(run.state.start.governors.values())) for run in (old, new)]
    if governors[0] != governors[1]:
        yield {"what": "governors", "old": governors[0], "new": governors[1]}
    versions = [{row.model: row.sha256 for row in run.models} for run in (old, new)]
    for model in versions[0].keys() & versions[1].keys():
        if versions[0][model] != versions[1][model]:
            yield {"what": f"model {model}", "old": versions[0][model][:12], "new": versions[1][model][:12]}
    for name, one, other in (
        ("camera", old.camera, new.camera),
        ("microphone", old.microphone, new.microphone),
    ):
        for key in ("scene", "sound", "width", "height", "fps", "detector", "expression", "rate", "model", "hop_s"):
            found = getattr(one, key, None), getattr(other, key, None)
            if one is not None and other is not None and found[0] != found[1]:
                yield {"what": f"{name}.{key}", "old": found[0], "new": found[1]}


def _warnings(run: Document) -> Iterator[str]:
    if run.interrupted:
        yield "it was interrupted"
    if run.not_measured:
        yield f"{len(run.not_measured)} things were not measured"
    yield from run.notes


def _ratio(old: float, new: float) -> float | None:
    return round(new / old, 4) if old else None
