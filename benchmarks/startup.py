"""How long `affect-edge run` takes to its first observation, and how much memory it takes then.

Each run is a fresh process, `python -m edge run --source demo --no-journal --json`: the time is from starting it to the
first line on its stdout, the peak is VmHWM in /proc/PID/status (the most that was ever resident, shared libraries
included) some seconds later. A first run, which may read from a cold disk, is told apart. In turn with these, processes
that do the same steps one by one tell where the start goes. The aims: under 1.5 s and under 120 MB (10**6 bytes).

examples:
  python -m benchmarks.startup
  python -m benchmarks.startup --runs 11 --json
  python -m benchmarks.startup --imports        also which packages' imports cost most
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benchmarks import measuring
from benchmarks.ending import last_line
from edge.config import Config
from edge.errors import AffectEdgeError
from edge.inference.catalog import find_model

AIM_SECONDS = 1.5
AIM_MEGABYTES = 120.0

COMMAND = (sys.executable, "-m", "edge", "run", "--source", "demo", "--mic", "none", "--no-journal", "--json")

_PATIENCE = 120.0
"""Seconds to wait for a first observation: a Raspberry Pi on a cold card needs many."""

_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")


class ChildFailedError(AffectEdgeError):
    """A measured process ended without doing what was to be measured."""


def measure(*, runs: int, seconds: float, progress: bool) -> measuring.Results:
    """Start the command and the staged process in turn, `runs` times after one run that is not counted."""
    from tqdm import tqdm

    # Without the models, told before anything starts.
    find_model("expression")
    find_model("face-detection", Config().face.model)
    observed, stages = [], []
    for _ in tqdm(range(runs + 1), unit="run", disable=not progress):
        observed.append(first_observation(seconds))
        stages.append(start_stages())
    first, *counted = observed
    return {
        "protocol": {
            "command": ["python", *COMMAND[1:]],
            "runs": runs,
            "warmup": 1,
            "memory_after_s": seconds,
            "memory_from": "VmHWM and VmRSS in /proc/PID/status",
            "aim_s": AIM_SECONDS,
            "aim_mb": AIM_MEGABYTES,
        },
        "first_observation_s": measuring.spread([run["seconds"] for run in counted], digits=3),
        "first_observation_cpu_s": measuring.spread([run["cpu_seconds"] for run in counted], digits=3),
        "first_run_s": round(first["seconds"], 3),
        "peak_mb": measuring.spread([measuring.megabytes(run["peak_kib"]) for run in counted]),
        "resident_mb": measuring.spread([measuring.megabytes(run["resident_kib"]) for run in counted]),
        "stages_s": {
            name: measuring.spread([stage[name] for stage in stages[1:]], digits=3)["median"] for name in stages[0]
        },
    }


def first_observation(seconds: float) -> dict[str, float]:
    """Start the command, wait for its first line, let it run `seconds` more, and end it.

    Returns
    -------
    {'seconds', 'cpu_seconds', 'peak_kib', 'resident_kib'}
    """
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            try:
                readable, _, _ = select.select([process.stdout], [], [], _PATIENCE)
                line = process.stdout.readline() if readable else b""
                took, cpu = time.perf_counter() - began, _cpu_seconds(process.pid)
                if not line.endswith(b"\n") or json.loads(line)["modality"] != "face":
                    raise ChildFailedError(f"{' '.join(COMMAND)} gave no observation: {_last_line(errors)}")
                _drain(process.stdout.fileno(), seconds)
                if process.poll() is not None:
                    raise ChildFailedError(f"{' '.join(COMMAND)} ended by itself: {_last_line(errors)}")
                peak, resident = (measuring.memory_kib(field, process.pid) for field in ("VmHWM", "VmRSS"))
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)
            finally:
                process.kill()
    return {"seconds": took, "cpu_seconds": cpu, "peak_kib": peak, "resident_kib": resident}


def start_stages() -> dict[str, float]:
    """Seconds of each step of the start, from a process that takes them one by one; see `benchmarks.start_stages`."""
    command = [sys.executable, "-m", "benchmarks.start_stages", str(time.perf_counter())]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        raise ChildFailedError(f"{' '.join(command)} failed: {(child.stderr.splitlines() or ['no reason given'])[-1]}")
    stages: dict[str, float] = json.loads(child.stdout)
    return stages


def import_costs(top: int = 10) -> dict[str, float]:
    """Milliseconds that importing each package took, its dependencies not counted, the dearest first."""
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], "--duration", "0.1"]
    child = subprocess.run(command, capture_output=True, text=True)
    packages: dict[str, int] = defaultdict(int)
    for line in child.stderr.splitlines():
        if match := _IMPORT_LINE.match(line):
            packages[match[2].partition(".")[0]] += int(match[1])
    if child.returncode or not packages:
        raise ChildFailedError(f"{' '.join(command)} failed with {child.returncode}")
    dearest = sorted(packages.items(), key=lambda item: item[1], reverse=True)[:top]
    return {package: round(microseconds / 1000, 1) for package, microseconds in dearest}


def _cpu_seconds(process: int) -> float:
    """What a process has used of the CPU, all its threads together."""
    # Fields 14 and 15 of proc_pid_stat(5), utime and stime, counted after the name, which may hold blanks.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _drain(descriptor: int, seconds: float) -> None:
    """Read for so long: a child whose pipe is full would stand still."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        readable, _, _ = select.select([descriptor], [], [], left)
        if readable and not os.read(descriptor, 65536):
            return


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    return last_line(errors.read().decode(errors="replace"))


