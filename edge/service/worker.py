"""One loop under supervision: started, watched, stopped, and started again when it fails or stalls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge.errors import AffectEdgeError, MissingDependencyError
from edge.service.loops import LoopRun, Progress
from edge.service.restarts import RestartPolicy

State = Literal["off", "starting", "running", "ending", "waiting", "done", "failed"]
"""`waiting` for the next attempt; `done`: its source had an end; `failed`: another attempt would be of no use."""

START_SECONDS = 60.0
"""That a source may take to open and to deliver for the first time."""

END_SECONDS = 30.0
"""That a run may take to end once it was told to; a network camera's read can hang for longer than 20."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker does."""

    kind: str
    """'camera', 'microphone' or 'text'."""
    spec: str
    """The source, as the configuration names it, without a password."""
    open: Callable[[], LoopRun]
    """Opens the source; called in the worker's thread, for a driver may hang."""


@dataclass(frozen=True)
class Incident:
    """What befell a worker, for the log and the journal."""

    kind: Literal["restart", "backoff", "again", "end", "fault"]
    detail: str
    severe: bool
    """Whether it belongs into the log at its usual level: the same trouble again does not."""


class Worker:
    """Runs a job again and again until it is stopped.

    All methods are called from one thread, the supervisor's; the job runs in one of its own.

    Parameters
    ----------
    job
        What to do.
    policy
        When to try again.
    stall_seconds
        Without progress, after which a run is ended and begun anew.
    clock
        Steady, in seconds.
    """

    def __init__(
        self, job: Job, policy: RestartPolicy, *, stall_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.job = job
        self.state: State = "off"
        self.error: str | None = None
        """What ended the last run before its time; None when it went well, or goes well again."""
        self.last_progress = clock()
        """When it was seen to have done something."""
        self.stuck = False
        """Whether a run does not end although it was told to: nothing in this process can mend that."""
        self.run: LoopRun | None = None
        """The present run, or the last one; None before the first source is open."""
        self._policy = policy
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._outcome: BaseException | None = None
        self._wanted = False
        self._is_stalled = False
        self._seen: Progress = ()
        self._since = self._next = self._end_by = 0.0
        self._is_proven = False
        self._failed_at: float | None = None
        self._every = 1

    @property
    def restarts(self) -> int:
        """How often it had to be begun anew."""
        return self._policy.total

    @property
    def closed(self) -> bool:
        """Whether no source is open, nor being opened."""
        return self.state in ("off", "waiting", "done", "failed")

    @property
    def is_up(self) -> bool:
        """Whether it does what it should."""
        return self.state == "running"

    @property
    def is_over(self) -> bool:
        """Whether it will do nothing any more by itself."""
        return self.state in ("done", "failed")

    def start(self) -> None:
        """Have it run; what is over stays so."""
        self._wanted = True
        if self.state == "off":
            self._begin()

    def stop(self) -> None:
        """Have it end; `look` tells when it has."""
        self._wanted = False
        if self.state == "waiting":
            self.state = "off"
        elif self.state in ("starting", "running"):
            self._tell_to_end()

    def slow_down(self, every: int) -> None:
        """Do with every n-th item from now on."""
        self._every = every
        if self.run is not None:
            self.run.slow_down(every)

    def look(self) -> list[Incident]:
        """See how it goes, and do what is due; what happened since the last look."""
        now = self._clock()
        if self.state == "waiting" and now >= self._next:
            self._begin()
        elif self.state in ("starting", "running"):
            return self._look_at_run(now)
        elif self.state == "ending":
            return self._look_at_end(now)
        return []

    def _begin(self) -> None:
        self.state = "starting"
        self.run = None
        self._outcome = None
        self._seen = ()
        self._is_proven = self._is_stalled = False
        self._since = self.last_progress = self._clock()
        self._thread = threading.Thread(target=self._work, name=f"{self.job.kind} worker", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            run = self.job.open()
            run.slow_down(self._every)
            self.run = run
            # Whoever wanted to stop it while it was opened found no run to stop.
            if self.state == "ending":
                run.stop()
            run.run()
        except BaseException as error:  # whatever it is, the supervisor has to hear of it
            self._outcome = error

    def _look_at_run(self, now: float) -> list[Incident]:
        if self._thread is not None and not self._thread.is_alive():
            return self._ended(now)
        incidents: list[Incident] = []
        run = self.run
        if run is not None:
            progress = run.progress
            has_grown = all(new > old for new, old in zip(progress, self._seen or (0,) * len(progress), strict=True))
            if has_grown or run.waits:
                self._seen = progress
                self.last_progress = now
                self.state = "running"
                self._policy.worked(self._since, now)
                incidents += self._prove(now)
        limit = self._stall_seconds if self.state == "running" else max(START_SECONDS, self._stall_seconds)
        if now - self.last_progress > limit:
            what = "no progress" if self.state == "running" else "its source does not open"
            self.error = f"{what} for {now - self.last_progress:.0f} s"
            self._is_stalled = True
            self._tell_to_end()
        return incidents

    def _prove(self, now: float) -> list[Incident]:
        """The first progress of a run."""
        if self._is_proven:
            return []
        self._is_proven = True
        self.error = None
        if self._failed_at is None:
            return []
        away, self._failed_at = now - self._failed_at, None
        return [Incident("again", f"{self.job.kind}: works again after {away:.0f} s", severe=True)]

    def _tell_to_end(self) -> None:
        self.state = "ending"
        self._end_by = self._clock() + END_SECONDS
        if self.run is not None:
            self.run.stop()

    def _look_at_end(self, now: float) -> list[Incident]:
        thread = self._thread
        if (thread is not None and thread.is_alive()) or not (self.run is None or self.run.released):
            if now > self._end_by and not self.stuck:
                self.stuck = True
                return [Incident("fault", f"{self.job.kind}: does not end; the process has to", severe=True)]
            return []
        self._thread = None
        if not self._wanted:
            self.state = "off"
        elif self._is_stalled:
            return self._failed(now, self.error or "stalled", None)
        else:  # it was stopped, and is wanted again
            self._begin()
        return []

    def _ended(self, now: float) -> list[Incident]:
        """The run has come to its end without having been told to."""
        error, run = self._outcome, self.run
        if run is not None and not run.released:
            # The loop gave up, but a read of its source hangs on.
            self.error = str(error) if error is not None else None
            self._is_stalled = True
            self._tell_to_end()
            return []
        self._thread = None
        if error is None and run is not None and not run.live:
            self.state = "done"
            return [Incident("end", f"{self.job.kind}: {run.name} has come to its end", severe=False)]
        return self._failed(now, str(error) if error is not None else "ended without a reason", error)

    def _failed(self, now: float, reason: str, error: BaseException | None) -> list[Incident]:
        is_known = reason == self.error and self._failed_at is not None
        self.error = reason
        if self._failed_at is None:
            self._failed_at = now
        if isinstance(error, MissingDependencyError):
            self.state = "failed"
            return [Incident("fault", f"{self.job.kind}: {reason}", severe=True)]
        if error is not None and not isinstance(error, AffectEdgeError):
            _log.error("%s: a mistake in the program", self.job.kind, exc_info=error)
        was_backing_off = self._policy.backing_off
        pause = self._policy.failed(now)
        self.state = "waiting"
        self._next = now + pause
        if not self._policy.backing_off:
            detail = f"{self.job.kind}: {reason}; begun anew {'at once' if not pause else f'in {pause:.0f} s'}"
            return [Incident("restart", detail, severe=not is_known)]
        detail = f"{self.job.kind}: {reason}; {self._policy.recent} failures of late, next attempt in {pause:.0f} s"
        return [Incident("backoff", detail, severe=not was_backing_off or not is_known)]
