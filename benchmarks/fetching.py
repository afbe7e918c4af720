"""Commands that fetch what a benchmark needs and this environment cannot hold."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from edge.errors import AffectEdgeError


class UnavailableError(AffectEdgeError):
    """A tool is missing, or something could not be fetched."""


def call(command: Sequence[str], purpose: str) -> None:
    """Run a command to its end, its output out of sight.

    Raises
    ------
    UnavailableError
        It fails; the last line that it said is told.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = lines[-1].strip() if lines else f"code {done.returncode}"
        raise UnavailableError(f"{purpose}: {' '.join(command)[:80]} failed: {said}; is its server reachable?")