def table(results: measuring.Results) -> str:
    """The figures for people."""
    protocol = results["protocol"]
    time_taken, cpu = results["first_observation_s"], results["first_observation_cpu_s"]
    peak, resident = results["peak_mb"], results["resident_mb"]
    lines = [
        f"{protocol['runs']} fresh processes after {protocol['warmup']} to warm up: {' '.join(protocol['command'])}",
        "",
        f"{'':<34}{'median':>8}{'5 %':>8}{'95 %':>8}",
        f"{'start to first observation, s':<34}{time_taken['median']:>8}{time_taken['p5']:>8}{time_taken['p95']:>8}"
        f"   (aim: under {AIM_SECONDS}; the run to warm up: {results['first_run_s']})",
        f"{'CPU time of that, s':<34}{cpu['median']:>8}{cpu['p5']:>8}{cpu['p95']:>8}",
        f"{'peak memory (VmHWM), MB':<34}{peak['median']:>8}{peak['p5']:>8}{peak['p95']:>8}"
        f"   (aim: under {AIM_MEGABYTES:g}; {protocol['memory_after_s']:g} s after the first observation)",
        f"{'memory then (VmRSS), MB':<34}{resident['median']:>8}{resident['p5']:>8}{resident['p95']:>8}",
        "",
        "where the start goes, step by step, s (medians)",
        *(f"  {name:<32}{seconds:>8.3f}" for name, seconds in results["stages_s"].items()),
    ]
    if "imports_ms" in results:
        lines += ["", "imports, ms (one run under -X importtime, which slows them; dependencies not counted)"]
        lines += [f"  {package:<32}{cost:>8}" for package, cost in results["imports_ms"].items()]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    runs, seconds = (2, 1.0) if arguments.quick else (arguments.runs, arguments.seconds)
    results = measure(runs=runs, seconds=seconds, progress=measuring.show_progress(arguments))
    if arguments.imports:
        results["imports_ms"] = import_costs()
    measuring.report("startup", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.startup", __doc__)
    parser.add_argument("--runs", type=measuring.positive, default=7, metavar="N", help="processes started (default 7)")
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="S", help="let each run so long before its memory is read"
    )
    parser.add_argument("--imports", action="store_true", help="list the ten packages whose imports cost most")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
