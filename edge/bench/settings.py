"""How long a benchmark measures, and what of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PARTS: Final = ("models", "gpu", "camera", "microphone", "start", "cross-check")

THREADS: Final = (1, 2, 4)
"""Numbers of threads that are tried, as far as there are cores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Of one run; the defaults are those without --quick."""

    quick: bool = False
    rounds: int = 5
    repeats: int = 500
    seconds: float = 2.0
    """For each model and number of threads."""
    frames: int = 600
    hops: int = 240
    loop_seconds: float = 10.0
    """For a loop back to back, at most, and as long at its own pace."""
    starts: int = 5
    idle_seconds: float = 5.0
    """Before all else, where energy can be measured."""
    minutes: float = 0.0
    threads: tuple[int, ...] | None = None
    """None: `THREADS`, as far as there are cores."""
    parts: tuple[str, ...] = PARTS
    config: Path | None = None
    meter: str | None = None
    """A USB meter's port."""
    launcher: str | None = None
    """What starts Python; see `edge.bench.child.python_command`."""
    root: Path = Path("/")
    vcgencmd: str = "vcgencmd"


def quick_settings(**others: object) -> Settings:
    """For --quick: what a Raspberry Pi does in about half a minute."""
    short = {
        "quick": True,
        "rounds": 2,
        "repeats": 60,
        "seconds": 0.2,
        "frames": 90,
        "hops": 30,
        "loop_seconds": 2.0,
        "starts": 0,
        "idle_seconds": 2.0,
    }
    return Settings(**{**short, **others})  # type: ignore[arg-type]
