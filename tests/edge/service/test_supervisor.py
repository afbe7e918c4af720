"""The service's main thread, tick by tick: real pause, indicator and journal, loops that the test moves by hand."""

# mypy believes that what was asserted of a property once stays so.
# mypy: disable-error-code="unreachable, comparison-overlap"

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.config import Config, parse_config
from edge.errors import ConfigError, ModelError
from edge.journal import Journal
from edge.service.heat import Heat
from edge.service.indicator import Indicator
from edge.service.loops import LoopRun, Progress
from edge.service.notify import Notifier
from edge.service.pause import Pause
from edge.service.setup import Setup
from edge.service.status import read_status
from edge.service.supervisor import Supervisor
from edge.service.worker import END_SECONDS, Job


class Run(LoopRun):
    name = "a device"

    def __init__(self, stage: Stage, *, live: bool = True) -> None:
        self.live = live
        self.deaf = False
        self.frozen = False
        self.every = 1
        self._stage = stage
        self._count = 0
        self._told = threading.Event()
        stage.open_devices += 1

    def run(self) -> None:
        self._told.wait()
        self._stage.open_devices -= 1

    def stop(self) -> None:
        if not self.deaf:
            self._told.set()

    def end(self) -> None:
        self._told.set()

    def slow_down(self, every: int) -> None:
        self.every = every

    @property
    def progress(self) -> Progress:
        self._count += not self.frozen
        return (self._count,)

    @property
    def released(self) -> bool:
        return True

    @property
    def figures(self) -> dict[str, float]:
        return {"frames": self._count}


class Stage:
    def __init__(self, tmp_path: Path, settings: str = "", *, kinds: tuple[str, ...] = ("camera",)) -> None:
        self.tmp_path = tmp_path
        self.folder = tmp_path / "run"
        self.folder.mkdir(exist_ok=True)
        self.now = 1000.0
        self.open_devices = 0
        self.runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
        self.make: Callable[[], Run] = lambda: Run(self)
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.link.bind(str(tmp_path / "notify"))
        self.link.setblocking(False)
        self.said: list[str] = []
        self.journal = Journal(tmp_path / "journal.db")
        self.config = parse_config(settings, tmp_path / "config.toml")
        self.rebuild: Callable[[Setup], Setup] = lambda present: present
        self.supervisor = Supervisor(
            self.setup(self.config),
            rebuild=lambda present: self.rebuild(present),
            notifier=Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}),
            folder=self.folder,
            clock=lambda: self.now,
        )

    def setup(self, config: Config) -> Setup:
        return Setup(
            config=config,
            jobs=tuple(Job(kind, f"the {kind}", lambda kind=kind: self._open(kind)) for kind in self.runs),  # type: ignore[misc]
            journal=self.journal,
            pause=Pause(config.pause, folder=self.folder),
            heat=Heat(config.heat, root=self.tmp_path),
            indicator=Indicator(config.indicator),
        )

    def _open(self, kind: str) -> LoopRun:
        self.runs[kind].append(self.make())
        return self.runs[kind][-1]

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.supervisor.tick()
        while True:
            try:
                self.said.append(self.link.recv(4096).decode())
            except BlockingIOError:
                return

    def until(self, is_so: Callable[[], bool]) -> None:
        limit = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < limit, self.said
            self.tick()
            time.sleep(0.002)

    def begin(self) -> None:
        self.until(lambda: self.is_ready)

    @property
    def is_ready(self) -> bool:
        return any(said.startswith("READY=1") for said in self.said)

    @property
    def pings(self) -> int:
        return self.said.count("WATCHDOG=1")

    @property
    def events(self) -> list[str]:
        self.journal.flush()
        from edge.journal_query import JournalReader

        with JournalReader(self.journal.path) as reader:
            return [event.kind for event in reader.events()]

    def close(self) -> None:
        for runs in self.runs.values():
            for run in runs:
                run.end()
        self.journal.close()
        self.link.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_ready_when_the_first_thing_was_done(stage: Stage) -> None:
    stage.make = lambda: frozen(Run(stage))
    stage.until(lambda: stage.open_devices == 1)
    for _ in range(20):
        stage.tick(1)
    assert not stage.is_ready and stage.pings > 0
    assert any(said.startswith("EXTEND_TIMEOUT_USEC=") for said in stage.said)
    stage.runs["camera"][0].frozen = False
    stage.begin()
    assert read_status(stage.folder)["loops"]["camera"]["state"] == "running"


