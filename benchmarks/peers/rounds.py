"""Measures systems in turns: first their starts, then item by item with all of them running."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import measuring
from benchmarks.peers.places import Ready
from benchmarks.peers.process import Item, SystemFailedError, SystemProcess, Threads
from benchmarks.peers.system import Job

Inputs = Mapping[Job, Sequence[Item]]
Advance = Callable[[], object]


@dataclass
class Measured:
    """What is known of one system so far."""

    starts: list[float] = field(default_factory=list)
    """Seconds from the start of its process to its first answer; the first of them is the run to warm up."""
    start_cpu: list[float] = field(default_factory=list)
    """Seconds of all threads on the CPU up to then; as `starts`."""
    start_peaks: list[int] = field(default_factory=list)
    """KiB, the most that was resident up to then; as `starts`."""
    disk: dict[str, Any] = field(default_factory=dict)
    """As `child` tells it."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Of each item, by the threads."""
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    process: dict[str, dict[str, Any]] = field(default_factory=dict)
    """At the end, by the threads: runtime, memory, count of threads."""
    failure: str = ""
    """Why it was given up, and when."""


@dataclass
class Run:
    """All systems of a run, and how far it came."""

    systems: dict[str, Measured]
    interrupted: str = ""
    """What was being done when somebody pressed Ctrl-C."""

    @contextmanager
    def _trying(self, name: str, doing: str) -> Iterator[None]:
        """A system that fails is given up; the others go on."""
        try:
            yield
        except SystemFailedError as error:
            self.systems[name].failure = f"{doing}: {error}"

    def _alive(self, ready: Iterable[str]) -> list[str]:
        return [name for name in ready if not self.systems[name].failure]


def measure(
    systems: Sequence[Ready],
    inputs: Inputs,
    *,
    starts: int,
    rounds: int,
    warmup: int,
    threads: Sequence[Threads],
    patience: float,
    advance: Advance = lambda: None,
) -> Run:
    """Start each system some times, then give each one item in each round, in an order that is shuffled anew.

    Parameters
    ----------
    systems
        Each in a process of its own; those of one job are given the same items.
    inputs
        Of each job at least `warmup + rounds` items.
    starts
        Processes of each that are started alone, after one more that is not counted. Those that are then given items
        count as well; 0: they alone.
    rounds, warmup
        Items of each that are counted, and those before them.
    threads
        For each of these all systems are started anew.
    patience
        Seconds that one answer may take; a system that takes longer is given up.
    advance
        Called after each start and each round.

    Returns
    -------
    What was measured, also where a system failed midway or Ctrl-C ended the run.
    """
    ready = {each.system.name: each for each in systems}
    run = Run({name: Measured() for name in ready})
    doing = "starting"
    try:
        _measure_starts(run, ready, inputs, starts, patience, advance)
        for each in threads:
            doing = f"measuring, threads: {each}"
            _measure_items(run, ready, inputs, each, (rounds, warmup), patience, advance)
    except KeyboardInterrupt:
        run.interrupted = doing
    return run


def _measure_starts(
    run: Run, ready: Mapping[str, Ready], inputs: Inputs, starts: int, patience: float, advance: Advance
) -> None:
    shuffler = random.Random(0)
    for _ in range(starts + 1 if starts else 0):
        order = run._alive(ready)
        shuffler.shuffle(order)
        for name in order:
            item = inputs[ready[name].system.job][0]
            with run._trying(name, "starting"), SystemProcess(ready[name], patience=patience) as process:
                _first_answer(process, item, run.systems[name])
            advance()


def _first_answer(process: SystemProcess, item: Item, known: Measured) -> None:
    """What a process took to it, and once what it is installed from."""
    process.take(item)
    known.starts.append(time.perf_counter() - process.began)
    told = process.ask({"about": "process"})
    known.start_cpu.append(told["cpu_seconds"])
    known.start_peaks.append(told["peak_kib"])
    known.disk = known.disk or process.ask({"about": "disk"})


def _measure_items(
    run: Run,
    ready: Mapping[str, Ready],
    inputs: Inputs,
    threads: Threads,
    counts: tuple[int, int],
    patience: float,
    advance: Advance,
) -> None:
    rounds, warmup = counts
    shuffler = random.Random(0)
    doing = f"measuring, threads: {threads}"
    with ExitStack() as stack:
        processes = {}
        for name in run._alive(ready):
            with run._trying(name, doing):
                process = SystemProcess(ready[name], threads=threads, patience=patience)
                processes[name] = stack.enter_context(process)
                for kept in (known := run.systems[name]).seconds, known.cpu_seconds, known.answers:
                    kept[threads] = []
                # One after the other, so that none starts while another one does; those before it are idle.
                if threads == "shipped":
                    _first_answer(process, inputs[ready[name].system.job][0], known)
        for turn in range(warmup + rounds):
            order = [name for name in processes if not run.systems[name].failure]
            shuffler.shuffle(order)
            for name in order:
                with run._trying(name, f"{doing}, item {turn + 1} of {warmup + rounds}"):
                    told = processes[name].take(inputs[ready[name].system.job][turn])
                    if turn >= warmup:
                        known = run.systems[name]
                        known.seconds[threads].append(told["seconds"])
                        known.cpu_seconds[threads].append(told["cpu_seconds"])
                        known.answers[threads].append(told["answer"])
            advance()
        for name in run._alive(processes):
            with run._trying(name, doing):
                run.systems[name].process[threads] = processes[name].ask({"about": "process"})


def figures(known: Measured) -> measuring.Results:
    """What was measured of a system, in plain types; nothing of what was not."""
    made: measuring.Results = {}
    if known.starts:
        counted = known.starts[1:] or known.starts
        peaks = [measuring.megabytes(peak) for peak in known.start_peaks[1:] or known.start_peaks]
        made["start"] = {
            "first_s": round(known.starts[0], 3),
            "seconds": measuring.spread(counted, digits=3),
            "cpu_seconds": measuring.spread(known.start_cpu[1:] or known.start_cpu, digits=3),
            "runs": len(counted),
            "peak_mb": measuring.spread(peaks),
        }
    if known.disk:
        made["disk"] = {
            "mb": round(known.disk["disk_bytes"] / 1e6, 1),
            "packages": known.disk["packages"],
            "versions": known.disk["versions"],
        }
    made["threads"] = {
        threads: _item_figures(seconds, known, threads) for threads, seconds in known.seconds.items() if seconds
    }
    return made


def _item_figures(seconds: Sequence[float], known: Measured, threads: str) -> measuring.Results:
    mean, answers = float(np.mean(seconds)), known.answers[threads]
    process = known.process.get(threads)
    labels = Counter(answer.get("label") for answer in answers if answer.get("label"))
    return {
        "items": len(seconds),
        "milliseconds": {"mean": round(mean * 1e3, 3), **measuring.spread(seconds, 1e3, 3)},
        "a_second": round(1 / mean, 1),
        "cpu_milliseconds": round(float(np.mean(known.cpu_seconds[threads])) * 1e3, 3),
        "answered": round(float(np.mean([answer["found"] > 0 for answer in answers])), 3),
        "labels": dict(labels.most_common(3)),
        "runtime": process["runtime"] if process else None,
        "peak_mb": measuring.megabytes(process["peak_kib"]) if process else None,
        "threads": process["threads"] if process else None,
    }
