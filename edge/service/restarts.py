"""How soon something that failed is tried again: at once, then with growing pauses, then seldom."""

from __future__ import annotations

from collections import deque

_FIRST_PAUSE = 1.0
_LONGEST_BACKOFF = 600.0


class RestartPolicy:
    """Counts failures.

    Parameters
    ----------
    restarts
        Attempts in `window` seconds before it backs off.
    window
        Seconds.
    backoff
        Seconds of the first long pause; each further one is twice as long, up to ten minutes.
    """

    def __init__(self, *, restarts: int = 5, window: float = 600.0, backoff: float = 60.0) -> None:
        self._restarts = restarts
        self._window = window
        self._backoff = backoff
        self._failures: deque[float] = deque()
        self._pauses = 0
        self.total = 0
        """Failures since the beginning."""

    @property
    def backing_off(self) -> bool:
        """Whether the last pause was a long one."""
        return self._pauses > 0

    @property
    def recent(self) -> int:
        """Failures in the window, the last one's."""
        return len(self._failures)

    def failed(self, now: float) -> float:
        """Seconds to wait until the next attempt, after a failure at `now`, in seconds of a steady clock."""
        self.total += 1
        while self._failures and now - self._failures[0] >= self._window:
            self._failures.popleft()
        self._failures.append(now)
        if len(self._failures) <= self._restarts and not self.backing_off:
            # 0, 1, 2, 4, ... seconds.
            return 0.0 if len(self._failures) == 1 else _FIRST_PAUSE * 2 ** (len(self._failures) - 2)
        self._pauses += 1
        return float(min(self._backoff * 2 ** (self._pauses - 1), max(_LONGEST_BACKOFF, self._backoff)))

    def worked(self, since: float, now: float) -> None:
        """It has worked from `since` to `now`: after a window of that all failures are forgotten."""
        if self._failures and now - since >= self._window:
            self._failures.clear()
            self._pauses = 0
