"""What every benchmark shares: the machine and versions that a figure belongs to, fair timing, and the output."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.board import board_model
from edge.errors import AffectEdgeError

Results = dict[str, Any]
"""What a benchmark found, in plain types."""


def environment() -> Results:
    """The machine, how busy it is, and the versions of what runs on it."""
    import cv2

    from edge.inference.interpreter import available_runtimes

    runtimes = (f"{info.name} {info.version}" for info in available_runtimes() if info.version and not info.error)
    return {
        "cpu": _cpu_model() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "board": board_model(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "affect_edge": version("affect-edge"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "runtime": next(runtimes, "none"),
    }


def environment_lines(found: Results) -> str:
    """`environment()` for people, with a warning where the machine does other work as well."""
    board = f"{found['board']}, " if found["board"] else ""
    lines = [
        f"machine   {board}{found['cpu']}, {found['cores']} cores; {found['system']}",
        f"versions  affect-edge {found['affect_edge']}, Python {found['python']}, NumPy {found['numpy']}, "
        f"OpenCV {found['opencv']}, {found['runtime']}",
    ]
    if found["load_average"] > found["cores"] / 2:
        lines.append(
            f"busy      load {found['load_average']} on {found['cores']} cores: "
            "trust the ratios of this run, not its absolute times"
        )
    return "\n".join(lines)


def interleaved(
    calls: Mapping[str, Callable[[int], object]],
    *,
    rounds: int,
    warmup: int,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, npt.NDArray[np.float64]]:
    """Time several functions in turn, so that whatever else the machine does falls on all of them alike.

    Each round calls every function once, in an order that is shuffled anew (with a fixed seed): none always finds the
    caches as the same other one left them.

    Parameters
    ----------
    calls
        By name; each is given the number of the round, 0 to `rounds` - 1 (and as many for the warm-up).
    rounds, warmup
        How many rounds are counted, and how many are run before and are not.
    advance
        Called after each round, for a progress bar.

    Returns
    -------
    (rounds,) seconds for each name
    """
    shuffler = random.Random(0)
    order = list(calls)
    seconds = {name: np.zeros(rounds) for name in order}
    for turn in range(-warmup, rounds):
        shuffler.shuffle(order)
        for name in order:
            call = calls[name]
            began = time.perf_counter_ns()
            call(abs(turn))
            ended = time.perf_counter_ns()
            if turn >= 0:
                seconds[name][turn] = (ended - began) / 1e9
        advance()
    return seconds


def spread(values: npt.ArrayLike, scale: float = 1.0, digits: int = 1) -> dict[str, float]:
    """Median and the range that holds 90 % of the values: {'p5', 'median', 'p95'}, times `scale`."""
    p5, median, p95 = np.percentile(np.asarray(values, dtype=np.float64) * scale, [5, 50, 95]).tolist()
    return {"p5": round(p5, digits), "median": round(median, digits), "p95": round(p95, digits)}


def memory_kib(field: str, process: int | str = "self") -> int:
    """VmRSS (resident now) or VmHWM (the most it was) of a process, KiB, from /proc/PID/status."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0])
    raise KeyError(f"/proc/{process}/status has no {field}")


def megabytes(kib: float) -> float:
    """10**6 bytes, to one place."""
    return round(kib * 1024 / 1e6, 1)


def parser(module: str, documentation: str | None) -> argparse.ArgumentParser:
    """The arguments that all benchmarks take."""
    made = plain_parser(module, documentation)
    made.add_argument("--json", action="store_true", help="print one JSON object in place of the table")
    made.add_argument("--quick", action="store_true", help="a few repeats, to see that it works; trust no figure of it")
    return made


def plain_parser(module: str, documentation: str | None) -> argparse.ArgumentParser:
    """No arguments yet; `--help` shows the module's documentation as it stands."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=documentation,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def show_progress(arguments: argparse.Namespace) -> bool:
    """Whether somebody watches."""
    return sys.stderr.isatty() and not arguments.json


def report(name: str, results: Results, table: Callable[[Results], str], *, as_json: bool) -> None:
    """Print what a benchmark found, with the environment."""
    document = {"benchmark": name, "environment": environment(), **results}
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        print(f"{environment_lines(document['environment'])}\n\n{table(results)}")


def main(prog: str, run: Callable[[], int]) -> int:
    """Run a benchmark; errors that a user can mend become one line on stderr."""
    try:
        return run()
    except AffectEdgeError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _cpu_model() -> str | None:
    """The name on x86; on Arm, where the kernel tells only numbers, the implementer's and part's numbers."""
    fields = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    except OSError:
        return None
    if "model name" in fields:
        return fields["model name"]
    # "CPU part" 0xd08 is Cortex-A72 (Pi 4), 0xd0b Cortex-A76 (Pi 5), 0xd42 Cortex-A78AE (Orin).
    return f"Arm part {fields['CPU part']}" if "CPU part" in fields else None
