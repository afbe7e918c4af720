"""What shows people that the device watches or listens: a lamp on a GPIO line, a command, or both."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from edge.config_service import IndicatorConfig
from edge.errors import AffectEdgeError
from edge.service.gpio import Led, parse_line

COMMAND_SECONDS = 5.0
"""That the command may take."""

_RETRY_SECONDS = 10.0
"""Until something that could not be shown is tried again."""

_CLOSE_SECONDS = 1.0
"""That the command is waited for at the very end, once or, if it hangs over what it was told before, twice."""

_log = logging.getLogger(__name__)


class Indicator:
    """Shows whether a device is open; the lamp and the command are touched only when that changes.

    Nothing here waits: the command runs in a thread of its own, and is killed if it takes too long.

    Parameters
    ----------
    config
        What to show it with.
    clock
        Steady, in seconds.
    """

    def __init__(self, config: IndicatorConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.required = config.required
        """Whether nothing may be sensed while it cannot be shown."""
        self.problem: str | None = None
        """Why it could not be shown when it was last tried; None when all is well."""
        self._clock = clock
        self._parts: list[_Lamp | _Command] = []
        if config.led is not None:
            self._parts.append(_Lamp(config.led, active_low=config.led_active_low))
        if config.command is not None:
            self._parts.append(_Command(config.command))
        self._wanted: bool | None = None
        self._may = False
        self._retry_at = 0.0

    def show(self, sensing: bool) -> bool:
        """Show whether a device is open: before the first is opened, after the last is closed, and at each tick.

        Parameters
        ----------
        sensing
            Whether one is open, or is to be.

        Returns
        -------
        bool
            Whether that may be: it is shown; or it cannot be shown, and is not required to be. After a change it is
            False until the command has ended: ask again.
        """
        now = self._clock()
        if sensing is not self._wanted:
            self._wanted = sensing
            self._may = False
            self._begin(now)
        elif self.problem is not None and now >= self._retry_at:
            self._begin(now)
        if any(part.is_busy for part in self._parts):
            return self._may
        self._hear_problems(now)
        self._may = self.problem is None or not self.required
        return self._may

    def close(self) -> None:
        """Show that nothing is open, wait a moment for it, and let go."""
        self._wanted = False
        for part in self._parts:
            part.set(False)
        for part in self._parts:
            part.close()
        self._hear_problems(self._clock())

    def _begin(self, now: float) -> None:
        self._retry_at = now + _RETRY_SECONDS
        for part in self._parts:
            part.set(bool(self._wanted))

    def _hear_problems(self, now: float) -> None:
        problem = "; ".join(part.problem for part in self._parts if part.problem is not None) or None
        if problem is not None and problem != self.problem:
            kept = "; nothing is sensed while it cannot be shown" if self.required else "; it goes on without"
            _log.error("the indicator cannot be shown: %s%s", problem, kept)
        elif problem is None and self.problem is not None:
            _log.warning("the indicator can be shown again")
        if problem is not None and self.problem is None:
            self._retry_at = now + _RETRY_SECONDS
        self.problem = problem


class _Lamp:
    """An LED; taken when it is first set, so that a new configuration can take the line that the old one gave back."""

    is_busy = False

    def __init__(self, line: str, *, active_low: bool) -> None:
        self.problem: str | None = None
        self._line = parse_line(line)
        self._active_low = active_low
        self._led: Led | None = None

    def set(self, lit: bool) -> None:
        try:
            if self._led is None:
                self._led = Led(self._line, active_low=self._active_low)
            self._led.set(lit)
            self.problem = None
        except AffectEdgeError as error:
            self.problem = str(error)
            self.close()  # its chip may have gone, and come back as another

    def close(self) -> None:
        if self._led is not None:
            self._led.close()
            self._led = None


class _Command:
    """A program that is told 'on' or 'off', one run after the other; what was asked last holds."""

    def __init__(self, words: Sequence[str]) -> None:
        self.problem: str | None = None
        self._words = tuple(words)
        self._lock = threading.Lock()
        self._asked: bool | None = None
        """What is to be told next; None: nothing."""
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None

    def set(self, lit: bool) -> None:
        with self._lock:
            self._asked = lit
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="indicator", daemon=True)
                self._thread.start()

    def close(self) -> None:
        if (thread := self._thread) is None:
            return
        thread.join(_CLOSE_SECONDS)
        with self._lock:
            if self._asked is not None and self._process is not None:  # it hangs over what was asked before
                _kill(self._process)
        thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while True:
            with self._lock:
                asked, self._asked = self._asked, None
                if asked is None:
                    self._thread = None
                    return
            self.problem = self._run([*self._words, "on" if asked else "off"])

    def _run(self, command: list[str]) -> str | None:
        """What went wrong, or None."""
        try:
            # A session of its own, so that all that it has started can be killed with it.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            return f"'{command[0]}' cannot be run: {reason or error}"
        self._process = process
        try:
            code = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return f"'{command[0]} {command[-1]}' took longer than {COMMAND_SECONDS:g} s and was killed"
        finally:
            self._process = None
        return None if code == 0 else f"'{command[0]} {command[-1]}' ended with exit code {code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        if process.poll() is None:  # else its number may be another's by now
            os.killpg(process.pid, signal.SIGKILL)
