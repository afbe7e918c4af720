"""What a run found, as a document and as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import measuring
from benchmarks.peers.places import Absent, Ready
from benchmarks.peers.rounds import Measured, Run, figures
from benchmarks.peers.system import BASELINES, JOBS, PeerFile, System

THREADS = {"shipped": "threads as shipped", "one": "one thread, one core"}

Row = measuring.Results


def results(
    ready: Sequence[Ready],
    absent: Sequence[Absent],
    done: Run,
    failed: Mapping[str, str],
    counts: Mapping[str, int],
    inputs: Mapping[str, Any],
    scored: measuring.Results | None,
) -> measuring.Results:
    """The document: every system of the run, those that were not measured among them."""
    rows: dict[str, Row] = {}
    places: list[Ready | Absent] = [*ready, *absent]
    for each in places:
        system = each.system
        row: Row = {
            "name": system.name,
            "job": system.job,
            "ours": system.ours,
            "what": system.what,
            "origin": system.origin,
            "licence": system.licence,
            "trained_on": system.trained_on,
            "on_test_data": system.on_test_data,
        }
        if isinstance(each, Absent):
            row |= {"status": "refused" if each.refused else "absent", "reason": each.reason}
            row |= {"files": _listed(system), "threads": {}}
        else:
            known = done.systems.get(system.name)
            row |= _status(failed.get(system.name), known) | {"files": _used(each)}
            row |= figures(known) if known else {"threads": {}}
        rows[system.name] = row
    for row in rows.values():
        row["ratios"] = ratios(row, rows.get(BASELINES[row["job"]]))
    order = {system: number for number, system in enumerate(JOBS)}
    return {
        "protocol": {**counts, **inputs, "jobs": dict(JOBS), "baselines": dict(BASELINES)},
        "interrupted": done.interrupted,
        "systems": sorted(rows.values(), key=lambda row: order[row["job"]]),
        "accuracy": scored,
    }


def _status(unfitted: str | None, known: Measured | None) -> dict[str, str]:
    """Whether all of it was measured, and if not, why."""
    if reason := unfitted or (known.failure if known else ""):
        return {"status": "failed", "reason": reason}
    if known is None or known.process.keys() != THREADS.keys():
        part = "only a part of it" if known and known.starts else "nothing of it"
        return {"status": "interrupted", "reason": f"{part} was measured"}
    return {"status": "measured", "reason": ""}


def _used(ready: Ready) -> list[dict[str, Any]]:
    origins = {file.name: file.origin for file in ready.system.files}
    return [
        {
            "name": file.name,
            "sha256": file.sha256 or None,
            "bytes": file.bytes,
            "listed": file.listed,
            "origin": origins.get(file.name, "made in this run"),
        }
        for file in ready.files
    ]


def _listed(system: System) -> list[dict[str, Any]]:
    return [
        {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "listed": None, "origin": file.origin}
        for file in system.files
    ]


def ratios(row: Row, baseline: Row | None) -> dict[str, float]:
    """How many times affect-edge's figure a system's is, of what both have: above 1, affect-edge needs less."""
    if baseline is None:
        return {}
    found = {}
    for name, path in {
        "ms shipped": ("threads", "shipped", "milliseconds", "mean"),
        "ms one": ("threads", "one", "milliseconds", "mean"),
        "cpu shipped": ("threads", "shipped", "cpu_milliseconds"),
        "cpu one": ("threads", "one", "cpu_milliseconds"),
        "peak": ("threads", "shipped", "peak_mb"),
        "start": ("start", "seconds", "median"),
        "start cpu": ("start", "cpu_seconds", "median"),
        "disk": ("disk", "mb"),
    }.items():
        one, other = _at(row, path), _at(baseline, path)
        if one is not None and other:
            found[name] = round(one / other, 2)
    return found


def _at(row: Row, path: Sequence[str]) -> float | None:
    value: Any = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def table(found: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(found))


def _lines(found: measuring.Results) -> Iterator[str]:
    protocol = found["protocol"]
    yield protocol_line(protocol)
    if found["interrupted"]:
        yield f"interrupted while {found['interrupted']}: what was measured until then is told"
    for job, what in protocol["jobs"].items():
        rows = [row for row in found["systems"] if row["job"] == job]
        shown = [row for row in rows if row["threads"] or row.get("start")]
        if not rows:
            continue
        yield ""
        yield f"{job}: {what}"
        for threads, words in THREADS.items():
            if any(threads in row["threads"] for row in shown):
                yield f"  {words}"
                yield (
                    f"  {'':<30}{'a second':>10}{'ms':>10}{'ratio':>8}{'CPU ms':>9}{'ratio':>8}{'threads':>9}"
                    f"{'answered':>10}"
                )
            for row in shown:
                if threads in row["threads"]:
                    yield f"  {_time_line(row, threads)}"
        if shown:
            yield (
                f"  {'':<30}{'start s':>10}{'ratio':>8}{'CPU s':>8}{'ratio':>8}{'peak MB':>10}{'ratio':>8}"
                f"{'disk MB':>10}{'ratio':>8}"
            )
            for row in shown:
                yield f"  {_size_line(row)}"
        for row in rows:
            if row["status"] != "measured":
                yield f"  {row['name']}: {row['status']}: {row['reason']}"
    if found["accuracy"]:
        yield ""
        yield from _accuracy_lines(found)


def protocol_line(protocol: Mapping[str, Any]) -> str:
    """How it was measured, in a sentence or two."""
    alone = f" {protocol['starts']} more starts alone, after one that is not counted" if protocol["starts"] else ""
    parts = [
        f"{protocol['rounds']} items of each in turn after {protocol['warmup']} to warm up;"
        f"{alone or ' the start of the processes that were given them'}"
    ]
    parts += [f"{name}: {what}" for name, what in protocol["inputs"].items()]
    if protocol["fitted"]:
        parts.append(f"TF-IDF was fitted on {protocol['fitted']}")
    return ". ".join(parts)


def ratio(row: Row, name: str) -> str:
    """A ratio for a table; nothing where there is none."""
    value = row["ratios"].get(name)
    return "" if value is None else f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def _time_line(row: Row, threads: str) -> str:
    each = row["threads"][threads]
    return (
        f"{row['name']:<30}{each['a_second']:>10}{each['milliseconds']['mean']:>10.2f}"
        f"{ratio(row, f'ms {threads}'):>8}{each['cpu_milliseconds']:>9.2f}"
        f"{ratio(row, f'cpu {threads}'):>8}{each['threads'] or '':>9}{each['answered']:>10.0%}"
    )


def _size_line(row: Row) -> str:
    start, disk = row.get("start"), row.get("disk")
    peak = row["threads"].get("shipped", {}).get("peak_mb")
    return (
        f"{row['name']:<30}{start['seconds']['median'] if start else '':>10}{ratio(row, 'start'):>8}"
        f"{start['cpu_seconds']['median'] if start else '':>8}{ratio(row, 'start cpu'):>8}"
        f"{'' if peak is None else peak:>10}{ratio(row, 'peak'):>8}"
        f"{disk['mb'] if disk else '':>10}{ratio(row, 'disk'):>8}"
    )


def _accuracy_lines(found: measuring.Results) -> Iterator[str]:
    scored = found["accuracy"]
    yield (
        f"{scored['data']}: {scored['faces']} faces, {scored['faces_also_in_training']} of which also stand in Training"
    )
    told = {row["name"]: row["on_test_data"] for row in found["systems"]}
    for name, row in scored["systems"].items():
        if "failure" in row:
            yield f"  {name}: {row['failure']}"
            continue
        yield (
            f"  {name:<30}accuracy {row['accuracy']:.4f} ({row['interval'][0]:.4f} to {row['interval'][1]:.4f}), "
            f"mean recall {row['balanced_accuracy']:.4f}"
        )
        yield f"    trained on the test data: {told[name]}"


def listing(places: Sequence[Ready | Absent]) -> str:
    """Every system: whether it is here, its origin, its files and what it was trained on."""
    return "\n".join(line for each in places for line in _listing(each))


def _listing(each: Ready | Absent) -> Iterator[str]:
    system = each.system
    yield f"{system.name} ({system.job}): {system.what}"
    if isinstance(each, Absent):
        yield f"  {'REFUSED' if each.refused else 'ABSENT'}: {each.reason}"
    else:
        yield f"  here: {each.command[0]}"
    if system.origin:
        yield f"  origin: {system.origin}"
    yield f"  licence: {system.licence}"
    yield f"  trained on: {system.trained_on}"
    yield f"  trained on the test data: {system.on_test_data}"
    seen = {file.name: file for file in each.files} if isinstance(each, Ready) else {}
    for file in system.files:
        yield f"  file: {_file_line(file, file.name in seen)}"
        found = seen.get(file.name)
        if found and found.listed is False:
            yield f"    another version of the package: sha256 {found.sha256}"
        elif found and found.listed is None:
            yield f"    no hash is listed; here: sha256 {found.sha256}"


def _file_line(file: PeerFile, there: bool) -> str:
    optional = ", optional" if file.optional else ""
    return f"{file.name}{optional}, {'there' if there else 'not looked at'}; {file.origin}; sha256 {file.sha256 or '-'}"
