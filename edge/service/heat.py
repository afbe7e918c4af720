"""Fewer frames while the board is hot or short of power, and all of them again when it is not.

A Raspberry Pi lowers its clock by itself at its limits, and a Jetson too; everything on the board gets slow then. To
look at every second, fourth or eighth frame before that spares what else runs there, and is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.board import Temperature, temperatures, throttling
from edge.config_service import HeatConfig

READ_SECONDS = 5.0
"""Between two looks at the sensors: heat comes slowly, and a look at a Raspberry Pi may start a program."""

STEP_SECONDS = 10.0
"""Least time between two steps down: what one has brought is seen only after a while."""

_ABSENT_SECONDS = 600.0
"""Until throttling bits that could not be read are asked for again: mostly there are none."""

_COUNTED = ("cpu", "gpu", "soc", "tj", "pkg")
"""Parts of the names of thermal zones that speak of what computes. Others may be a battery, a radio, or, as a Jetson
Nano's PMIC-Die, a constant."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is to be looked at."""

    every: int = 1
    """Every n-th frame."""
    reason: str | None = None
    """Why not all of them."""


class Heat:
    """Decides on the pace from what the board's sensors say.

    It goes down a step at once when the board is hot, throttled or short of power, and back up a step after `hold`
    seconds in which it was cool; the pace can so not change to and fro faster than that. Sensors that cannot be read
    say nothing: they never slow anything down.

    Parameters
    ----------
    config
        The limits.
    root
        Where /sys and /proc lie.
    vcgencmd
        The name or path of the Raspberry Pi's tool.
    """

    def __init__(self, config: HeatConfig, *, root: Path = Path("/"), vcgencmd: str = "vcgencmd") -> None:
        self.temperature: float | None = None
        """Degrees Celsius of the hottest part that computes, when last read; None where no sensor says so."""
        self.throttled: tuple[str, ...] = ()
        """What held a Raspberry Pi back when last read."""
        self.pace = Pace()
        """What `step` last said."""
        self._config = config
        self._root = root
        self._vcgencmd = vcgencmd
        # 1, 2, 4, ... and the slowest, which need not be of this row.
        self._paces = [1]
        while self._paces[-1] < config.slowest:
            self._paces.append(min(self._paces[-1] * 2, config.slowest))
        self._place = 0
        self._stepped: float | None = None
        self._cool_since: float | None = None
        self._next_look = self._next_bits = float("-inf")

    @property
    def slowest(self) -> int:
        """Of how many frames one is looked at when it is hottest."""
        return self._paces[-1]

    def step(self, now: float) -> Pace:
        """The pace from now on; cheap, and to be called often.

        Parameters
        ----------
        now
            Seconds of a steady clock.
        """
        if self._config.enabled and now >= self._next_look:
            self._next_look = now + READ_SECONDS
            self._look(now)
            self.pace = self._decide(now)
        return self.pace

    def _look(self, now: float) -> None:
        hottest = _hottest(temperatures(self._root))
        self.temperature = None if hottest is None else hottest.celsius
        if now >= self._next_bits:
            bits = throttling(self._root, vcgencmd=self._vcgencmd)
            self.throttled = () if bits is None else bits.now
            if bits is None:
                self._next_bits = now + _ABSENT_SECONDS

    def _decide(self, now: float) -> Pace:
        config, heat = self._config, self.temperature
        is_hot = bool(self.throttled) or (heat is not None and heat >= config.high)
        is_cool = not self.throttled and (heat is None or heat < config.low)
        if not is_cool:
            self._cool_since = None
        elif self._cool_since is None:
            self._cool_since = now
        if is_hot and self._has_passed(STEP_SECONDS, now):
            self._move(self._place + 1, now)
        elif (
            self._cool_since is not None
            and now - self._cool_since >= config.hold
            and self._has_passed(config.hold, now)
        ):
            self._move(self._place - 1, now)
        every = self._paces[self._place]
        return Pace(every, None if every == 1 else self._reason())

    def _has_passed(self, seconds: float, now: float) -> bool:
        """Whether the last step is so long ago."""
        return self._stepped is None or now - self._stepped >= seconds

    def _move(self, place: int, now: float) -> None:
        place = min(max(place, 0), len(self._paces) - 1)
        if place != self._place:
            self._place = place
            self._stepped = now

    def _reason(self) -> str:
        parts = list(self.throttled)
        if self.temperature is not None:
            parts.append(f"{self.temperature:.0f} °C (all frames again below {self._config.low:g})")
        return ", ".join(parts) or "was hot; its sensors say nothing now"


def _hottest(zones: Sequence[Temperature]) -> Temperature | None:
    counted = [zone for zone in zones if any(part in zone.zone.lower() for part in _COUNTED)]
    return max(counted or zones, key=lambda zone: zone.celsius, default=None)
