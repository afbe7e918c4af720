"""Read, export and erase the journal: what was observed on this device.

actions:
  query    (the default) the latest observations as a table, or as JSON lines with --json
  summary  observations and seconds of each label, and of each hour or day
  export   all selected records into a CSV or JSON lines file, for you alone to read; '-' is standard output
  erase    delete for good: overwritten, the file rebuilt. A running service may stay on.

Times for --since and --until: an age (90s, 15m, 1h, 2d, 1w), a day (2026-11-01: its beginning, local time), or a
moment (2026-11-01T14:30, 2026-11-01T13:30Z). Records at --since are included, those at --until are not.

examples:
  affect-edge log                                       the latest 20
  affect-edge log --since 1h --label happy              happy faces of the last hour
  affect-edge log --changes --json                      only where a label changed, for a program
  affect-edge log --modality speech --since 1d          what voices sounded like since yesterday
  affect-edge log summary --since 2026-11-01            labels and hours since then
  affect-edge log export --csv november.csv --since 2026-11-01 --until 2026-12-01
  affect-edge log export --jsonl - | jq .label
  affect-edge log erase --until 30d                     erase what is older than 30 days (asks first)
  affect-edge log erase --all --yes
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, get_args

from edge.errors import AffectEdgeError, JournalError
from edge.observation import NO_SPEECH, UNSURE, Modality

if TYPE_CHECKING:
    from edge.journal_query import JournalReader, Record, Selection

HELP = "read, summarise, export or erase the local journal"

DEFAULT_LIMIT = 20

_RANGE = ("since", "until")
_FILTERS = (*_RANGE, "label", "modality", "source")
_ALLOWED = {
    "query": (*_FILTERS, "changes", "limit", "json"),
    "summary": (*_FILTERS, "per", "gap", "json"),
    "export": (*_FILTERS, "changes", "csv", "jsonl"),
    "erase": (*_RANGE, "all", "yes"),
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BAR = 40
_CSV_COLUMNS = (
    *("time", "wall_time", "monotonic_time", "session", "boot_id", "modality", "source", "track"),
    *("label", "confidence", "changed", "x", "y", "width", "height"),
)


class LogUsageError(AffectEdgeError):
    """Options that do not go together."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # One parser for all actions, so that options may stand anywhere; `run` refuses those that an action does not know,
    # lest `erase --label happy` erase more than was meant.
    parser.add_argument("action", nargs="?", choices=tuple(_ALLOWED), default="query", help="default: query")
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="PATH",
        help="default: journal.db in $STATE_DIRECTORY, $XDG_STATE_HOME/affect-edge or ~/.local/state/affect-edge",
    )
    chosen = parser.add_argument_group("which records")
    chosen.add_argument("--since", type=parse_time, metavar="TIME", help="from this time on")
    chosen.add_argument("--until", "--before", type=parse_time, metavar="TIME", help="before this time")
    chosen.add_argument("--label", help="an expression, or 'unsure'")
    chosen.add_argument("--modality", choices=get_args(Modality))
    chosen.add_argument("--source", metavar="TEXT", help="sources whose name contains TEXT")
    chosen.add_argument("--changes", action="store_true", default=None, help="only where a track's label changed")
    query = parser.add_argument_group("query and summary")
    query.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"the latest N, 0 for all (default: {DEFAULT_LIMIT}, or all when --since or --until is given)",
    )
    query.add_argument("--json", action="store_true", default=None, help="JSON: a line per record, or one summary")
    query.add_argument(
        "--per", choices=("hour", "day"), help="of the summary (default: hours up to two days, else days)"
    )
    query.add_argument(
        "--gap",
        type=_seconds,
        metavar="SECONDS",
        help="of the summary: the longest time that one record stands for; set it above journal.interval (default: 2)",
    )
    export = parser.add_argument_group("export").add_mutually_exclusive_group()
    export.add_argument("--csv", metavar="FILE", help="comma-separated values with a header")
    export.add_argument("--jsonl", metavar="FILE", help="JSON lines, as of --json")
    removal = parser.add_argument_group("erase")
    removal.add_argument("--all", action="store_true", default=None, help="everything")
    removal.add_argument("--yes", action="store_true", default=None, help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    from edge.journal_file import default_journal_path
    from edge.journal_query import JournalReader, Selection

    action: str = arguments.action
    for option in sorted({name for names in _ALLOWED.values() for name in names} - set(_ALLOWED[action])):
        if getattr(arguments, option) is not None:
            raise LogUsageError(
                f"--{option} does not belong to '{action}', which takes --" + ", --".join(_ALLOWED[action])
            )
    if None not in (arguments.since, arguments.until) and arguments.since >= arguments.until:
        raise LogUsageError("--since must be before --until; an age such as 1h counts back from now")
    path: Path = arguments.journal or default_journal_path()
    if action == "erase":
        return _erase(path, arguments)
    if action == "export" and arguments.csv is None and arguments.jsonl is None:
        raise LogUsageError("export needs --csv FILE or --jsonl FILE; '-' is standard output")
    selection = Selection(**{name: getattr(arguments, name) for name in _FILTERS}, changes=bool(arguments.changes))
    with JournalReader(path) as reader:
        known = [*(label for label in reader.labels() if label != NO_SPEECH), UNSURE]
        if selection.label is not None and selection.label not in known:
            raise JournalError(f"{path}: no label '{selection.label}' here; it has {', '.join(known)}")
        if action == "query":
            limit = arguments.limit
            if limit is None and selection.since is None and selection.until is None:
                limit = DEFAULT_LIMIT
            _print_records(reader.records(selection, latest=limit or None), as_json=bool(arguments.json))
        elif action == "summary":
            _summarise(reader, selection, arguments)
        else:
            _export(reader, selection, arguments)
    return 0


def parse_time(text: str) -> float:
    """A time as the user writes it, in seconds since the Unix epoch; see the module's text for the forms."""
    age = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    try:
        if age:
            return datetime.fromtimestamp(time.time() - float(age[1]) * _UNITS[age[2]], timezone.utc).timestamp()
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no time: write an age (90s, 15m, 1h, 2d, 1w), 2026-11-01 or 2026-11-01T14:30"
        ) from None


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise argparse.ArgumentTypeError(f"'{text}' is not a count, 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return seconds


def _clock(seconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime(form)
    except (ValueError, OverflowError, OSError):  # a clock that was wrong beyond the calendar
        return f"@{seconds:.0f}"


def _printable(text: str) -> str:
    """A name without characters that would command the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _print_records(records: Iterable[Record], *, as_json: bool) -> None:
    if as_json:
        for record in records:
            print(json.dumps(record.as_dict(), ensure_ascii=False))
        return
    print(f"{'time':19}  {'label':10} {'conf.':>5}  {'track':>5}  {'modality':8}  source")
    for record in records:
        seen = record.observation
        track = "-" if seen.track is None else str(seen.track)
        print(
            f"{_clock(seen.wall_time):19}  {seen.label:10} {seen.confidence:5.2f}  {track:>5}  {seen.modality:8}  "
            f"{_printable(seen.source)}"
        )


def _summarise(reader: JournalReader, selection: Selection, arguments: argparse.Namespace) -> None:
    from edge.journal_query import GAP_SECONDS

    shares = reader.summary(selection, per=arguments.per or "hour", gap=arguments.gap or GAP_SECONDS)
    per = arguments.per or ("hour" if len({share.period[:10] for share in shares}) <= 2 else "day")
    periods: dict[str, dict[str, list[float]]] = {}
    labels: dict[str, list[float]] = {}
    for share in shares:
        period = periods.setdefault(share.period[: 10 if per == "day" else None], {})
        for part in (period.setdefault(share.label, [0, 0.0]), labels.setdefault(share.label, [0, 0.0])):
            part[0] += share.observations
            part[1] += share.seconds
    labels = dict(sorted(labels.items(), key=lambda item: -item[1][0]))
    if arguments.json:
        document = {"per": per, "labels": _plain(labels), "periods": {name: _plain(p) for name, p in periods.items()}}
        print(json.dumps(document, ensure_ascii=False))
        return
    if not shares:
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


def _export(reader: JournalReader, selection: Selection, arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    name: str = arguments.jsonl if arguments.csv is None else arguments.csv
    first, last = reader.extent()
    with _output(name, reader.path) as stream:
        write = _jsonl_writer(stream) if arguments.csv is None else _csv_writer(stream, reader.labels())
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


def _erase(path: Path, arguments: argparse.Namespace) -> int:
    from edge.journal_query import JournalReader, erase

    since, until = arguments.since, arguments.until
    limited = since is not None or until is not None
    if limited == bool(arguments.all):
        raise LogUsageError("erase needs either --all, or --since and/or --until")
    what = "all observations"
    if limited:
        ends = [f"from {_clock(since)}"] if since is not None else []
        ends += [f"before {_clock(until)}"] if until is not None else []
        what = f"the observations {' and '.join(ends)}"
    with JournalReader(path):
        pass  # before asking: is there one?
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise LogUsageError("erase needs --yes where nobody can be asked")
        if input(f"Erase {what} in {path} for good? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing erased.")
            return 1
    count = erase(path, since=since, until=until)
    print(f"Erased {count} observations from {path}.")
    return 0
