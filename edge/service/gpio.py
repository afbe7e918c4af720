"""A button and a lamp on GPIO lines, through libgpiod (kernel.org's character device, not the old sysfs)."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from edge.errors import AffectEdgeError, MissingDependencyError

_DEV = Path("/dev")
_CONSUMER = "affect-edge"
"""What `gpioinfo` shows to use the line."""

_DEBOUNCE = timedelta(milliseconds=30)
"""A button's contacts bounce for some milliseconds; no finger is so quick."""

_ONE_PRESS_SECONDS = 1.0

_REASONS = {
    errno.EBUSY: "another program or driver uses it (`gpioinfo` shows which)",
    errno.EACCES: "this user may not use it; add it to the group gpio",
    errno.EPERM: "this user may not use it; add it to the group gpio, or allow it in the unit (DeviceAllow)",
}

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


class Led:
    """A lamp on a GPIO line; dark until it is set.

    Parameters
    ----------
    spec
        The line.
    active_low
        Whether it is lit when the line is low.

    Raises
    ------
    MissingDependencyError
        There is no libgpiod for Python.
    GpioError
        The line cannot be found or taken.
    """

    def __init__(self, spec: LineSpec, *, active_low: bool = False) -> None:
        gpiod = _gpiod()
        self._values = gpiod.line.Value
        self._line = _Line(
            spec,
            gpiod.LineSettings(
                direction=gpiod.line.Direction.OUTPUT,
                active_low=active_low,
                output_value=self._values.INACTIVE,
            ),
        )

    def set(self, lit: bool) -> None:
        """Switch it; raises GpioError."""
        with self._line.telling():
            value = self._values.ACTIVE if lit else self._values.INACTIVE
            self._line.request.set_value(self._line.offset, value)

    def close(self) -> None:
        """Give the line back as it is; most boards leave its level alone."""
        self._line.close()


class Button:
    """A push button on a GPIO line; the kernel keeps what was pressed until it is asked for, so no thread waits.

    Parameters
    ----------
    spec
        The line, of a chip that has interrupts, as those on a board's header do.
    active_low
        Whether it connects the line to ground (which is pulled up by the board then), not to the supply.

    Raises
    ------
    MissingDependencyError
        There is no libgpiod for Python.
    GpioError
        The line cannot be found or taken.
    """

    def __init__(self, spec: LineSpec, *, active_low: bool = True) -> None:
        gpiod = _gpiod()
        bias = gpiod.line.Bias
        self._last_press: float | None = None
        self._line = _Line(
            spec,
            gpiod.LineSettings(
                direction=gpiod.line.Direction.INPUT,
                edge_detection=gpiod.line.Edge.RISING,  # of the logical level: when it is pressed
                bias=bias.PULL_UP if active_low else bias.PULL_DOWN,
                active_low=active_low,
                debounce_period=_DEBOUNCE,
            ),
        )

    def presses(self) -> int:
        """How often it was pressed since it was last asked; two within a second are one. Raises GpioError."""
        with self._line.telling():
            request = self._line.request
            events = request.read_edge_events() if request.wait_edge_events(0) else []
        count = 0
        for event in events:
            seconds = event.timestamp_ns / 1e9
            if self._last_press is None or seconds - self._last_press >= _ONE_PRESS_SECONDS:
                self._last_press = seconds
                count += 1
        return count

    def close(self) -> None:
        """Give the line back."""
        self._line.close()


class _Line:
    """A line that this process has taken."""

    def __init__(self, spec: LineSpec, settings: Any) -> None:
        self._spec = spec
        gpiod = _gpiod()
        with self.telling():
            path, self.offset = _find(gpiod, spec)
            self.request = gpiod.request_lines(path, consumer=_CONSUMER, config={self.offset: settings})

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """What the kernel refuses, in words."""
        try:
            yield
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
            raise GpioError(f"GPIO line {self._spec}: {reason}") from None

    def close(self) -> None:
        self.request.release()


def _gpiod() -> Any:
    try:
        import gpiod  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise MissingDependencyError("gpiod", "gpio", "a button or lamp on a GPIO line") from None
    if not hasattr(gpiod, "request_lines"):  # libgpiod 1, as Debian 12's python3-libgpiod
        raise MissingDependencyError("gpiod>=2", "gpio", "a button or lamp on a GPIO line")
    return gpiod


def _find(gpiod: Any, spec: LineSpec) -> tuple[str, int]:
    """The chip's path and the line's number there; raises GpioError, OSError."""
    chips = [chip for chip in _chips(gpiod) if spec.chip is None or spec.chip in chip.names]
    if not chips:
        what = "no GPIO chip is there" if spec.chip is None else f"there is no GPIO chip '{spec.chip}'"
        raise GpioError(f"GPIO line {spec}: {what} (`gpioinfo` lists all)")
    found, refusal = [], None
    for chip in chips:
        try:
            with gpiod.Chip(chip.path) as opened:
                found.append((chip.path, opened.line_offset_from_id(spec.line)))
        except OSError as error:
            if error.errno != errno.ENOENT:
                refusal = error
        except ValueError:
            pass  # a number that the chip does not have
    if len(found) == 1:
        return found[0]
    if found:
        chosen = " or ".join(f"{Path(path).name}:{offset}" for path, offset in found)
        raise GpioError(f"GPIO line {spec}: several chips have one of that name; write {chosen}")
    if refusal is not None:
        raise refusal
    raise GpioError(f"GPIO line {spec}: there is no line of that name or number (`gpioinfo` lists all)")


@dataclass(frozen=True, slots=True)
class _Chip:
    path: str
    names: tuple[str, ...]
    """What a user may call it."""


def _chips(gpiod: Any) -> Iterator[_Chip]:
    """All chips; one that has a second name in /dev, as a Raspberry Pi 5's, comes once."""
    seen: dict[Path, list[Path]] = {}
    for path in sorted(_DEV.glob("gpiochip*"), key=lambda path: (len(path.name), path.name)):
        if gpiod.is_gpiochip_device(str(path)):
            seen.setdefault(path.resolve(), []).append(path)
    for paths in seen.values():
        names = [name for path in paths for name in (str(path), path.name, path.name.removeprefix("gpiochip"))]
        with contextlib.suppress(OSError), gpiod.Chip(str(paths[0])) as opened:
            names.append(opened.get_info().label)
        yield _Chip(str(paths[0]), tuple(names))