def frozen(run: Run) -> Run:
    run.frozen = True
    return run


def test_the_watchdog_is_fed_only_while_every_loop_makes_progress(tmp_path: Path) -> None:
    stage = Stage(tmp_path, kinds=("camera", "microphone"))
    stage.begin()
    stage.until(lambda: stage.open_devices == 2)
    stage.tick(8)
    stage.tick(8)
    before = stage.pings
    stage.runs["microphone"][0].frozen = True
    for _ in range(5):
        stage.tick(3.9)
    assert stage.pings - before <= 1
    stage.tick(2)  # now it is begun anew, alone
    stage.until(lambda: len(stage.runs["microphone"]) == 2)
    assert len(stage.runs["camera"]) == 1
    stage.tick(8)
    assert stage.pings > before
    assert stage.events == ["restart", "again"]
    stage.close()


def test_a_pause_closes_the_devices_and_is_told(stage: Stage) -> None:
    stage.begin()
    (stage.folder / "pause").write_text("")
    stage.until(lambda: stage.open_devices == 0)
    stage.tick(6)
    status = read_status(stage.folder)
    assert status["doing"] == "paused" and status["closed"]
    before = stage.pings
    for _ in range(5):
        stage.tick(8)
    assert stage.pings - before == 5
    (stage.folder / "pause").unlink()
    stage.until(lambda: stage.open_devices == 1)
    assert stage.events == ["pause", "resume"]


def test_paused_from_the_start_it_is_ready_and_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pause").write_text("")
    stage = Stage(tmp_path)
    stage.begin()
    stage.tick(100)
    assert stage.runs["camera"] == []
    stage.close()


def test_the_indicator_is_on_before_a_device_is_open_and_off_after_the_last(tmp_path: Path) -> None:
    log = tmp_path / "lamp"
    script = tmp_path / "lamp.sh"
    script.write_text(f'#!/bin/sh\necho "$1" >> {log}\n')
    script.chmod(0o755)
    stage = Stage(tmp_path, f"[indicator]\ncommand = ['{script}']\nrequired = true\n")
    opened_under: list[str] = []

    def make() -> Run:
        opened_under.append(log.read_text())
        return Run(stage)

    stage.make = make
    stage.begin()
    assert opened_under == ["on\n"]
    (stage.folder / "pause").write_text("")
    stage.until(lambda: stage.open_devices == 0)
    stage.until(lambda: log.read_text() == "on\noff\n")
    stage.close()


def test_without_its_indicator_nothing_is_sensed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "[indicator]\ncommand = ['/nonexistent/lamp']\nrequired = true\n")
    limit = time.monotonic() + 1
    while time.monotonic() < limit:
        stage.tick(0.1)
        time.sleep(0.01)
    assert stage.runs["camera"] == [] and not stage.is_ready
    stage.tick(10)
    assert "/nonexistent/lamp" in read_status(stage.folder)["reason"]
    stage.close()


