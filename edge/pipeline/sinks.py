"""Where the loops' observations go: what thins them out, and what lets several threads share one place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec

from edge.journal import Journal
from edge.observation import Observation

_P = ParamSpec("_P")

Sink = Callable[[Observation], None]
"""Takes an observation; called from the loop's thread."""


class Thinned:
    """Passes a track's observation on when its label changed, or `interval` seconds after the last that passed.

    Each loop has its own: tracks and steady clocks are those of one source.

    Parameters
    ----------
    sink
        What it passes to.
    interval
        Seconds of the source's steady clock.
    """

    def __init__(self, sink: Sink, *, interval: float) -> None:
        self._sink = sink
        self._interval = interval
        self._passed: dict[int | None, float] = {}

    def __call__(self, observation: Observation) -> None:
        now = observation.monotonic_time
        last = self._passed.get(observation.track)
        if last is None or observation.changed or now - last >= self._interval:
            # Tracks that ended are never seen again: what was not passed on for long is forgotten.
            if last is None:
                keep = 10 * max(self._interval, 1.0)
                self._passed = {track: time for track, time in self._passed.items() if now - time < keep}
            self._passed[observation.track] = now
            self._sink(observation)


def journal_sink(journal: Journal, *, interval: float) -> Sink:
    """What writes observations to a journal: every change of a label, and every `interval` seconds."""
    return Thinned(journal.add, interval=interval)


def one_at_a_time(sink: Callable[_P, None]) -> Callable[_P, None]:
    """A sink that several loops may call, also with more than an observation: each waits until the other is through.

    Nothing queues up, so that a slow sink holds the loops back instead of filling the memory; a loop that is held back
    for too long loses the oldest of what its source captures, which is counted there. (A journal has its own lock.)
    """
    lock = threading.Lock()

    def guarded(*arguments: _P.args, **options: _P.kwargs) -> None:
        with lock:
            sink(*arguments, **options)

    return guarded
