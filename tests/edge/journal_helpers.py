"""What the tests of the journal share."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge.journal import Journal
from edge.journal_query import JournalReader, Record, Selection
from edge.observation import UNSURE, Box, Observation

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
DAY = 86_400.0
MARGIN = 200_000
"""Bytes that a journal may stand over its cap: one batch."""


def observation(
    number: int = 0,
    *,
    label: str = "happy",
    wall_time: float | None = None,
    source: str = "/dev/video0",
    track: int | None = 1,
    changed: bool = False,
) -> Observation:
    named = "neutral" if label == UNSURE else label
    return Observation(
        modality="face",
        source=source,
        wall_time=time.time() if wall_time is None else wall_time,
        monotonic_time=number * 0.2,
        label=label,
        confidence=0.7,
        probabilities={name: 0.7 if name == named else 0.05 for name in LABELS},
        track=track,
        box=Box(number % 640, 20, 96, 96),
        changed=changed,
    )


def fill(path: Path, observations: list[Observation]) -> None:
    with Journal(path) as journal:
        for each in observations:
            journal.add(each)


def read(path: Path, selection: Selection | None = None, *, latest: int | None = None) -> list[Record]:
    with JournalReader(path) as reader:
        return list(reader.records(selection or Selection(), latest=latest))


def numbers(path: Path) -> list[int]:
    return [round(record.observation.monotonic_time / 0.2) for record in read(path)]


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def size_on_disk(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, path.with_name(path.name + "-wal")) if each.exists())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start_child(script: str, *arguments: object) -> subprocess.Popen[str]:
    preamble = "import os, sys\nfrom pathlib import Path\nfrom edge.journal import Journal\n"
    preamble += "from tests.edge.journal_helpers import observation\npath = Path(sys.argv[1])\n"
    return subprocess.Popen(
        [sys.executable, "-c", preamble + textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def run_child(script: str, *arguments: object) -> str:
    """Standard output of a script in a process of its own, which has to end well."""
    with start_child(script, *arguments) as child:
        output, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    return output


def keep_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sets the system's clock during the test, as a virtual machine's host may: the journal would tell it."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "time", lambda: offset + time.clock_gettime(time.CLOCK_BOOTTIME))
