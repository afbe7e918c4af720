"""Others' systems and affect-edge on the same input in one run: time, memory, start-up, disk, and the ratios.

Each system runs in a process of its own, as it is shipped, and is given the same decoded frames (half seconds of sound,
sentences) over a pipe. They take turns, in an order that is shuffled for each round, so that whatever else the machine
does falls on all alike. The time is taken inside the process, from the decoded input to the answer: for a frame the
detection and, where a system has it, the expression. Ratios are to affect-edge in the same job.

  ms               mean; median, 5 % and 95 % beside it in --json
  a second         one over the mean
  CPU ms           of all threads, for each item
  start            from starting the process to its first answer, in seconds; beside it those on the CPU
  peak             the most memory that was ever resident (VmHWM), shared libraries included
  disk             the installed packages with all that they ask for, models included, without Python or Node itself

All is measured twice: with the threads that a system takes by itself, and with one, on one core.

A peer comes from an installed package, or from a file in the folder --files; what is absent is told, with what to put
where. `python -m benchmarks.peers.environments DIR` makes the environments that --environments names; --list tells of
every system its origin, licence, files with their hashes, and what it was trained on.

examples:
  python -m benchmarks.peers                                            what is installed here
  python -m benchmarks.peers --environments DIR --files DIR             all peers
  python -m benchmarks.peers --python fer=venv/bin/python --only fer    one, from an environment of one's own
  python -m benchmarks.peers --list                                     what there is, and what is absent
  python -m benchmarks.peers --environments DIR --faces DIR --write docs/peers.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measuring
from benchmarks.peers import accuracy, inputs, page, report
from benchmarks.peers.catalogue import SYSTEMS
from benchmarks.peers.places import Absent, Folders, PeerError, Ready, place
from benchmarks.peers.process import Item, SystemFailedError, Threads
from benchmarks.peers.rounds import measure
from benchmarks.peers.system import ENVIRONMENTS, Job, System

_THREADS: tuple[Threads, ...] = ("shipped", "one")
_QUICK = {"rounds": 4, "warmup": 1, "starts": 1}


def chosen(only: Sequence[str] | None) -> list[System]:
    """The systems whose names or jobs hold one of the words, and those of affect-edge that they are set against.

    Raises
    ------
    PeerError
        A word that none has.
    """
    if not only:
        return list(SYSTEMS)
    words = [word.lower() for word in only]
    for word in words:
        if not any(word in system.name.lower() or word == system.job for system in SYSTEMS):
            raise PeerError(f"no system is called '{word}'; there are {', '.join(each.name for each in SYSTEMS)}")
    named = {each.name for each in SYSTEMS if any(w in each.name.lower() or w == each.job for w in words)}
    jobs = {each.job for each in SYSTEMS if each.name in named}
    jobs |= {"expression"} if "landmarks" in jobs else set()
    return [each for each in SYSTEMS if each.name in named or (each.ours and each.job in jobs)]


def run(arguments: argparse.Namespace) -> int:
    folders = Folders(arguments.files, arguments.environments, dict(arguments.python or []))
    if folders.files is not None and not folders.files.is_dir():
        raise PeerError(f"{folders.files}: no such folder; --files names the one with the peers' files")
    places = [place(system, folders) for system in chosen(arguments.only)]
    if arguments.list:
        print(report.listing(places))
        return 0
    ready = [each for each in places if isinstance(each, Ready)]
    absent = [each for each in places if isinstance(each, Absent)]
    counts = _QUICK if arguments.quick else {name: getattr(arguments, name) for name in _QUICK}
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        results = _measure(arguments, ready, absent, counts, Path(scratch))
    environment = measuring.environment()
    if arguments.write:
        page.write(arguments.write, results, environment)
    measuring.report("peers", results, report.table, as_json=arguments.json)
    return 130 if results["interrupted"] else 0


def _measure(
    arguments: argparse.Namespace, ready: list[Ready], absent: list[Absent], counts: dict[str, int], scratch: Path
) -> measuring.Results:
    from tqdm import tqdm

    failed: dict[str, str] = {}
    fitted = ""
    for place_of, each in enumerate(ready):
        if each.system.adapter == "tfidf.py":
            try:
                ready[place_of], fitted = inputs.fit_tfidf(each, arguments.texts, scratch, patience=arguments.patience)
            except SystemFailedError as error:
                failed[each.system.name] = f"fitting: {error}"
    running = [each for each in ready if each.system.name not in failed]
    given, described = _inputs(arguments, {each.system.job for each in running}, counts["warmup"] + counts["rounds"])
    steps = len(running) * (counts["starts"] + 1 if counts["starts"] else 0) + (
        counts["warmup"] + counts["rounds"]
    ) * len(_THREADS)
    with tqdm(total=steps, disable=not measuring.show_progress(arguments)) as bar:
        done = measure(running, given, **counts, threads=_THREADS, patience=arguments.patience, advance=bar.update)
    scored = None
    if arguments.faces and not done.interrupted:
        scored = accuracy.measure(
            [each for each in running if not done.systems[each.system.name].failure],
            arguments.faces,
            limit=20 if arguments.quick else None,
            patience=arguments.patience,
            progress=measuring.show_progress(arguments),
        )
    return report.results(ready, absent, done, failed, counts, {"inputs": described, "fitted": fitted}, scored)


def _inputs(arguments: argparse.Namespace, jobs: set[Job], count: int) -> tuple[dict[Job, list[Item]], dict[str, str]]:
    given: dict[Job, list[Item]] = {}
    described = {}
    if jobs & {"expression", "landmarks", "detection"}:
        described["frames"], frames = inputs.frames(arguments.video, count)
        given |= {"expression": frames, "landmarks": frames, "detection": frames}
    if "speech" in jobs:
        described["sound"], given["speech"] = inputs.sounds(arguments.sounds, count)
    if "text" in jobs:
        described["texts"], given["text"] = inputs.texts(arguments.texts, count)
    return given, described


def _python(text: str) -> tuple[str, Path]:
    """FILE for all environments, or ENVIRONMENT=FILE, for argparse."""
    name, equals, file = text.rpartition("=")
    if equals and name not in ENVIRONMENTS:
        raise argparse.ArgumentTypeError(f"there is no environment '{name}'; there are {', '.join(ENVIRONMENTS)}")
    # Not resolved: a virtual environment is known by the place of its link.
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{file}: no such file")
    return name, path


def _starts(text: str) -> int:
    """A whole number from 0 on, for argparse."""
    return 0 if text == "0" else measuring.positive(text)


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.peers", __doc__)
    parser.add_argument("--list", action="store_true", help="tell what there is and what is absent; measure nothing")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="systems whose names hold it, or of this job")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="what benchmarks.peers.environments made")
    parser.add_argument(
        "--python",
        type=_python,
        action="append",
        metavar="[NAME=]FILE",
        help="the Python of one environment, or of all that are not named",
    )
    parser.add_argument("--files", type=Path, metavar="DIR", help="folder with peers' files that no package carries")
    parser.add_argument("--video", type=Path, metavar="FILE", help="frames to search (default: the demonstration)")
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="RAVDESS (default: a synthesised voice)")
    parser.add_argument("--texts", type=Path, metavar="DIR", help="GoEmotions and the essays (default: made-up texts)")
    parser.add_argument("--faces", type=Path, metavar="DIR", help="FER-2013: score expressions on PrivateTest as well")
    parser.add_argument("--rounds", type=measuring.positive, default=120, metavar="N", help="items (default 120)")
    parser.add_argument("--warmup", type=measuring.positive, default=10, metavar="N", help="before them (default 10)")
    parser.add_argument(
        "--starts", type=_starts, default=5, metavar="N", help="processes started for nothing else (default 5; 0: none)"
    )
    parser.add_argument(
        "--patience", type=float, default=180.0, metavar="S", help="seconds that one answer may take (default 180)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into a Markdown page")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
