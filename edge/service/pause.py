"""Whether nothing may be sensed now, and why: somebody asked for a pause, or it is quiet hours.

A pause is asked for by a file (`affect-edge pause`), by SIGUSR1 or by a button. All are one state, kept in the file:
each of them, and `affect-edge resume`, SIGUSR2 and the button, can lift what another has asked for. It outlives a
restart of the service, and of the board. Quiet hours are lifted by the configuration alone.

Whatever is in doubt is a pause: a file that is not understood, a button that cannot be read, a clock that cannot be
believed while there are quiet hours to keep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge.clock import EARLIEST, is_synchronised
from edge.config_service import PauseConfig
from edge.errors import AffectEdgeError
from edge.service.gpio import Button, parse_line
from edge.service.pause_file import (
    FILE_NAME,
    PauseError,
    Request,
    boot_id,
    make_request,
    read_request,
    withdraw,
    write_request,
)
from edge.service.quiet_hours import QuietHours
from edge.whole_file import write_whole

_RETRY_SECONDS = 10.0
"""Until a button that could not be read is tried again."""

_CLOCK_SECONDS = 5.0
"""Between two looks at whether the clock was set."""

_log = logging.getLogger(__name__)


class Pause:
    """Asked at each tick of the service's main thread; nothing here waits.

    Parameters
    ----------
    config
        What can ask for a pause.
    folder
        The service's runtime folder, where its file is if the configuration names none; None: there is no file.
    memory
        A file, on the card, that remembers a pause over a restart, where `config` names no file: the runtime folder is
        in memory. Written when a pause begins, with its folder, and removed when it ends; None: nothing is remembered.
    wall
        Seconds since 1970.
    is_set
        Whether the clock was set since the board was started (None: not known).
    """

    def __init__(
        self,
        config: PauseConfig,
        *,
        folder: Path | None,
        memory: Path | None = None,
        wall: Callable[[], float] = time.time,
        is_set: Callable[[], bool | None] = is_synchronised,
    ) -> None:
        self.path = config.file or (folder / FILE_NAME if folder is not None else None)
        """The file; None where there is none."""
        self._config = config
        self._hours = QuietHours(config.quiet_hours)
        self._button: _LazyButton | None = None
        if config.button is not None:
            self._button = _LazyButton(config.button, active_low=config.button_active_low)
        self._memory = memory
        self._wall = wall
        self._is_set = is_set
        self._boot = boot_id()
        self._signal: bool | None = None
        self._own: Request | None = None
        """A pause that the file could not be written for."""
        self._standing: Request | None = None
        """At the last look."""
        self._has_recalled = False
        self._is_believed = False
        self._next_clock_look = float("-inf")

    def wanted(self, now: float) -> str | None:
        """Why nothing may be sensed, such as 'paused by command until 14:30'; None when it may.

        Parameters
        ----------
        now
            Seconds of the steady clock, `time.monotonic`, which counts from the board's start.
        """
        if not self._has_recalled:
            self._recall(now)
        self._obey(now)
        standing = self._look(now)
        self._note(standing)
        if standing is not None:
            return standing.reason(self._wall())
        if self._button is not None and self._button.problem is not None:
            return f"paused, for the pause button cannot be read: {self._button.problem}"
        return self._quiet(now)

    def by_signal(self, wanted: bool) -> None:
        """Pause or resume at the next look; safe in a signal handler."""
        self._signal = wanted

    def take_over(self, old: Pause) -> None:
        """Go on where that of another configuration stops: what was asked for holds, and the button is given back."""
        old.close()
        self._has_recalled = True
        self._signal, self._own = old._signal, old._own
        if old._standing is not None and self.path != old.path:
            self._set(old._standing)
            old._lift()

    def close(self) -> None:
        """Give the button's line back; what was asked for stays."""
        if self._button is not None:
            self._button.close()

    def _obey(self, now: float) -> None:
        """Do what signal and button have asked for since the last look."""
        signal, self._signal = self._signal, None
        if signal is not None:
            self._ask_for(signal, "signal", now)
        if self._button is not None and self._button.presses(now) % 2:
            self._ask_for(self._look(now) is None, "button", now)

    def _ask_for(self, pause: bool, by: str, now: float) -> None:
        _log.info("%s by %s", "paused" if pause else "resumed", by)
        if pause:
            self._set(make_request(None, by, wall=self._wall(), steady=now))
        else:
            self._lift()

    def _set(self, request: Request) -> None:
        self._own = request
        if self.path is None:
            return
        try:
            write_request(self.path, request)
            self._own = None
        except PauseError as error:
            _log.warning("paused all the same, but without its file: %s", error)

    def _lift(self) -> None:
        self._own = None
        if self.path is None:
            return
        try:
            withdraw(self.path)
        except PauseError as error:
            _log.error("still paused: %s", error)

    def _look(self, now: float) -> Request | None:
        """The request that stands."""
        asked = read_request(self.path) if self.path is not None else None
        for request in (asked, self._own):
            if request is not None and not self._is_over(request, now):
                return request
        # What is over is left there: whoever removed it could remove what is being written in its place.
        return None

    def _is_over(self, request: Request, now: float) -> bool:
        return request.is_over(wall=self._wall(), steady=now, boot=self._boot)

    def _note(self, standing: Request | None) -> None:
        """Tell what is new about the request, and remember it."""
        if standing == self._standing:
            return
        if standing is not None and standing.problem is not None:
            _log.warning("paused without an end: %s", standing.problem)
        self._standing = standing
        if self._memory is None:
            return
        try:
            # A file that the configuration names is for its owner to keep.
            if standing is not None and self._config.file is None:
                self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_whole(self._memory, standing.as_text())
            else:
                self._memory.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s: a restart may not know of it: %s", self._memory, error.strerror or error)

    def _recall(self, now: float) -> None:
        """Go on with a pause from before a restart."""
        self._has_recalled = True
        request = read_request(self._memory) if self._memory is not None else None
        self._standing = request
        if request is None or self._is_over(request, now):
            return
        if self.path is None or read_request(self.path) is None:
            self._set(request)

    def _quiet(self, now: float) -> str | None:
        if not self._hours:
            return None
        time.tzset()  # a time zone that was changed holds from now on
        wall = self._wall()
        if wall < EARLIEST:
            return f"quiet hours cannot be kept: the clock says {datetime.fromtimestamp(wall):%Y}; set it (date, NTP)"
        if not self._believes(now):
            return f"quiet hours wait for the clock to be set, until {self._config.clock_wait:g} s after the start"
        until = self._hours.until(datetime.fromtimestamp(wall))
        return None if until is None else f"quiet hours until {until}"

    def _believes(self, now: float) -> bool:
        """Whether the clock may be believed; asked no more once it was."""
        if self._is_believed or now < self._next_clock_look:
            return self._is_believed
        self._next_clock_look = now + _CLOCK_SECONDS
        self._is_believed = bool(self._is_set())
        if not self._is_believed and now >= self._config.clock_wait:
            _log.warning("nothing has set the clock since the start; quiet hours go by it as it is")
            self._is_believed = True
        return self._is_believed


class _LazyButton:
    """A button that is taken when it is first asked, and again after it failed.

    Its line can so be given back by one configuration and taken by the next.
    """

    def __init__(self, line: str, *, active_low: bool) -> None:
        self.problem: str | None = None
        """Why it cannot be read."""
        self._line = parse_line(line)
        self._active_low = active_low
        self._button: Button | None = None
        self._retry_at = float("-inf")

    def presses(self, now: float) -> int:
        if self._button is None and now < self._retry_at:
            return 0
        try:
            if self._button is None:
                self._button = Button(self._line, active_low=self._active_low)
            count = self._button.presses()
        except AffectEdgeError as error:
            if str(error) != self.problem:
                _log.error("paused, for the pause button cannot be read: %s", error)
            self.problem = str(error)
            self._retry_at = now + _RETRY_SECONDS
            self.close()
            return 0
        self.problem = None
        return count

    def close(self) -> None:
        if self._button is not None:
            self._button.close()
            self._button = None
