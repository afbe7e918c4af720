"""Measure on this board what recognition costs: time, memory, energy, heat. A few minutes; with --quick half a minute.

  models       each installed model, on the CPU with 1, 2 and 4 threads: loading, first inference, min, p50, p90, p99
  gpu          the same by each way to a GPU that this machine has
  camera       the whole path, frames of the demonstration: back to back, then at the configured frames a second, with
  microphone   the deadlines that were missed; the same with a synthesised voice; memory of a process of its own each
  start        from the start of a process to its first observation
  cross-check  the same models by LiteRT's own `litert-benchmark`, where it is installed

Energy is told where the board can: a Jetson's INA sensors, a PC's RAPL counters (mostly root's alone), or a USB meter
named with --meter. Such a meter writes lines like '5.12 V 0.61 A', '3.1 W' or '5.12,0.61' (volts, amperes).

What this machine does not have is told as absent, with the reason. Ctrl-C ends it early: what was measured until then
is printed and written, what was not is named, and the exit code is 130; 1 if something failed. Nothing leaves the
machine, no camera and no microphone is opened, and nothing is written to disk but the files that you name.

examples:
  affect-edge bench                                    a table of everything
  affect-edge bench --quick                            the same, roughly, in half a minute
  affect-edge bench --json pi5.json --markdown         keep the figures, and print them for an issue
  affect-edge bench --only models --threads 1 3        models alone, with these numbers of threads
  affect-edge bench --minutes 10 --plot heat.png       then ten minutes of full work: heat, clock, throttling
  affect-edge bench --meter /dev/ttyUSB0:115200        with the energy that a USB meter tells
  affect-edge bench --compare old.json new.json        ratios of two runs, and how the machines differ
  affect-edge bench --schema                           the JSON Schema of what --json writes
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.bench.settings import PARTS
from edge.errors import AffectEdgeError, DataError

if TYPE_CHECKING:
    from edge.bench.document import Document
    from edge.bench.settings import Settings

HELP = "measure on this board what recognition costs: time, memory, energy, heat"

INTERRUPTED = 130


class BenchUsageError(AffectEdgeError):
    """Options that do not go together."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="fewer repeats: to see that it works, and roughly how fast"
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write all figures there, or print them in place of the table",
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown in place of the table")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw them there (needs matplotlib: extra demo)")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="of the parts above, these")
    parser.add_argument(
        "--threads",
        nargs="+",
        type=_positive,
        metavar="N",
        help="for the models (default: 1 2 4, as far as there are cores)",
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=0.0, metavar="M", help="of full work at the end (default: none)"
    )
    parser.add_argument("--meter", metavar="PORT[:BAUD]", help="a USB power meter's serial port, a FIFO or a file")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (TOML) of the loops; see validate-config"
    )
    parser.add_argument(
        "--python", metavar="COMMAND", help="what starts Python for the parts (default: this one), such as an emulator"
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="measure nothing; compare two files"
    )
    parser.add_argument("--schema", action="store_true", help="measure nothing; print the JSON Schema of --json")


def run(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        from edge.bench.document import SCHEMA_FILE

        print(SCHEMA_FILE.read_text(encoding="utf-8"), end="")
        return 0
    if arguments.compare:
        return _compare(arguments)
    if arguments.markdown and arguments.json == "-":
        raise BenchUsageError("both --json and --markdown want standard output: name a file with --json FILE")
    # What would fail at the end fails before the minutes are spent.
    for path in [arguments.plot, *([Path(arguments.json)] if arguments.json not in (None, "-") else [])]:
        _check_place(path)
    if arguments.plot:
        from edge.bench.plots import need_matplotlib

        need_matplotlib()
    if arguments.config:
        from edge.config import load_config

        load_config(arguments.config)
    document = _measure(_settings(arguments), watched=arguments.verbose or sys.stderr.isatty())
    _tell(document, arguments)
    if document.interrupted:
        return INTERRUPTED
    return 1 if document.not_measured else 0


def _settings(arguments: argparse.Namespace) -> Settings:
    from edge.bench.settings import Settings, quick_settings

    given: dict[str, Any] = {
        "parts": tuple(part for part in PARTS if part in arguments.only) if arguments.only else PARTS,
        "threads": tuple(dict.fromkeys(arguments.threads)) if arguments.threads else None,
        "minutes": arguments.minutes,
        "config": arguments.config,
        "meter": arguments.meter,
        "launcher": arguments.python,
    }
    return quick_settings(**given) if arguments.quick else Settings(**given)


def _measure(settings: Settings, *, watched: bool) -> Document:
    import signal

    from edge.bench.bench import Bench

    def interrupt(*_: object) -> None:
        # Once: a second Ctrl-C is not to lose what was measured.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    return Bench(
        settings, lambda part: print(f"measures: {part}", file=sys.stderr, flush=True) if watched else None
    ).run()


def _tell(document: Document, arguments: argparse.Namespace) -> None:
    from edge.bench.report import as_markdown, as_text

    text = json.dumps(document.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False)
    if arguments.json == "-":
        print(text, flush=True)
    else:
        if arguments.json:
            _write(Path(arguments.json), text + "\n")
        print(as_markdown(document) if arguments.markdown else as_text(document), flush=True)
    if arguments.plot:
        from edge.bench.plots import draw

        draw(document, arguments.plot)


def _compare(arguments: argparse.Namespace) -> int:
    from edge.bench.compare import as_text, compare
    from edge.bench.document import read_document

    old, new = arguments.compare
    found = compare(read_document(old), read_document(new))
    if arguments.json is None:
        print(as_text(found, str(old), str(new)))
    elif arguments.json == "-":
        print(json.dumps(found, ensure_ascii=False))
    else:
        _write(Path(arguments.json), json.dumps(found, ensure_ascii=False) + "\n")
    return 0


def _check_place(path: Path | None) -> None:
    if path is not None and not path.absolute().parent.is_dir():
        raise DataError(f"{path}: its folder does not exist: make it, or name another file")
    if path is not None and path.is_dir():
        raise DataError(f"{path}: is a folder: name a file")


def _write(path: Path, text: str) -> None:
    from edge.whole_file import write_whole

    try:
        write_whole(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from None


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 64")
    return number


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {24 * 60} minutes")
    return minutes
