"""From the start of a process to its first observation, as somebody waits for it who types the command."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from edge.bench.child import JobError, NoProcessError, python_command
from edge.bench.memory import memory_mb
from edge.bench.settings import Settings

_PATIENCE = 120.0
"""Seconds to wait for a first observation: a Raspberry Pi on a cold card needs many."""

_ARGUMENTS = ("run", "--source", "demo", "--mic", "none", "--text", "none", "--no-journal", "--json")


@dataclass(frozen=True, slots=True)
class Started:
    """One process."""

    seconds: float
    peak_mb: float | None


def starts(settings: Settings) -> Iterator[dict[str, Any]]:
    """Start processes one after another; yields `document.Start` after each.

    Raises
    ------
    NoProcessError
        None can be started here.
    JobError
        One gave no observation; says why.
    """
    extra = ["--config", str(settings.config)] if settings.config else []
    found = [first_observation(settings.launcher, extra)]
    while True:
        seconds = sorted(started.seconds for started in found[1:])
        yield {
            "first_s": round(found[0].seconds, 3),
            "starts": len(seconds),
            "min_s": round(seconds[0], 3) if seconds else None,
            "p50_s": round(median(seconds), 3) if seconds else None,
            "max_s": round(seconds[-1], 3) if seconds else None,
            "peak_mb": max((started.peak_mb for started in found if started.peak_mb is not None), default=None),
        }
        if len(seconds) >= settings.starts:
            return
        found.append(first_observation(settings.launcher, extra))


def first_observation(launcher: str | None, extra: Sequence[str] = ()) -> Started:
    """Start `affect-edge run --source demo`, wait for its first line, end it.

    Parameters
    ----------
    launcher
        See `edge.bench.child.python_command`.
    extra
        Further arguments.

    Raises
    ------
    NoProcessError
        None can be started here.
    JobError
        It gave no observation; says why.
    """
    command = [*python_command(launcher, "edge"), *_ARGUMENTS, *extra]
    began = time.perf_counter()
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError as error:
        raise NoProcessError(f"no process can be started ({error.strerror or error})") from None
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], _PATIENCE)
            line = process.stdout.readline() if readable else b""
            took = time.perf_counter() - began
            peak = memory_mb("VmHWM", process.pid)
            with contextlib.suppress(ValueError):
                if "modality" in json.loads(line):
                    return Started(took, peak)
            process.kill()
            said = process.stderr.read().decode(errors="replace").splitlines()
            last = next((words.strip() for words in reversed(said) if words.strip()), "no reason given")
            raise JobError(f"`affect-edge {' '.join(_ARGUMENTS)}` gave no observation: {last[:300]}")
        finally:
            process.send_signal(signal.SIGKILL)
