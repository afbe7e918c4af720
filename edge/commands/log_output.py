"""What `affect-edge log` prints and exports."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from edge.errors import JournalError

if TYPE_CHECKING:
    from edge.journal_query import Event, JournalReader, Record, Selection, Share

_BAR = 40
_CSV_COLUMNS = (
    *("time", "wall_time", "monotonic_time", "session", "boot_id", "modality", "source", "track"),
    *("label", "confidence", "changed", "x", "y", "width", "height"),
)


def clock(seconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Local time, as tables have it."""
    try:
        return datetime.fromtimestamp(seconds).strftime(form)
    except (ValueError, OverflowError, OSError):  # a clock that was wrong beyond the calendar
        return f"@{seconds:.0f}"


def _printable(text: str) -> str:
    """A name without characters that would command the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def print_records(records: Iterable[Record], *, as_json: bool) -> None:
    """A table, or a line of JSON for each."""
    if as_json:
        for record in records:
            print(json.dumps(record.as_dict(), ensure_ascii=False))
        return
    print(f"{'time':19}  {'label':10} {'conf.':>5}  {'track':>5}  {'modality':8}  source")
    for record in records:
        seen = record.observation
        track = "-" if seen.track is None else str(seen.track)
        print(
            f"{clock(seen.wall_time):19}  {seen.label:10} {seen.confidence:5.2f}  {track:>5}  {seen.modality:8}  "
            f"{_printable(seen.source)}"
        )


def print_events(events: Iterable[Event], *, as_json: bool) -> None:
    """A table, or a line of JSON for each."""
    if as_json:
        for event in events:
            print(json.dumps(event.as_dict(), ensure_ascii=False))
        return
    print(f"{'time':19}  {'event':8}  detail")
    for event in events:
        print(f"{clock(event.wall_time):19}  {event.kind:8}  {_printable(event.detail)}".rstrip())


def print_summary(shares: Iterable[Share], *, per: str, as_json: bool) -> None:
    """Labels, then periods with the label that each has most often; or one JSON document.

    Parameters
    ----------
    shares
        Of hours, where `per` is 'hour'; also of days where it is 'day'.
    per
        What a period is.
    as_json
        Whether to print JSON.
    """
    periods: dict[str, dict[str, list[float]]] = {}
    labels: dict[str, list[float]] = {}
    for share in shares:
        period = periods.setdefault(share.period[: 10 if per == "day" else None], {})
        for part in (period.setdefault(share.label, [0, 0.0]), labels.setdefault(share.label, [0, 0.0])):
            part[0] += share.observations
            part[1] += share.seconds
    labels = dict(sorted(labels.items(), key=lambda item: -item[1][0]))
    if as_json:
        document = {"per": per, "labels": _plain(labels), "periods": {name: _plain(p) for name, p in periods.items()}}
        print(json.dumps(document, ensure_ascii=False))
        return
    if not labels:
        print("No observations.")
        return
    total = sum(count for count, _ in labels.values())
    print(f"{'label':10} {'observations':>12} {'seconds':>10}  share")
    for label, (count, seconds) in labels.items():
        print(f"{label:10} {count:12.0f} {seconds:10.1f}  {count / total:5.1%}  {_bar(count / total)}".rstrip())
    counts = {name: sum(count for count, _ in period.values()) for name, period in periods.items()}
    print(f"\n{per:16} {'observations':>12}  {'most often':10}")
    for name, period in periods.items():
        often = max(period, key=lambda label: period[label][0])
        print(f"{name:16} {counts[name]:12.0f}  {often:10}  {_bar(counts[name] / max(counts.values()))}".rstrip())


def _plain(labels: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {label: {"observations": int(n), "seconds": round(s, 1)} for label, (n, s) in labels.items()}


def _bar(fraction: float) -> str:
    return "#" * round(fraction * _BAR)


def export(reader: JournalReader, selection: Selection, name: str, *, as_csv: bool) -> None:
    """Write the selected records into a file, '-' for standard output, and say how many on stderr.

    Raises
    ------
    JournalError
        The journal cannot be read, or the file not be written; then it is not there.
    """
    from tqdm import tqdm

    first, last = reader.extent()
    with _output(name, reader.path) as stream:
        write = _csv_writer(stream, reader.labels()) if as_csv else _jsonl_writer(stream)
        count = 0
        with tqdm(total=last - first + 1, unit=" records", unit_scale=True, disable=None) as progress:
            for record in reader.records(selection):
                write(record)
                count += 1
                progress.update(record.id - first + 1 - progress.n)
    print(f"{count} records written to {name}", file=sys.stderr)


def _jsonl_writer(stream: TextIO) -> Callable[[Record], None]:
    def write(record: Record) -> None:
        stream.write(json.dumps(record.as_dict(), ensure_ascii=False) + "\n")

    return write


def _csv_writer(stream: TextIO, labels: list[str]) -> Callable[[Record], None]:
    """Rows under one header; the probability of each label that the journal knows has its own column."""
    writer = csv.DictWriter(stream, [*_CSV_COLUMNS, *(f"p_{label}" for label in labels)], lineterminator="\n")
    writer.writeheader()

    def write(record: Record) -> None:
        row: dict[str, Any] = record.as_dict()
        row["time"] = _utc(row["wall_time"])
        row["changed"] = int(row["changed"])
        row.update(zip(("x", "y", "width", "height"), row.pop("box") or (), strict=False))
        row.update({f"p_{label}": p for label, p in row.pop("probabilities").items()})
        writer.writerow(row)

    return write


def _utc(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


@contextmanager
def _output(name: str, journal: Path) -> Iterator[TextIO]:
    """Standard output for '-'; else a file that appears whole or not at all, readable by its owner alone."""
    if name == "-":
        yield sys.stdout
        return
    path = Path(name)
    partial: Path | None = None
    try:
        if path.exists() and path.samefile(journal):
            raise JournalError(f"{path}: this is the journal itself; name another file")
        target = path
        if path.is_file() or not path.exists():  # a pipe or /dev/null must not be replaced
            target = partial = path.with_name(path.name + ".partial")
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            yield stream
        if partial:
            partial.replace(path)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror or error}; name another file") from None
    finally:
        if partial:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
