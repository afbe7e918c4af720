"""The tables of a run as a part of a Markdown page, between two marks; the rest of the page is written by people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import measuring
from benchmarks.pages import between, grid
from benchmarks.peers.places import PeerError
from benchmarks.peers.report import THREADS, Row, protocol_line, ratio
from edge.whole_file import write_whole

BEGIN = "<!-- Written by python -m benchmarks.peers --write; do not edit from here on. -->"
END = "<!-- Here ends what is written by the command. -->"


def write(path: Path, found: measuring.Results, environment: measuring.Results) -> None:
    """Replace what stands between the marks, whole or not at all.

    Raises
    ------
    PeerError
        The page is not there, or has not both marks once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PeerError(f"{path}: {error.strerror}; --write takes a page with the two marks in it") from None
    replaced = between(text, BEGIN, END, f"{markdown(found, environment)}\n")
    if replaced is None:
        raise PeerError(f"{path}: lacks the marks between which the tables go: '{BEGIN}' and '{END}', once each")
    write_whole(path, replaced)


def markdown(found: measuring.Results, environment: measuring.Results) -> str:
    """All tables."""
    lines = ["```", measuring.environment_lines(environment), "```", "", f"{protocol_line(found['protocol'])}."]
    if found["interrupted"]:
        lines += ["", f"**Interrupted** while {found['interrupted']}."]
    return "\n".join([*lines, *_tables(found), *_statements(found)])


def _tables(found: measuring.Results) -> Iterator[str]:
    for job, what in found["protocol"]["jobs"].items():
        rows = [row for row in found["systems"] if row["job"] == job]
        shown = [row for row in rows if row["threads"] or row.get("start")]
        if not rows:
            continue
        yield ""
        yield f"### {job.capitalize()}: {what}"
        if shown:
            baseline = found["protocol"]["baselines"][job]
            yield ""
            yield f"Ratios are to {baseline}: above 1, it needs less than the system of the line."
        for threads, words in THREADS.items():
            timed = [row for row in shown if threads in row["threads"]]
            if timed:
                yield ""
                yield f"{words.capitalize()}:"
                yield ""
                yield from grid(
                    (
                        "system",
                        "a second",
                        "ms: mean",
                        "median",
                        "95 %",
                        "ratio",
                        "CPU ms",
                        "ratio",
                        "threads",
                        "answered",
                    ),
                    [_timing(row, threads) for row in timed],
                )
        if shown:
            yield ""
            yield from grid(
                ("system", "start, s", "ratio", "its CPU, s", "ratio", "peak, MB", "ratio", "disk, MB", "ratio"),
                [_sizes(row) for row in shown],
            )
        missing = [row for row in rows if row["status"] != "measured"]
        if missing:
            yield ""
            yield from (f"- {row['name']}: **{row['status']}**: {_one_line(row['reason'])}" for row in missing)
    if found["accuracy"]:
        yield from _accuracy(found)


def _timing(row: Row, threads: str) -> list[str]:
    each = row["threads"][threads]
    times = each["milliseconds"]
    return [
        row["name"],
        f"{each['a_second']:g}",
        f"{times['mean']:.2f}",
        f"{times['median']:.2f}",
        f"{times['p95']:.2f}",
        ratio(row, f"ms {threads}"),
        f"{each['cpu_milliseconds']:.2f}",
        ratio(row, f"cpu {threads}"),
        str(each["threads"] or ""),
        f"{each['answered']:.0%}",
    ]


def _sizes(row: Row) -> list[str]:
    start, disk, peak = row.get("start"), row.get("disk"), row["threads"].get("shipped", {}).get("peak_mb")
    return [
        row["name"],
        f"{start['seconds']['median']:.2f}" if start else "",
        ratio(row, "start"),
        f"{start['cpu_seconds']['median']:.2f}" if start else "",
        ratio(row, "start cpu"),
        "" if peak is None else f"{peak:g}",
        ratio(row, "peak"),
        f"{disk['mb']:g}" if disk else "",
        ratio(row, "disk"),
    ]


def _accuracy(found: measuring.Results) -> Iterator[str]:
    scored = found["accuracy"]
    told = {row["name"]: row["on_test_data"] for row in found["systems"]}
    yield ""
    yield f"### Accuracy on {scored['data']}"
    yield ""
    yield (
        f"{scored['faces']} faces alone, no detector; {scored['faces_also_in_training']} of them also stand in "
        "Training, pixel by pixel, and the last figure leaves these out."
    )
    yield ""
    rows = []
    for name, row in scored["systems"].items():
        if "failure" in row:
            rows.append([name, f"failed: {_one_line(row['failure'])}", "", "", "", ""])
            continue
        without = row["accuracy_without_repeated"]
        rows.append(
            [
                name,
                f"{row['accuracy']:.1%}",
                f"{row['interval'][0]:.1%} to {row['interval'][1]:.1%}",
                f"{row['balanced_accuracy']:.1%}",
                "" if without is None else f"{without:.1%}",
                told[name],
            ]
        )
    columns = ("system", "accuracy", "95 % interval", "mean recall", "without repeated", "trained on the test data?")
    yield from grid(columns, rows)


def _statements(found: measuring.Results) -> Iterator[str]:
    """What each system is, its terms, its training data and its files."""
    yield ""
    yield "### The systems"
    yield ""
    for row in found["systems"]:
        origin = f" Origin: {row['origin']}." if row["origin"] else ""
        versions = ", ".join(
            f"{name} {version}" for name, version in (row.get("disk") or {}).get("versions", {}).items()
        )
        yield f"- **{row['name']}** ({versions or row['status']}): {row['what']}.{origin} Licence: {row['licence']}."
        yield f"  Trained on: {row['trained_on']}. Trained on the test data? {row['on_test_data'].capitalize()}."
        for file in row["files"]:
            if file["sha256"]:
                state = {True: "as listed", False: "of another version than the listed one", None: "not checked here"}
                known = f"sha256 `{file['sha256']}` ({state[file['listed']]})"
            else:
                known = "no sha256 is known"
            yield f"  File `{file['name']}`: {file['origin']}; {known}."


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")
