"""The service's main thread: starts, watches, pauses and ends the loops, and tells systemd how it goes."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from edge.errors import AffectEdgeError
from edge.service.heat import Pace
from edge.service.notify import Notifier
from edge.service.report import Report
from edge.service.restarts import RestartPolicy
from edge.service.setup import Setup
from edge.service.worker import Incident, Worker

TICK_SECONDS = 0.25

_END_SECONDS = 3.0
"""That the loops may take to end at SIGTERM; then the indicator goes off and the journal is committed, whatever they
do."""

_TELL_SECONDS = 5.0
"""Between two status lines."""

_STALLED_FRAMES = 4
"""A camera that is slower than `stall_seconds` has stalled when so many frames are missing."""

_log = logging.getLogger(__name__)

Doing = Literal["sensing", "paused", "reloading", "ending"]


class Supervisor:
    """Runs the loops until it is told to end.

    Parameters
    ----------
    setup
        What to run.
    rebuild
        Makes a setup of the configuration as it is now, given the present one, in a thread of its own; raises
        AffectEdgeError.
    notifier
        To systemd.
    folder
        For the status file; None writes none.
    clock
        Steady, in seconds.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        rebuild: Callable[[Setup], Setup],
        notifier: Notifier,
        folder: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.exit_code = 0
        self._setup = setup
        self._rebuild = rebuild
        self._notifier = notifier
        self._clock = clock
        self._report = Report(folder)
        self.workers = self._hire(setup)
        """One for each loop."""
        self._doing: Doing = "paused"
        self._reason: str | None = "starting"
        self._pace = Pace(1, None)
        self._is_ready = False
        self._is_pause_told = self._is_pause_wanted = False
        self._is_told_to_end = False
        self._is_told_to_reload = False
        self._end_by = 0.0
        self._next_report = self._pinged = clock()
        self._new: _Building | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        if self._doing != "ending":
            return False
        return all(worker.closed for worker in self.workers) or self._clock() >= self._end_by

    @property
    def left_behind(self) -> list[str]:
        """Loops that did not end when they were told to."""
        return [worker.job.kind for worker in self.workers if not worker.closed]

    def run(self) -> int:
        """Work until SIGTERM or SIGINT, or until every source has come to its end.

        SIGHUP reads the configuration anew, SIGUSR1 pauses, SIGUSR2 resumes.

        Returns
        -------
        The exit code: 0, or 1 when a loop hangs so that only another process can mend it, or none could work.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.end())
        signal.signal(signal.SIGHUP, lambda *_: self.reload())
        signal.signal(signal.SIGUSR1, lambda *_: self._setup.pause.by_signal(True))
        signal.signal(signal.SIGUSR2, lambda *_: self._setup.pause.by_signal(False))
        self._event("start", ", ".join(f"{job.kind}: {job.spec}" for job in self._setup.jobs))
        try:
            while not self.is_over:
                self.tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._setup.indicator.close()
            self._setup.pause.close()
            self._event("stop", f"exit code {self.exit_code}")
            self._report.remove()
        return self.exit_code

    def end(self) -> None:
        """Have it end; safe in a signal handler."""
        self._is_told_to_end = True

    def reload(self) -> None:
        """Have it read the configuration anew; safe in a signal handler."""
        self._is_told_to_reload = True

    def tick(self) -> None:
        """Look at everything once, and do what is due."""
        now = self._clock()
        self._follow_orders(now)
        self._set_pace(now)
        for worker in self.workers:
            for incident in worker.look():
                self._tell(incident)
        self._settle(now)
        if self._setup.journal is not None:
            self._setup.journal.flush_if_due()
        self._tell_systemd(now)

    def _follow_orders(self, now: float) -> None:
        """What is wanted now: to end, another configuration, a pause, or to go on."""
        if self._doing == "ending":
            return
        if self._is_told_to_end:
            self._begin_to_end(now, "told to")
            return
        self._follow_reload()
        if self._doing == "reloading":
            return
        reason = self._setup.pause.wanted(now)
        self._is_pause_wanted = reason is not None
        if reason is None and not self._setup.indicator.show(True):
            reason = self._setup.indicator.problem or "until the indicator is on"
        if reason is None and self._doing != "sensing":
            self._resume()
        elif reason is not None and (self._doing != "paused" or reason != self._reason):
            self._stop_loops("paused", reason)
            # Until the indicator is on is no pause to speak of.
            if self._is_pause_wanted or self._setup.indicator.problem is not None:
                self._event("pause", reason)
                self._is_pause_told = True

    def _follow_reload(self) -> None:
        if self._is_told_to_reload and self._new is None:
            self._is_told_to_reload = False
            self._new = _Building(partial(self._rebuild, self._setup))
        if self._new is None or not self._new.is_done:
            return
        if self._new.setup is None:
            _log.error("the new configuration is not taken, the old one goes on: %s", self._new.error)
            self._event("reload", f"refused: {self._new.error}")
            self._new = None
        elif self._doing != "reloading":
            self._stop_loops("reloading", "another configuration")

    def _resume(self) -> None:
        if self._is_pause_told:
            self._event("resume", "")
            self._is_pause_told = False
        self._doing, self._reason = "sensing", None
        for worker in self.workers:
            worker.start()

    def _stop_loops(self, doing: Doing, reason: str) -> None:
        self._doing, self._reason = doing, reason
        _log.info("%s: %s", doing, reason)
        for worker in self.workers:
            worker.stop()

    def _begin_to_end(self, now: float, reason: str) -> None:
        self._notifier.stopping(f"ending: {reason}")
        self._stop_loops("ending", reason)
        self._end_by = now + _END_SECONDS

    def _settle(self, now: float) -> None:
        """What follows from the state that the loops have come to."""
        if self._doing == "ending":
            return
        if stuck := [worker.job.kind for worker in self.workers if worker.stuck]:
            self.exit_code = 1
            self._begin_to_end(now, f"{' and '.join(stuck)} hang{'s' if len(stuck) == 1 else ''}")
        elif all(worker.is_over for worker in self.workers):
            self.exit_code = 1 if any(worker.state == "failed" for worker in self.workers) else 0
            self._begin_to_end(now, "all sources have come to their end")
        elif self._doing != "sensing" and all(worker.closed for worker in self.workers):
            if self._doing == "reloading" and self._new is not None and self._new.setup is not None:
                self._take(self._new.setup)
            elif self._is_pause_wanted:
                self._setup.indicator.show(False)

    def _take(self, setup: Setup) -> None:
        """Go on with another configuration; all devices are closed."""
        old, self._setup, self._new = self._setup, setup, None
        old.indicator.close()
        setup.pause.take_over(old.pause)
        if old.journal is not None and old.journal is not setup.journal:
            old.journal.close()
        self.workers = self._hire(setup)
        self._doing, self._reason = "paused", "another configuration"
        self._event("reload", "taken")
        _log.warning("the new configuration is taken")

    def _hire(self, setup: Setup) -> list[Worker]:
        service, camera = setup.config.service, setup.config.camera
        hired = []
        for job in setup.jobs:
            policy = RestartPolicy(
                restarts=service.restarts, window=service.restart_window, backoff=service.backoff_seconds
            )
            slowest = _STALLED_FRAMES * setup.config.heat.slowest / camera.fps if job.kind == "camera" else 0.0
            stall = max(service.stall_seconds, slowest)
            hired.append(Worker(job, policy, stall_seconds=stall, clock=self._clock))
        return hired

    def _set_pace(self, now: float) -> None:
        pace = self._setup.heat.step(now)
        if pace.every != self._pace.every:
            kind = "slower" if pace.every > self._pace.every else "faster"
            self._event(kind, f"every {pace.every}. frame{f': {pace.reason}' if pace.reason else ''}")
            _log.warning("%s: one frame of %d%s", kind, pace.every, f", for {pace.reason}" if pace.reason else "")
        for worker in self.workers:
            worker.slow_down(pace.every)
        self._pace = pace

    def _tell(self, incident: Incident) -> None:
        _log.log(logging.WARNING if incident.severe else logging.INFO, "%s", incident.detail)
        self._event(incident.kind, incident.detail)

    def _event(self, kind: str, detail: str) -> None:
        if self._setup.journal is not None:
            self._setup.journal.event(kind, detail)

    def _tell_systemd(self, now: float) -> None:
        if self._doing != "ending":
            self._ping(now)
        if now < self._next_report:
            return
        self._next_report = now + _TELL_SECONDS
        line = self._report.write(now, self._doing, self._reason, self.workers, self._setup)
        if self._doing != "ending":
            self._notifier.status(line)
        if not self._is_ready:
            # Nothing works yet, and it is tried on: the unit is not to be started anew for that.
            self._notifier.wait_longer(60.0)

    def _ping(self, now: float) -> None:
        if not self._is_ready and (self._is_pause_wanted or any(worker.is_up for worker in self.workers)):
            self._is_ready = True
            self._notifier.ready(self._reason or "sensing")
            self._next_report = now
        limit = self._notifier.watchdog_seconds
        if limit is None or now - self._pinged < limit / 4:
            return
        # A loop that starts, ends or waits for its next attempt is on a clock of its own; one that runs has to show
        # something for it.
        if all(not worker.is_up or worker.last_progress > self._pinged for worker in self.workers):
            self._notifier.alive()
            self._pinged = now


class _Building:
    """Another setup in the making: loading models may take longer than the watchdog waits."""

    def __init__(self, build: Callable[[], Setup]) -> None:
        self.setup: Setup | None = None
        self.error = "not read yet"
        self._build = build
        self._thread = threading.Thread(target=self._work, name="reload", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.setup = self._build()
        except AffectEdgeError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"a mistake in the program: {error!r}"
            _log.exception("reading the configuration anew")
