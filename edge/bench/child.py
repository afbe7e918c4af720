"""Jobs in processes of their own: memory that starts clean, and models that nothing before them has warmed.

The process writes a line of JSON for each thing that it has measured, as soon as it has, so that whatever ends it takes
nothing away that was measured before.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from edge.errors import AffectEdgeError

Event = dict[str, Any]
"""One thing that a job has measured, in plain types."""

JOBS: Final = {
    "models": "edge.bench.model_job",
    "gpu": "edge.bench.gpu_job",
    "camera": "edge.bench.camera_job",
    "microphone": "edge.bench.microphone_job",
    "sustain": "edge.bench.sustain_job",
}
"""Modules whose `job` function, given a mapping of options, yields events."""

_START: Final = """\
import json, runpy, sys
sys.path[:] = json.loads(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""

_FAREWELL_SECONDS = 5.0


class JobError(AffectEdgeError):
    """A job that ended before its time; says how."""


class NoProcessError(JobError):
    """No process can be started here at all."""


def python_command(launcher: str | None, module: str) -> list[str]:
    """What starts another Python that finds the same packages, and runs a module as `python -m` does.

    Parameters
    ----------
    launcher
        The words that start Python; None for this one.
    module
        Its name; its arguments are to follow.
    """
    root = str(Path(__file__).resolve().parents[2])
    # Not the current folder, in which anything may lie; but what this process was told with -S, PYTHONPATH or .pth.
    path = list(dict.fromkeys([*(folder for folder in sys.path if folder), root]))
    words = shlex.split(launcher) if launcher else [sys.executable]
    return [*words, "-c", _START, json.dumps(path), module]


class Child:
    """One job in a process of its own; a context manager, which ends it.

    Parameters
    ----------
    job
        One of `JOBS`.
    options
        For it, in plain types.
    launcher
        See `python_command`.

    Raises
    ------
    NoProcessError
        None can be started, as under an emulator of one process.
    """

    def __init__(self, job: str, options: Mapping[str, Any], *, launcher: str | None = None) -> None:
        command = [*python_command(launcher, "edge.bench.child"), job, json.dumps(dict(options))]
        try:
            # A terminal's Ctrl-C is for the parent, which ends this one: what was measured is on its way by then.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise NoProcessError(f"no process can be started ({error.strerror or error})") from None
        self._words: deque[str] = deque(maxlen=20)
        self._reader = threading.Thread(target=self._read_errors, name="child's stderr", daemon=True)
        self._reader.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_FAREWELL_SECONDS)
        self._reader.join(_FAREWELL_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def events(self) -> Iterator[Event]:
        """What it measures, as it does.

        Raises
        ------
        JobError
            It failed; says how, with its last words.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: Event = json.loads(line)
            if "error" in event:
                raise JobError(event["error"])
            yield event
        status = self.process.wait()
        if status:
            self._reader.join(_FAREWELL_SECONDS)
            how = f"crashed ({_signal_name(-status)})" if status < 0 else f"ended with exit code {status}"
            last = next((line.strip() for line in reversed(self._words) if line.strip()), "")
            raise JobError(f"its process {how}" + (f", saying: {last[:200]}" if last else ""))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            self._words.extend(self.process.stderr)


def run_job(job: str, options: Mapping[str, Any]) -> Iterator[Event]:
    """The same job in this process."""
    module = importlib.import_module(JOBS[job])
    yield from module.job(dict(options))


def main(arguments: Sequence[str]) -> None:
    """The child's side: run the job that is named, with the options that follow."""
    # The parent decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print to stdout too, where the answers go.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job, options = arguments
    try:
        for event in run_job(job, json.loads(options)):
            print(json.dumps(event), file=answers, flush=True)
    except BrokenPipeError:
        os._exit(0)  # the parent is gone
    except (AffectEdgeError, ImportError, MemoryError) as error:
        print(json.dumps({"error": " ".join(str(error).split()) or type(error).__name__}), file=answers, flush=True)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    main(sys.argv[1:])
