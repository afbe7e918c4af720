"""How a process that we started ended, in words."""

from __future__ import annotations

import signal
from pathlib import Path


def last_words(code: int, said: Path) -> str:
    """How it ended, and the last line of what it said on stderr.

    Parameters
    ----------
    code
        As `subprocess.Popen.wait` gives it: below 0, the signal that ended it.
    said
        The file that its stderr went to.
    """
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    return f"{how}; {last_line(said.read_text(errors='replace'))[:300]}"


def last_line(said: str) -> str:
    """The last line that is not empty, or that there is none."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
