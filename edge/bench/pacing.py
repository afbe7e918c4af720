"""Sources that give what was made beforehand, so that making it costs nothing: one after another, or at their pace.

And what is told of a loop that they fed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from edge.bench.stopwatch import Stopwatch
from edge.bench.timing import times
from edge.observation import AudioBlock, Frame, Image, Samples
from edge.sources.base import FrameSource, file_frame, live_frame
from edge.sources.sound import BLOCK_SECONDS, AudioSource, SoundFigures

SOURCE = "benchmark"


def to_and_fro(turn: int, count: int) -> int:
    """0 to `count` - 1, back to 0, and so on: nothing ever jumps."""
    last = max(1, count - 1)
    return min(last - abs(turn % (2 * last) - last), count - 1)


class Turns:
    """Notes when a loop comes for its next frame or half second: from one to the next, it has done all its work.

    Parameters
    ----------
    count
        Turns that count, at most.
    seconds
        That these may take; at least three are given.
    lead_in
        Turns before them, which do not count.
    begin
        Called when they begin.
    """

    def __init__(self, count: int, seconds: float, *, lead_in: int, begin: Callable[[], object]) -> None:
        self.total = lead_in + count
        """Turns at most."""
        self._moments: list[tuple[int, int]] = []
        self._seconds = seconds
        self._lead_in = lead_in
        self._begin = begin
        self._given = 0

    def next(self) -> int | None:
        """The number of the turn that begins, lead-in counted; None at the end."""
        turn = self._given
        if turn >= self._lead_in:
            if turn == self._lead_in:
                self._begin()
            self._moments.append((time.perf_counter_ns(), time.thread_time_ns()))
            is_late = self._moments[-1][0] - self._moments[0][0] > self._seconds * 1e9
            if turn >= self.total or (is_late and turn >= self._lead_in + 3):
                return None
        self._given += 1
        return turn

    @property
    def seconds(self) -> list[float]:
        """Of each turn that counts."""
        return [(later - earlier) / 1e9 for (earlier, _), (later, _) in pairwise(self._moments)]

    @property
    def cpu_seconds(self) -> float:
        """That the loop's thread has worked in them."""
        return (self._moments[-1][1] - self._moments[0][1]) / 1e9


class BackToBackFrames(FrameSource):
    """Pictures to and fro, the next as soon as it is asked for; their times are those of a camera."""

    name = SOURCE
    live = False

    def __init__(self, images: Sequence[Image], fps: float, turns: Turns) -> None:
        self._images = images
        self._fps = fps
        self._turns = turns

    def read(self) -> Frame | None:
        """The next."""
        index = self._turns.next()
        if index is None:
            return None
        return file_frame(self._images[to_and_fro(index, len(self._images))], index, index / self._fps, self.name)

    def close(self) -> None:
        """There is nothing to close."""


class BackToBackSound(AudioSource):
    """Blocks of sound, the next as soon as it is asked for; every tenth is a turn, for the ones between are a moment.

    Parameters
    ----------
    blocks
        All that there are.
    together
        Blocks of one turn.
    """

    name = SOURCE
    live = False

    def __init__(self, blocks: Sequence[AudioBlock], rate: int, turns: Turns, *, together: int) -> None:
        self.rate = rate
        self.figures = SoundFigures()
        self._blocks = blocks
        self._turns = turns
        self._together = together
        self._next = 0

    def read(self) -> AudioBlock | None:
        """The next."""
        if self._next % self._together == 0 and self._turns.next() is None:
            return None
        self._next += 1
        return self._blocks[self._next - 1]

    def close(self) -> None:
        """There is nothing to close."""


class PacedFrames(FrameSource):
    """Pictures again and again, to and fro; a reader that comes late has lost the frames that were due meanwhile."""

    name = SOURCE
    live = True

    def __init__(self, images: Sequence[Image], fps: float) -> None:
        self._due = 0
        self._images = images
        self._fps = fps
        self._began = time.monotonic()
        self._closed = False

    def read(self) -> Frame | None:
        """Wait for the next moment of a frame."""
        index = max(self._due, math.floor((time.monotonic() - self._began) * self._fps))
        time.sleep(max(0.0, self._began + index / self._fps - time.monotonic()))
        if self._closed:
            return None
        self._due = index + 1
        return live_frame(self._images[to_and_fro(index, len(self._images))], index, self.name)

    def close(self) -> None:
        self._closed = True


class PacedSound(AudioSource):
    """Sound once, in blocks that are there when their last sample would have been."""

    name = SOURCE
    live = True

    def __init__(self, sound: Samples, rate: int) -> None:
        self.rate = rate
        self.figures = SoundFigures()
        self._sound = sound
        self._position = 0
        self._began = time.monotonic(), time.time()
        self._closed = False

    def read(self) -> AudioBlock | None:
        """Wait until the next block is complete."""
        start, count = self._position, round(self.rate * BLOCK_SECONDS)
        if self._closed or start + count > len(self._sound):
            return None
        steady, wall = (moment + start / self.rate for moment in self._began)
        time.sleep(max(0.0, steady + count / self.rate - time.monotonic()))
        self._position += count
        return AudioBlock(self._sound[start : start + count], self.rate, start, wall, steady, self.name)

    def close(self) -> None:
        self._closed = True


def paced_figures(
    latencies: Sequence[float], *, period: float, due: int, seconds: float, cpu_ms_a_second: float, observations: int
) -> dict[str, Any]:
    """What `document.Paced` holds.

    Parameters
    ----------
    latencies
        Seconds from capture to answer, of each frame or half second that was answered; at least one.
    period
        Seconds from one to the next, within which an answer is in time.
    due
        How many there were.
    seconds
        In which they came.
    cpu_ms_a_second
        Of the processor.
    """
    in_time = sum(latency <= period for latency in latencies)
    return {
        "seconds": round(seconds, 3),
        "due": due,
        "missed": max(0, due - in_time),
        "a_second": round(len(latencies) / seconds, 3),
        "cpu_ms_a_second": round(cpu_ms_a_second, 3),
        "observations": observations,
        **times(latencies),
    }


def back_to_back_figures(turns: Turns, models: Stopwatch) -> dict[str, Any]:
    """What `document.BackToBack` holds.

    Parameters
    ----------
    turns
        After the loop's end; a frame or half a second each.
    models
        That was reset when they began.
    """
    seconds = turns.seconds
    return {
        "count": len(seconds),
        "mean_ms": round(sum(seconds) / len(seconds) * 1e3, 4),
        "models_ms": round(models.seconds / len(seconds) * 1e3, 4),
        "overhead": _overhead(sum(seconds), models.seconds),
        "cpu_overhead": _overhead(turns.cpu_seconds, models.cpu_seconds),
        "invocations": round(models.calls / len(seconds), 4),
        **times(seconds),
    }


def _overhead(whole: float, models: float) -> float | None:
    return round(whole / models - 1, 4) if models > 0 else None
