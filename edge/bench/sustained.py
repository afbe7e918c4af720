"""Both pipelines back to back for minutes, while the board gets warm."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

from edge.bench.child import Child, JobError
from edge.bench.settings import Settings
from edge.bench.watch import Watch

_SAMPLES = 120
"""At most; a stretch is no shorter than `_LEAST_SECONDS`."""
_LEAST_SECONDS = 5.0
_START_SECONDS = 60.0
_PARTS = ("camera", "microphone")


class _Worker:
    """One pipeline in a process of its own, and its latest stretch."""

    def __init__(self, child: Child) -> None:
        self.latest: dict[str, Any] | None = None
        self.error: str | None = None
        self._child = child
        self._thread = threading.Thread(target=self._read, name="sustained", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for event in self._child.events():
                self.latest = event
        except (JobError, ValueError) as error:  # or its pipe was closed
            self.error = str(error)


def sustained(settings: Settings, watch: Watch) -> Generator[dict[str, Any], None, None]:
    """Run both; yields `document.Sustained` as it grows.

    Raises
    ------
    NoProcessError
        No process can be started here.
    JobError
        A pipeline failed; says how, after the other has run on to the end.
    """
    planned = settings.minutes * 60
    every = max(_LEAST_SECONDS, planned / _SAMPLES)
    config = str(settings.config.resolve()) if settings.config else None
    samples: list[dict[str, Any]] = []
    with ExitStack() as stack:
        workers: dict[str, _Worker] = {}
        for part in _PARTS:
            options = {"config": config, "part": part, "every": min(every, planned / 2)}
            workers[part] = _Worker(stack.enter_context(Child("sustain", options, launcher=settings.launcher)))
        # The run begins when something is done, not while the models are loaded.
        patience = time.monotonic() + _START_SECONDS + every
        while not any(worker.latest for worker in workers.values()) and time.monotonic() < patience:
            if all(worker.ended for worker in workers.values()):
                raise JobError("; ".join(f"{part}: {worker.error}" for part, worker in workers.items()))
            time.sleep(0.1)
        began = last = time.monotonic()
        while (now := time.monotonic()) - began < planned:
            time.sleep(max(0.0, min(every, began + planned - now)))
            now = time.monotonic()
            samples.append(_sample(workers, watch, began, last, now))
            last = now
            yield _figures(planned, now - began, samples)
        if failed := [f"{part}: {worker.error}" for part, worker in workers.items() if worker.error]:
            raise JobError("; ".join(failed))


def _sample(workers: dict[str, _Worker], watch: Watch, began: float, last: float, now: float) -> dict[str, Any]:
    camera, microphone = (workers[part].latest if not workers[part].ended else None for part in _PARTS)
    joules = watch.joules(last, now)
    heat = watch.heat
    return {
        "at_s": round(now - began, 1),
        "frames_a_second": round(camera["stretch"], 2) if camera else None,
        # A stretch counts half seconds of sound: so many are heard in a second.
        "ms_a_second_of_sound": round(2e3 / microphone["stretch"], 4) if microphone else None,
        "celsius": heat.temperature,
        "clock_mhz": watch.clock_mhz(),
        "throttled": list(heat.throttled),
        "watts": None if joules is None else round(joules / (now - last), 3),
        "memory_mb": camera["memory_mb"] if camera else None,
    }


def _figures(planned: float, seconds: float, samples: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [sample["frames_a_second"] for sample in samples if sample["frames_a_second"]]
    fifth = max(1, len(rates) // 5)
    celsius = [sample["celsius"] for sample in samples if sample["celsius"] is not None]
    clocks = [sample["clock_mhz"] for sample in samples if sample["clock_mhz"] is not None]
    return {
        "planned_s": planned,
        "seconds": round(seconds, 1),
        "samples": list(samples),
        "kept": round(sum(rates[-fifth:]) / sum(rates[:fifth]), 3) if len(rates) > 1 else None,
        "hottest_celsius": max(celsius, default=None),
        "slowest_mhz": min(clocks, default=None),
        "throttled": sorted({name for sample in samples for name in sample["throttled"]}),
    }
