"""What a process has in memory; imports nothing that would itself be counted."""

from __future__ import annotations

from pathlib import Path


def memory_mb(field: str, process: int | str = "self", root: Path = Path("/")) -> float | None:
    """VmRSS (resident now) or VmHWM (the most it was) of a process, 10**6 bytes; None where /proc does not say so."""
    try:
        for line in (root / f"proc/{process}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == field:
                return round(int(rest.split()[0]) * 1024 / 1e6, 1)
    except (OSError, ValueError, IndexError):
        pass
    return None
