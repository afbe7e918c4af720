"""A loop under supervision: what ends it, what begins it anew, and what is told. The clock is the test's own."""

# mypy believes that what was asserted of a property once stays so.
# mypy: disable-error-code="unreachable, comparison-overlap"

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from edge.errors import MissingDependencyError, SourceError
from edge.service.loops import LoopRun, Progress
from edge.service.restarts import RestartPolicy
from edge.service.worker import END_SECONDS, START_SECONDS, Incident, Job, Worker

STALL = 20.0


class Run(LoopRun):
    """Does what it is told from outside: a loop without a device."""

    name = "a device"

    def __init__(self, *, live: bool = True, waits: bool = False, deaf: bool = False) -> None:
        self.live = live
        self.count = 0
        self.hangs = False
        self.every = 1
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self._waits = waits
        self._deaf = deaf

    def run(self) -> None:
        self.ended.wait()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        if not self._deaf:
            self.ended.set()

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.ended.set()

    def slow_down(self, every: int) -> None:
        self.every = every

    @property
    def progress(self) -> Progress:
        return (self.count, self.count)

    @property
    def waits(self) -> bool:
        return self._waits

    @property
    def released(self) -> bool:
        return not self.hangs

    @property
    def figures(self) -> dict[str, float]:
        return {"frames": self.count}


class Stage:
    """A worker, its runs and its clock."""

    def __init__(self, *, restarts: int = 5) -> None:
        self.now = 1000.0
        self.runs: list[Run] = []
        self.make: Callable[[], Run] = Run
        policy = RestartPolicy(restarts=restarts)
        job = Job("camera", "/dev/video0", self._open)
        self.worker = Worker(job, policy, stall_seconds=STALL, clock=lambda: self.now)
        self.told: list[Incident] = []

    def _open(self) -> LoopRun:
        run = self.make()
        self.runs.append(run)
        return run

    def look(self, seconds: float = 0.0) -> list[Incident]:
        self.now += seconds
        found = self.worker.look()
        self.told += found
        return found

    def until(self, is_so: Callable[[], bool]) -> None:
        """Look until the worker's thread has come so far; its clock stands still meanwhile."""
        limit = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < limit, (self.worker.state, self.told)
            self.look()
            time.sleep(0.002)

    def work(self) -> Run:
        """Have it run and make progress."""
        self.until(lambda: self.worker.run is not None)
        run = self.runs[-1]
        run.count += 1
        self.look()
        assert self.worker.state == "running"
        return run


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    for run in made.runs:
        run.ended.set()


def test_it_runs_while_there_is_progress(stage: Stage) -> None:
    stage.worker.start()
    assert stage.worker.state == "starting" and not stage.worker.closed
    run = stage.work()
    for _ in range(10):
        run.count += 1
        assert stage.look(STALL - 1) == []
    assert len(stage.runs) == 1 and stage.worker.restarts == 0


def test_a_stall_ends_the_run_and_begins_another(stage: Stage) -> None:
    stage.worker.start()
    run = stage.work()
    stage.look(STALL + 1)
    assert run.ended.is_set()
    stage.until(lambda: len(stage.runs) == 2)
    (told,) = stage.told
    assert told.kind == "restart" and told.severe
    assert told.detail == "camera: no progress for 21 s; begun anew at once"
    assert stage.worker.error is not None
    stage.look(2)
    stage.work()
    assert stage.told[-1] == Incident("again", "camera: works again after 2 s", True)
    assert stage.worker.error is None and stage.worker.restarts == 1


def test_all_counters_have_to_grow(stage: Stage) -> None:
    """Frames that come but do not differ are no progress."""

    class Frozen(Run):
        @property
        def progress(self) -> Progress:
            return (self.count, 1)

    stage.make = Frozen
    stage.worker.start()
    run = stage.work()
    for _ in range(25):
        run.count += 1
        stage.look(1)
        stage.until(lambda: stage.worker.state != "ending")
    assert "no progress" in stage.told[0].detail


def test_what_waits_for_somebody_does_not_stall(stage: Stage) -> None:
    stage.make = lambda: Run(waits=True)
    stage.worker.start()
    stage.until(lambda: stage.worker.state == "running")
    assert stage.look(86_400) == []
    assert stage.worker.state == "running"


def test_a_source_that_never_opens_is_given_its_time(stage: Stage) -> None:
    opening = threading.Event()

    def slow() -> Run:
        opening.wait()
        return Run()

    stage.make = slow
    stage.worker.start()
    assert stage.look(START_SECONDS - 1) == [] and stage.worker.state == "starting"
    stage.look(2)
    assert stage.worker.state == "ending"
    opening.set()  # it opens after all: and is closed at once
    stage.until(lambda: bool(stage.told))
    assert stage.runs[0].ended.is_set()
    assert "does not open for 61 s" in stage.told[0].detail


