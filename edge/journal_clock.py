"""What a session knows of the system's clock, which a board without a battery has to be told after each boot.

Each record keeps both clocks: the wall time as it was then, and the steady time. When the system's clock is set while
the session runs, the session's beginning is put right, and with it the times that readers are told.

Records are erased by age only on the word of a clock that something confirms, lest a board that wakes up in a wrong
year erase its journal. Any of these does:

- systemd-timesyncd has set it in this boot (`SYNCHRONISED` exists), and nobody set it in the hour before now,
- it has gone on for six hours of this session without being set,
- it stands at most three days after the moment up to which the journal knows a confirmed clock: a board without network
  that is switched off overnight or over the weekend.
"""

from __future__ import annotations

import time
from pathlib import Path

from edge.clock import TIMESYNCD_MARK

SYNCHRONISED = Path("/") / TIMESYNCD_MARK

STEADY_SECONDS = 6 * 3600.0
"""A clock that nobody set for so long is believed."""

SET_LATELY_SECONDS = 3600.0
CHAIN_SECONDS = 3 * 86_400.0

_STEP_SECONDS = 1.0


class SessionClock:
    """When a session began, by the steady clock and by the latest setting of the system's."""

    def __init__(self) -> None:
        self.opened_monotonic = time.monotonic()
        self.opened_wall, self._opened_steady = _both()
        self._unchanged_since = self._opened_steady
        self.was_set = False
        """Whether the system's clock was set since."""

    def follow(self) -> None:
        """Put the session's beginning right when the system's clock was set."""
        wall, steady = _both()
        step = wall - (steady - self._opened_steady) - self.opened_wall
        if abs(step) > _STEP_SECONDS:
            self.opened_wall += step
            self.was_set = True
            self._unchanged_since = steady

    def wall_at(self, monotonic: float) -> float:
        """The wall time of a moment of this session, by the latest setting of the clock."""
        return time.time() - (time.monotonic() - monotonic)

    def is_confirmed(self, known_until: float | None) -> bool:
        """Whether the system's clock may be believed; `known_until` is what the journal knows of a confirmed one."""
        unchanged = _steady() - self._unchanged_since
        if unchanged >= STEADY_SECONDS:
            return True
        if _is_synchronised() and (not self.was_set or unchanged >= SET_LATELY_SECONDS):
            return True
        return known_until is not None and 0 <= time.time() - known_until <= CHAIN_SECONDS


def _is_synchronised() -> bool:
    try:
        return SYNCHRONISED.exists()
    except OSError:  # a unit that may not look there
        return False


def _both() -> tuple[float, float]:
    """The system's clock and the steady one at the same moment."""
    while True:
        before, wall, after = _steady(), time.time(), _steady()
        if after - before < _STEP_SECONDS / 4:  # else the process was stopped, or the board slept, in between
            return wall, after


def _steady() -> float:
    """Seconds of a clock that nobody sets and that goes on while the board sleeps, as the system's clock does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
