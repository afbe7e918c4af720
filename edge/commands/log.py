"""Read, export and erase the journal: what was observed on this device.

actions:
  query    (the default) the latest observations as a table, or as JSON lines with --json
  summary  observations and seconds of each label, and of each hour or day
  events   what the program did: started, paused, restarted a loop, met a fault
  export   all selected records into a CSV or JSON lines file, for you alone to read; '-' is standard output
  backup   the journal as it is now into a file, a journal itself, checked and for you alone to read
  erase    delete for good: overwritten, the file rebuilt; events of that time too

A running service may stay on through all of them.

Times for --since and --until: an age (90s, 15m, 1h, 2d, 1w), a day (2026-11-01: its beginning, local time), or a
moment (2026-11-01T14:30, 2026-11-01T13:30Z). Records at --since are included, those at --until are not.

examples:
  affect-edge log                                       the latest 20
  affect-edge log --since 1h --label happy              happy faces of the last hour
  affect-edge log --changes --json                      only where a label changed, for a program
  affect-edge log --modality speech --since 1d          what voices sounded like since yesterday
  affect-edge log summary --since 2026-11-01            labels and hours since then
  affect-edge log events --since 1d                     what happened to the service since yesterday
  affect-edge log export --csv november.csv --since 2026-11-01 --until 2026-12-01
  affect-edge log export --jsonl - | jq .label
  affect-edge log backup /media/usb/journal.db          then: affect-edge log --journal /media/usb/journal.db
  affect-edge log --journal journal.db.corrupt-20261101-143000     what can be read of a damaged one
  affect-edge log erase --until 30d                     erase what is older than 30 days (asks first)
  affect-edge log erase --all --yes
"""

from __future__ import annotations

import argparse
import glob
import math
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.errors import AffectEdgeError, JournalError
from edge.observation import NO_SPEECH, UNSURE, Modality

if TYPE_CHECKING:
    from edge.journal_query import Selection
    from edge.journal_salvage import SalvagingReader

HELP = "read, summarise, export, back up or erase the local journal"

DEFAULT_LIMIT = 20

_RANGE = ("since", "until")
_FILTERS = (*_RANGE, "label", "modality", "source")
_ALLOWED = {
    "query": (*_FILTERS, "changes", "limit", "json"),
    "summary": (*_FILTERS, "per", "gap", "json"),
    "events": (*_RANGE, "kind", "limit", "json"),
    "export": (*_FILTERS, "changes", "csv", "jsonl"),
    "backup": (),
    "erase": (*_RANGE, "all", "yes"),
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class LogUsageError(AffectEdgeError):
    """Options that do not go together."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # One parser for all actions, so that options may stand anywhere; `run` refuses those that an action does not know,
    # lest `erase --label happy` erase more than was meant.
    parser.add_argument("action", nargs="?", choices=tuple(_ALLOWED), default="query", help="default: query")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="of a backup: the copy")
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
    chosen.add_argument("--kind", metavar="WORD", help="of events: start, stop, pause, fault ...")
    query = parser.add_argument_group("query, summary and events")
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
    from edge.commands.log_output import print_events, print_summary
    from edge.journal_file import default_journal_path
    from edge.journal_query import GAP_SECONDS, JournalReader, Selection
    from edge.journal_salvage import SalvagingReader

    action: str = arguments.action
    _check_usage(action, arguments)
    path: Path = arguments.journal or default_journal_path()
    if action == "backup":
        return _backup(path, arguments.file)
    if action == "erase":
        return _erase(path, arguments)
    limit = arguments.limit
    if limit is None and arguments.since is None and arguments.until is None:
        limit = DEFAULT_LIMIT
    if action == "events":
        with JournalReader(path) as reader:
            chosen = {name: getattr(arguments, name) for name in (*_RANGE, "kind")}
            print_events(reader.events(**chosen, latest=limit or None), as_json=bool(arguments.json))
        return 0
    selection = Selection(**{name: getattr(arguments, name) for name in _FILTERS}, changes=bool(arguments.changes))
    with SalvagingReader(path) as reader:
        if selection.label is not None:
            known = [*(label for label in reader.labels() if label != NO_SPEECH), UNSURE]
            if selection.label not in known:
                raise JournalError(f"{path}: no label '{selection.label}' here; it has {', '.join(known)}")
        if action == "summary":
            shares = reader.summary(selection, per=arguments.per or "hour", gap=arguments.gap or GAP_SECONDS)
            per = arguments.per or ("hour" if len({share.period[:10] for share in shares}) <= 2 else "day")
            print_summary(shares, per=per, as_json=bool(arguments.json))
            return 0
        return _read(reader, selection, arguments, limit=limit or None)


def _check_usage(action: str, arguments: argparse.Namespace) -> None:
    for option in sorted({name for names in _ALLOWED.values() for name in names} - set(_ALLOWED[action])):
        if getattr(arguments, option) is not None:
            takes = (
                f"which takes --{', --'.join(_ALLOWED[action])}" if _ALLOWED[action] else "which takes only --journal"
            )
            raise LogUsageError(f"--{option} does not belong to '{action}', {takes}")
    if (arguments.file is None) == (action == "backup"):
        raise LogUsageError(
            "backup needs a FILE for the copy" if action == "backup" else f"'{action}' takes no FILE: {arguments.file}"
        )
    if None not in (arguments.since, arguments.until) and arguments.since >= arguments.until:
        raise LogUsageError("--since must be before --until; an age such as 1h counts back from now")
    if action == "export" and arguments.csv is None and arguments.jsonl is None:
        raise LogUsageError("export needs --csv FILE or --jsonl FILE; '-' is standard output")


def _read(reader: SalvagingReader, selection: Selection, arguments: argparse.Namespace, *, limit: int | None) -> int:
    from edge.commands.log_output import export, print_records

    if arguments.action == "export":
        as_csv = arguments.csv is not None
        export(reader, selection, arguments.csv if as_csv else arguments.jsonl, as_csv=as_csv)
    else:
        print_records(reader.records(selection, latest=limit), as_json=bool(arguments.json))
    if reader.gaps:
        raise JournalError(
            f"{reader.path}: damaged: what stood in {reader.gaps} place{'s' if reader.gaps > 1 else ''} is left out; "
            f"sqlite3 '{reader.path}' .recover may find more"
        )
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


def _backup(path: Path, target: Path) -> int:
    from tqdm import tqdm

    from edge.journal_upkeep import backup

    with tqdm(unit=" pages", unit_scale=True, disable=None) as bar:

        def show(copied: int, pages: int) -> None:
            bar.total = pages
            bar.update(copied - bar.n)

        backup(path, target, progress=show)
    print(f"{path} copied to {target} and checked: {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _erase(path: Path, arguments: argparse.Namespace) -> int:
    from edge.commands.log_output import clock
    from edge.journal_query import JournalReader
    from edge.journal_upkeep import erase

    since, until = arguments.since, arguments.until
    limited = since is not None or until is not None
    if limited == bool(arguments.all):
        raise LogUsageError("erase needs either --all, or --since and/or --until")
    what = "all observations"
    if limited:
        ends = [f"from {clock(since)}"] if since is not None else []
        ends += [f"before {clock(until)}"] if until is not None else []
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
    if damaged := sorted(path.parent.glob(glob.escape(path.name) + "*.corrupt-*")):
        print(f"Not erased: what is in {', '.join(map(str, damaged))}; delete them to be rid of it.", file=sys.stderr)
    return 0
