"""Whether the clock on the wall can be believed: a board without a battery starts with a wrong one."""

from __future__ import annotations

import ctypes
from pathlib import Path

EARLIEST = 1_704_067_200.0
"""2024-01-01 in seconds since 1970 UTC: no clock that is right is before that."""

TIMESYNCD_MARK = "run/systemd/timesync/synchronized"
"""Below the root; systemd-timesyncd makes it when a server told it the time, and it is gone at the next boot."""

_ROOT = Path("/")
_TIME_ERROR = 5  # <sys/timex.h>: the clock is not synchronised
_TIMEX_BYTES = 512
"""More than any architecture's struct timex; all zeros ask and set nothing."""


def is_synchronised(root: Path = _ROOT) -> bool | None:
    """Whether something (NTP) has set the clock since the board was started.

    systemd-timesyncd leaves a file when it has; else the kernel is asked, which chrony and ntpd tell. Neither says
    anything of a battery-backed clock, which may be right without them.

    Parameters
    ----------
    root
        Where /run and /proc lie.

    Returns
    -------
    bool or None
        None: it cannot be known, as in a unit whose system calls are filtered.
    """
    if (root / TIMESYNCD_MARK).exists():
        return True
    # Filters may kill a process for adjtimex, even to read with it.
    if _is_filtered(root):
        return None
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _is_filtered(root: Path) -> bool:
    try:
        lines = (root / "proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    return not any(line.split() == ["Seccomp:", "0"] for line in lines)
