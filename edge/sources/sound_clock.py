"""When a sample was heard, from its number."""

from __future__ import annotations

_WINDOW = 60.0
"""Seconds over which the earliest arrival is taken: a busy machine only ever delays a block."""

_TOLERANCE = 0.02
"""Seconds that the count may be off before it is corrected."""

_LARGEST_STEP = 0.025
"""Seconds of one correction back: half a block, so that no block begins before the one it follows."""


class SampleClock:
    """Tells the monotonic time of a sample by counting, so that a late delivery shifts nothing.

    A sound card's crystal differs from the computer's by up to some 100 parts in a million, which in a month is more
    than four minutes: once a minute the count is corrected by the earliest arrival of that minute. So is sound that
    was lost before it was counted, as by a recorder that was stopped for an hour.

    Parameters
    ----------
    rate
        Hertz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._position = 0
        self._moment: float | None = None
        self._least_delay = 0.0
        self._window_end = 0.0

    @property
    def is_set(self) -> bool:
        return self._moment is not None

    def set(self, position: int, moment: float) -> None:
        """Count from here: the sample `position` was heard at `moment`, in seconds of `time.monotonic()`."""
        self._position = position
        self._moment = moment
        self._restart(moment)

    def time(self, position: int) -> float:
        """Seconds of `time.monotonic()` at which the sample `position` was heard."""
        if self._moment is None:
            raise ValueError("a clock must be set before it is read")
        return self._moment + (position - self._position) / self._rate

    def position(self, moment: float) -> int:
        """The sample that was heard at `moment`."""
        if self._moment is None:
            raise ValueError("a clock must be set before it is read")
        return self._position + round((moment - self._moment) * self._rate)

    def observe(self, end: int, arrival: float) -> None:
        """Take note that all samples before `end` had arrived at `arrival`."""
        self._least_delay = min(self._least_delay, arrival - self.time(end))
        if arrival < self._window_end:
            return
        if self._moment is not None and abs(self._least_delay) > _TOLERANCE:
            self._moment += max(-_LARGEST_STEP, self._least_delay)
        self._restart(arrival)

    def _restart(self, now: float) -> None:
        self._least_delay = float("inf")
        self._window_end = now + _WINDOW
