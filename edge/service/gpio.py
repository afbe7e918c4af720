"""A button and a lamp on GPIO lines, through libgpiod (kernel.org's character device, not the old sysfs)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.errors import AffectEdgeError

_LINE = re.compile(r"(?:(?P<chip>[^\s:]+):)?(?P<line>[^\s:]+)")


class GpioError(AffectEdgeError):
    """A GPIO line that cannot be found, taken, read or set."""


@dataclass(frozen=True, slots=True)
class LineSpec:
    """Which line: its name, or its chip and its name or number there."""

    line: str
    """Name, or number on `chip`."""
    chip: str | None = None
    """Name, label, number or /dev path; None: the one chip that has a line of that name."""

    def __str__(self) -> str:
        return self.line if self.chip is None else f"{self.chip}:{self.line}"


def parse_line(text: str) -> LineSpec:
    """The line that 'GPIO17', 'gpiochip0:17', '/dev/gpiochip4:17' or 'pinctrl-rp1:GPIO17' names.

    Raises
    ------
    ValueError
        It names none.
    """
    found = _LINE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is not a GPIO line; write its name, such as 'GPIO17', or 'CHIP:NUMBER'")
    if found["chip"] is None and found["line"].isdecimal():
        raise ValueError(
            f"'{text}' is a number, which means nothing without a chip; write the line's name, such as "
            f"'GPIO{found['line']}', or its chip too, such as 'gpiochip0:{found['line']}' (`gpioinfo` lists all)"
        )
    return LineSpec(found["line"], found["chip"])