def test_a_broken_configuration_keeps_the_old_one(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.begin()

    def refuse(present: Setup) -> Setup:
        raise ConfigError("config.toml:3: camera.fps: -1 is not allowed")

    stage.rebuild = refuse
    stage.supervisor.reload()
    stage.until(lambda: "camera.fps" in caplog.text)
    stage.tick(1)
    assert stage.open_devices == 1 and len(stage.runs["camera"]) == 1
    assert stage.events == ["reload"]


def test_a_mistake_in_reading_it_anew_keeps_the_old_one(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.begin()
    stage.rebuild = lambda present: 1 // 0  # type: ignore[assignment, return-value]
    stage.supervisor.reload()
    stage.until(lambda: "ZeroDivisionError" in caplog.text)
    assert stage.open_devices == 1


def test_a_new_configuration_closes_and_opens_everything(stage: Stage) -> None:
    stage.begin()
    new = parse_config("[camera]\nfps = 5.0\n", stage.tmp_path / "config.toml")
    stage.rebuild = lambda present: stage.setup(new)
    stage.supervisor.reload()
    stage.until(lambda: len(stage.runs["camera"]) == 2 and stage.open_devices == 1)
    stage.tick(6)
    assert "reload" in stage.events and "restart" not in stage.events
    stage.journal.event("fault", "the journal is open still")


def test_heat_slows_the_camera_down(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("50000\n")
    stage = Stage(tmp_path)
    stage.begin()
    (zone / "temp").write_text("85000\n")
    stage.tick(11)
    assert stage.runs["camera"][0].every == 2
    stage.tick(11)
    assert stage.runs["camera"][0].every == 4
    assert stage.events == ["slower", "slower"]
    assert read_status(stage.folder)["heat"] == {
        "celsius": 85.0,
        "every": 4,
        "reason": "85 °C (all frames again below 74)",
    }
    stage.close()


def test_it_ends_when_it_is_told_to(stage: Stage) -> None:
    stage.begin()
    stage.supervisor.end()
    stage.until(lambda: stage.supervisor.is_over)
    assert stage.open_devices == 0 and stage.supervisor.left_behind == []
    assert stage.supervisor.exit_code == 0
    assert any(said.startswith("STOPPING=1") for said in stage.said)


def test_a_loop_that_does_not_end_does_not_hold_up_the_end(stage: Stage) -> None:
    stage.begin()
    stage.runs["camera"][0].deaf = True
    stage.supervisor.end()
    stage.tick(1)
    assert not stage.supervisor.is_over
    stage.tick(3)
    assert stage.supervisor.is_over and stage.supervisor.left_behind == ["camera"]


def test_a_loop_that_hangs_for_good_ends_the_process(tmp_path: Path) -> None:
    stage = Stage(tmp_path, kinds=("camera", "microphone"))
    stage.begin()
    stage.until(lambda: stage.open_devices == 2)
    run = stage.runs["camera"][0]
    run.frozen = run.deaf = True
    stage.tick(21)
    stage.tick(END_SECONDS + 1)
    stage.tick(5)
    assert stage.supervisor.is_over and stage.supervisor.exit_code == 1
    stage.until(lambda: stage.supervisor.left_behind == ["camera"])
    assert stage.events == ["restart", "fault"] or "fault" in stage.events
    stage.close()


def test_when_every_recording_has_ended_so_does_it(stage: Stage) -> None:
    stage.make = lambda: Run(stage, live=False)
    stage.begin()
    stage.runs["camera"][0].end()
    stage.until(lambda: stage.supervisor.is_over)
    assert stage.supervisor.exit_code == 0


def test_when_none_can_ever_work_it_fails(stage: Stage) -> None:
    from edge.errors import MissingDependencyError

    def absent() -> Run:
        raise MissingDependencyError("pyaudio", "microphone", "a microphone")

    stage.make = absent
    stage.until(lambda: stage.supervisor.is_over)
    assert stage.supervisor.exit_code == 1 and not stage.is_ready


def test_an_absent_camera_is_looked_for_seldom(stage: Stage) -> None:
    def absent() -> Run:
        raise ModelError("no camera")

    stage.make = absent
    for _ in range(200):
        stage.tick(1)
        time.sleep(0.002)
    assert stage.events.count("restart") == 5 and 1 <= stage.events.count("backoff") <= 2
    assert not stage.is_ready and stage.pings > 0
