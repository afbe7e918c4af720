"""What the board says about itself: its model, its temperatures, and whether a Raspberry Pi is being throttled."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")

# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_THROTTLE_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
_HAS_OCCURRED = 16
"""How far above each bit stands the one that says it has happened since the board was started."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """What holds a Raspberry Pi back: under-voltage, frequency capped, throttled, soft temperature limit."""

    now: tuple[str, ...]
    occurred: tuple[str, ...]
    """Since the board was started; what holds now is among them."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """One thermal zone of the kernel."""

    zone: str
    """What the kernel calls it, such as 'cpu-thermal'."""
    celsius: float


def board_model(root: Path = _ROOT) -> str | None:
    """The board's name from the device tree, such as 'Raspberry Pi 5 Model B Rev 1.0'; None on a PC."""
    try:
        # The firmware ends the string with a zero byte.
        return (root / "proc/device-tree/model").read_bytes().rstrip(b"\0\n").decode(errors="replace") or None
    except OSError:
        return None


def temperatures(root: Path = _ROOT) -> list[Temperature]:
    """The kernel's thermal zones that can be read now, in the order of their numbers, in degrees Celsius."""
    zones = sorted(
        (root / "sys/class/thermal").glob("thermal_zone[0-9]*"), key=lambda zone: (len(zone.name), zone.name)
    )
    readings = (_read_zone(zone) for zone in zones)
    return [reading for reading in readings if reading is not None]


def throttling(root: Path = _ROOT, *, vcgencmd: str = "vcgencmd") -> Throttling | None:
    """The throttling bits of a Raspberry Pi; None on other boards.

    The kernel's file is asked first, then the firmware's own tool, which needs the group video and is all that a
    Raspberry Pi 5 has.

    Parameters
    ----------
    root
        Where /sys lies.
    vcgencmd
        The tool's name or path.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration):
        file = next((root / "sys/devices/platform").glob("soc*/*:firmware/get_throttled"))
        # drivers/firmware/raspberrypi.c prints it with "%x\n": hexadecimal without 0x.
        return decode_throttling(int(file.read_text(), 16))
    tool = shutil.which(vcgencmd)
    if tool is None:
        return None
    try:
        answer = subprocess.run(
            [tool, "get_throttled"], capture_output=True, text=True, timeout=5, check=True, stdin=subprocess.DEVNULL
        )
        # "throttled=0x50000", or "error=..." with exit code 0.
        return decode_throttling(int(answer.stdout.strip().removeprefix("throttled="), 16))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def decode_throttling(bits: int) -> Throttling:
    """What the bits of `get_throttled` say."""
    return Throttling(
        now=tuple(name for bit, name in _THROTTLE_BITS.items() if bits >> bit & 1),
        occurred=tuple(name for bit, name in _THROTTLE_BITS.items() if bits >> (bit + _HAS_OCCURRED) & 1),
    )


def _read_zone(zone: Path) -> Temperature | None:
    try:
        name = (zone / "type").read_text().strip()
        return Temperature(name, int((zone / "temp").read_text()) / 1000)
    except (OSError, ValueError):
        # A Jetson's zones of parts that are switched off answer with EAGAIN.
        return None
