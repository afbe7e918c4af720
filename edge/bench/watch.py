"""Looks at the board while it is measured: temperature, clock, governor, throttling, energy."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from edge.bench.document import GovernorChange, Moment
from edge.bench.energy import Meter
from edge.bench.machine import load_average
from edge.bench.sensors import clocks, governors
from edge.config_service import HeatConfig
from edge.service.heat import Heat

_PERIOD = 0.5
"""Seconds between two looks; a look reads some files, and the throttling bits every tenth time."""


class Watch:
    """A thread that looks; a context manager.

    Parameters
    ----------
    meter
        Of energy; None where there is none.
    root
        Where /sys and /proc lie.
    vcgencmd
        The name or path of the Raspberry Pi's tool.
    """

    def __init__(self, meter: Meter | None, *, root: Path = Path("/"), vcgencmd: str = "vcgencmd") -> None:
        self.during = ""
        """What is being measured."""
        self.hottest: float | None = None
        self.throttled: set[str] = set()
        self.changes: list[GovernorChange] = []
        self.energy_error: str | None = None
        """Why the meter said nothing, last."""
        self._meter = meter
        self._root = root
        self._vcgencmd = vcgencmd
        self._heat = Heat(HeatConfig(), root=root, vcgencmd=vcgencmd)
        self._began = time.monotonic()
        self._governors = governors(root)
        self._energy: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.look()

    @property
    def heat(self) -> Heat:
        """As it was last read, some seconds ago at most."""
        return self._heat

    def seconds(self) -> float:
        """Since it was made."""
        return round(time.monotonic() - self._began, 3)

    def moment(self) -> Moment:
        """The board now, read anew."""
        heat = Heat(HeatConfig(), root=self._root, vcgencmd=self._vcgencmd)
        heat.step(0.0)
        self._note(heat)
        return Moment(
            at_s=self.seconds(),
            governors=governors(self._root),
            clocks_mhz=clocks(self._root),
            celsius=heat.temperature,
            throttled=list(heat.throttled),
            load=load_average(),
        )

    def clock_mhz(self) -> float | None:
        """The mean of all policies now."""
        found = clocks(self._root)
        return round(sum(found.values()) / len(found), 1) if found else None

    def joules(self, begin: float, end: float) -> float | None:
        """Taken between two moments of `time.monotonic()`; None where the meter was not heard through them."""
        import numpy as np

        known = list(self._energy)
        if len(known) < 2 or begin < known[0][0] or end > known[-1][0] + 2 * _PERIOD or begin >= known[-1][0]:
            return None
        moments, joules = zip(*known, strict=True)
        first, last = np.interp([begin, end], moments, joules).tolist()
        return float(last - first)

    def look(self) -> None:
        """Once; what cannot be read says nothing."""
        now = time.monotonic()
        self._heat.step(now)
        self._note(self._heat)
        found = governors(self._root)
        for policy, governor in found.items():
            before = self._governors.get(policy)
            if before is not None and before != governor:
                self.changes.append(
                    GovernorChange(
                        at_s=self.seconds(), policy=policy, before=before, after=governor, during=self.during
                    )
                )
        self._governors |= found
        if self._meter is not None:
            try:
                self._energy.append((now, self._meter.joules(now)))
                self.energy_error = None
            except (OSError, ValueError) as error:
                self.energy_error = str(error)

    def _note(self, heat: Heat) -> None:
        if heat.temperature is not None:
            self.hottest = max(heat.temperature, self.hottest or heat.temperature)
        self.throttled |= set(heat.throttled)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(_PERIOD)