def test_a_run_that_does_not_end_makes_the_worker_stuck(stage: Stage) -> None:
    stage.make = lambda: Run(deaf=True)
    stage.worker.start()
    stage.work()
    stage.look(STALL + 1)
    assert stage.look(END_SECONDS - 1) == [] and not stage.worker.stuck
    (told,) = stage.look(2)
    assert told.kind == "fault" and stage.worker.stuck
    assert stage.look(1) == []


def test_a_read_that_hangs_on_after_the_loop_gave_up(stage: Stage) -> None:
    """The device is not opened a second time while the first read may still come back."""
    stage.worker.start()
    run = stage.work()
    run.hangs = True
    run.fail(SourceError("no frame"))
    stage.until(lambda: stage.worker.state == "ending")
    assert stage.look(5) == [] and len(stage.runs) == 1
    run.hangs = False
    stage.until(lambda: len(stage.runs) == 2)
    assert stage.told[0].detail == "camera: no frame; begun anew at once"


def test_pauses_grow_and_the_same_trouble_is_told_seldom(stage: Stage) -> None:
    def absent() -> Run:
        raise SourceError("there is no camera /dev/video0")

    stage.make = absent
    stage.worker.start()
    for pause in (0, 1, 2, 4, 8):
        stage.until(lambda: stage.worker.state == "waiting")
        stage.look(pause)
        assert stage.worker.state == "starting"
    stage.until(lambda: stage.worker.state == "waiting")
    assert stage.look(59) == [] and stage.worker.state == "waiting"
    stage.look(2)
    assert stage.worker.state == "starting"
    stage.until(lambda: stage.worker.state == "waiting")
    assert [told.kind for told in stage.told] == ["restart"] * 5 + ["backoff"] * 2
    assert [told.severe for told in stage.told] == [True] + [False] * 4 + [True, False]
    assert stage.worker.error == "there is no camera /dev/video0"
    stage.make = Run
    stage.look(600)
    stage.work()
    assert stage.told[-1].kind == "again" and stage.told[-1].severe


def test_a_recording_that_ends_is_done(stage: Stage) -> None:
    stage.make = lambda: Run(live=False)
    stage.worker.start()
    stage.work().ended.set()
    stage.until(lambda: stage.worker.state == "done")
    assert stage.worker.is_over and stage.worker.closed
    assert [told.kind for told in stage.told] == ["end"]
    stage.worker.stop()
    stage.worker.start()
    assert stage.worker.state == "done"


def test_a_camera_that_ends_without_a_reason_is_begun_anew(stage: Stage) -> None:
    stage.worker.start()
    stage.work().ended.set()
    stage.until(lambda: len(stage.runs) == 2)
    assert "ended without a reason" in stage.told[0].detail


def test_a_missing_package_is_no_matter_of_time(stage: Stage) -> None:
    def absent() -> Run:
        raise MissingDependencyError("pyaudio", "microphone", "a microphone")

    stage.make = absent
    stage.worker.start()
    stage.until(lambda: stage.worker.state == "failed")
    assert "affect-edge[microphone]" in stage.told[0].detail and stage.told[0].severe
    assert stage.worker.is_over


def test_a_mistake_in_the_program_is_logged_with_its_place(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.worker.start()
    stage.work().fail(ZeroDivisionError("of the test"))
    stage.until(lambda: len(stage.runs) == 2)
    assert "Traceback" in caplog.text and "ZeroDivisionError" in caplog.text


def test_stop_closes_and_start_opens(stage: Stage) -> None:
    stage.worker.start()
    run = stage.work()
    stage.worker.stop()
    assert run.ended.is_set() and not stage.worker.closed
    stage.until(lambda: stage.worker.state == "off")
    assert stage.worker.closed and stage.told == []
    stage.look(3600)
    assert len(stage.runs) == 1
    stage.worker.start()
    stage.work()
    assert stage.worker.restarts == 0


def test_wanted_again_before_it_has_ended(stage: Stage) -> None:
    stage.worker.start()
    run = stage.work()
    run.hangs = True
    stage.worker.stop()
    stage.look(1)
    stage.worker.start()
    assert stage.worker.state == "ending"
    run.hangs = False
    stage.until(lambda: len(stage.runs) == 2)
    assert stage.told == [] and stage.worker.restarts == 0


def test_stopped_while_it_waits_for_the_next_attempt(stage: Stage) -> None:
    stage.worker.start()
    stage.work().fail(SourceError("unplugged"))
    stage.until(lambda: len(stage.runs) == 2)
    stage.work().fail(SourceError("unplugged"))
    stage.until(lambda: stage.worker.state == "waiting")
    stage.worker.stop()
    assert stage.worker.state == "off"


def test_the_pace_holds_for_runs_to_come(stage: Stage) -> None:
    stage.worker.slow_down(4)
    stage.worker.start()
    run = stage.work()
    assert run.every == 4
    stage.worker.slow_down(2)
    assert run.every == 2
