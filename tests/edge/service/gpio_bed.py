"""A stand-in at the boundary of the module `gpiod`, for machines without GPIO: chips, lines, and who presses."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass
class Line:
    name: str
    user: str | None = None
    settings: Any = None
    level: bool = False
    """Physical, of an output."""
    events: list[SimpleNamespace] = field(default_factory=list)


class FakeGpiod:
    """What `edge.service.gpio` uses of libgpiod 2; a test with a real kernel's gpio-sim is in test_gpio_kernel.py.

    Parameters
    ----------
    chips
        Path to the names of its lines.
    """

    class line:  # noqa: N801 - the module's own name
        Value = SimpleNamespace(ACTIVE="active", INACTIVE="inactive")
        Direction = SimpleNamespace(INPUT="input", OUTPUT="output")
        Edge = SimpleNamespace(RISING="rising")
        Bias = SimpleNamespace(PULL_UP="pull-up", PULL_DOWN="pull-down")

    def __init__(self, chips: dict[str, list[str]]) -> None:
        self.chips = {path: [Line(name) for name in names] for path, names in chips.items()}
        self.error: int | None = None
        """What the kernel refuses everything with."""
        self._clock = itertools.count(10**12, 10**7)

    def named(self, name: str) -> Line:
        return next(line for lines in self.chips.values() for line in lines if line.name == name)

    def press(self, name: str, *, after: float = 2.0) -> None:
        now = next(self._clock) + int(after * 1e9)
        self._clock = itertools.count(now, 10**7)
        self.named(name).events.append(SimpleNamespace(timestamp_ns=now))

    def LineSettings(self, **settings: Any) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(**settings)

    def is_gpiochip_device(self, path: str) -> bool:
        return path in self.chips

    @contextmanager
    def Chip(self, path: str) -> Iterator[Any]:  # noqa: N802
        self._check()
        lines = self.chips[path]

        def offset(name: str) -> int:
            for number, line in enumerate(lines):
                if line.name == name:
                    return number
            if not name.isdecimal():
                raise OSError(errno.ENOENT, "No such file or directory")
            if int(name) >= len(lines):
                raise ValueError("line offset of out range")
            return int(name)

        yield SimpleNamespace(line_offset_from_id=offset, get_info=lambda: SimpleNamespace(label=f"label-{path[-1]}"))

    def request_lines(self, path: str, *, consumer: str, config: dict[int, Any]) -> Request:
        self._check()
        ((offset, settings),) = config.items()
        line = self.chips[path][offset]
        if line.user is not None:
            raise OSError(errno.EBUSY, "Device or resource busy")
        line.user, line.settings = consumer, settings
        request = Request(self, line, offset)
        if settings.direction == "output":
            request.set_value(offset, settings.output_value)
        return request

    def _check(self) -> None:
        if self.error is not None:
            raise OSError(self.error, "refused")


class Request:
    def __init__(self, bed: FakeGpiod, line: Line, offset: int) -> None:
        self._bed, self._line, self._offset = bed, line, offset

    def set_value(self, offset: int, value: str) -> None:
        self._bed._check()
        assert offset == self._offset
        self._line.level = (value == "active") != self._line.settings.active_low

    def wait_edge_events(self, timeout: float) -> bool:
        assert timeout == 0
        return bool(self._line.events) or self._bed.error is not None

    def read_edge_events(self) -> list[SimpleNamespace]:
        self._bed._check()
        events, self._line.events = self._line.events, []
        return events

    def release(self) -> None:
        self._line.user = None
