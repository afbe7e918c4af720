"""A USB power meter, or anything else that writes lines of volts and amperes to a serial port, a FIFO or a file.

A line is understood in one of these forms, whatever else it holds; others are passed over:

    5.12 V  0.61 A     numbers with units, in any order: V, mV, A, mA, W, mW. W counts before V times A
    5.12,0.61          nothing but two numbers (comma, semicolon, blank or tab between): volts, amperes
    3.12               nothing but one number: watts
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import termios
from typing import Final

from edge.bench.energy import Integral

DEFAULT_BAUD: Final = 115200

_QUANTITY = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)\s*(m?)([VAW])(?![A-Za-z])")
_NUMBERS = re.compile(r"\s*(-?\d+(?:\.\d+)?)(?:\s*[,;\s]\s*(-?\d+(?:\.\d+)?))?\s*")
_LONGEST: Final = 4096
"""Bytes without a line's end that are kept."""
_STALE: Final = 10.0
"""Seconds after which a meter that says nothing counts as silent."""


def watts_of(line: str) -> float | None:
    """What a line says, in watts; None where it says nothing that is understood."""
    found: dict[str, float] = {}
    for number, milli, unit in _QUANTITY.findall(line):
        found.setdefault(unit, float(number) / (1000 if milli else 1))
    if "W" in found:
        return found["W"]
    if "V" in found and "A" in found:
        return found["V"] * found["A"]
    if plain := _NUMBERS.fullmatch(line):
        return float(plain[1]) * float(plain[2] or 1)
    return None


class UsbMeter:
    """Reads what a meter writes.

    Parameters
    ----------
    where
        PATH or PATH:BAUD.

    Raises
    ------
    OSError
        It cannot be opened.
    ValueError
        A speed that serial ports do not have.
    """

    rails: list[str]

    def __init__(self, where: str) -> None:
        path, speed = where, DEFAULT_BAUD
        head, colon, tail = where.rpartition(":")
        if colon and tail.isdecimal():
            path, speed = head, int(tail)
        self.name = f"what {os.path.basename(path)} says"  # noqa: PTH119 - of whatever was typed
        self.rails = []
        self._integral = Integral()
        self._waiting = b""
        self._watts: float | None = None
        self._heard: float | None = None
        self._file = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            if stat.S_ISCHR(os.fstat(self._file).st_mode) and os.isatty(self._file):
                _set_speed(self._file, speed)
        except BaseException:
            os.close(self._file)
            raise

    def joules(self, now: float) -> float:
        """Of what was said so far; see `edge.bench.energy.Meter`."""
        for line in self._lines():
            if (watts := watts_of(line)) is not None:
                self._watts, self._heard = watts, now
        if self._watts is None or self._heard is None or now - self._heard > _STALE:
            raise ValueError("it says nothing that is understood")
        return self._integral.add(now, self._watts)

    def close(self) -> None:
        """Let go of the port."""
        os.close(self._file)

    def _lines(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._file, 4096):
                self._waiting += part
        *lines, self._waiting = self._waiting.split(b"\n")
        self._waiting = self._waiting[-_LONGEST:]
        return [line.decode(errors="replace") for line in lines]


def _set_speed(file: int, speed: int) -> None:
    constant = getattr(termios, f"B{speed}", None)
    if constant is None:
        raise ValueError(f"a serial port has no speed of {speed} baud")
    settings = termios.tcgetattr(file)
    # Raw: nothing is echoed to the meter, no byte is taken for a command.
    settings[0] = settings[1] = settings[3] = 0
    settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    settings[4] = settings[5] = constant
    termios.tcsetattr(file, termios.TCSANOW, settings)
