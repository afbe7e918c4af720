"""What can befall a service, on a process of its own: signals in every state, memory, models, a camera that is late."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.inference.catalog import find_model
from tests.edge.service.process import DEMO, Service
from tests.edge.service.stream import StreamCamera

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def is_whole(journal: Path) -> bool:
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        (told,) = connection.execute("PRAGMA integrity_check").fetchone()
    return bool(told == "ok")


def bring_to(service: Service, state: str) -> None:
    if state == "waiting for its camera":
        service.start(DEMO.replace('"demo"', '"/dev/video-of-nobody"'))
        service.until(lambda: service.status["loops"]["camera"]["restarts"] >= 2)
        return
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: service.observations >= 1)
    if state == "paused":
        service.send(signal.SIGUSR1)
        service.until(lambda: bool(service.status["closed"]))
    elif state == "reloading":
        service.send(signal.SIGHUP)


@pytest.mark.parametrize("state", ["sensing", "paused", "reloading", "waiting for its camera"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_every_state_leaves_a_whole_journal(service: Service, state: str, number: signal.Signals) -> None:
    bring_to(service, state)
    before = service.observations if state != "waiting for its camera" else 0
    code = service.end(number)
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL), service.log
    assert is_whole(service.journal)
    assert service.observations >= before
    assert "Traceback" not in service.log
    if number == signal.SIGTERM:
        assert service.events[-1][0] == "stop"


def test_ended_by_the_watchdog_it_says_where_it_stood(service: Service) -> None:
    service.start(DEMO)
    service.wait_ready()
    assert service.end(signal.SIGABRT) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in service.log and "supervisor.py" in service.log
    assert is_whole(service.journal)


def test_a_camera_that_hangs_does_not_hold_up_the_end(service: Service) -> None:
    """A read that waits in FFmpeg cannot be ended; the process ends all the same, with its journal committed."""
    with StreamCamera() as camera:
        service.start(f'[camera]\nsource = "{camera.address}"\n[microphone]\nsource = "none"\n')
        service.wait_ready()
        camera.deed = "hang"
        time.sleep(0.5)
        assert service.end() == 0
    assert service.events[-1][0] == "stop"


def test_a_camera_that_comes_late(service: Service) -> None:
    """As on a board whose network camera boots more slowly: not ready until then, and no demonstration meanwhile."""
    with StreamCamera() as camera:
        camera.deed = "refuse"
        address = camera.address.replace("http://", "http://ann:secret@")
        service.start(f'[camera]\nsource = "{address}"\n[microphone]\nsource = "none"\n')
        service.until(lambda: service.status["loops"]["camera"]["restarts"] >= 2)
        assert not any(said.startswith("READY=1") for said in service.listen())
        assert any(said.startswith("EXTEND_TIMEOUT_USEC") for said in service.listen())
        camera.deed = "deliver"
        service.wait_ready()
        assert "ann@" in service.status["loops"]["camera"]["spec"]
        assert service.end() == 0
        told = [service.log, *service.said, *(detail for _, detail in service.events)]
        assert not [text for text in told if "secret" in text]


def test_a_model_that_is_replaced_by_a_damaged_one(service: Service) -> None:
    """What runs goes on; what is read anew is refused."""
    source = find_model("expression", "expression")
    model = service.folder / "expression.tflite"
    for suffix in (".tflite", ".json"):
        shutil.copy(source.with_suffix(suffix), model.with_suffix(suffix))
    service.start(DEMO + f'[expression]\nmodel = "{model}"\n')
    service.wait_ready()
    with model.open("r+b") as stream:
        stream.truncate(1000)
    before = service.observations
    service.until(lambda: service.observations > before + 1)
    service.send(signal.SIGHUP)
    service.until(lambda: "the old one goes on" in service.log)
    assert "expression.tflite: has 1000 bytes" in service.log
    before = service.observations
    service.until(lambda: service.observations > before + 1)
    assert service.end() == 0


def test_a_damaged_journal_is_set_aside(service: Service) -> None:
    service.journal.parent.mkdir()
    service.journal.write_bytes(b"no journal at all" * 1000)
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: service.observations >= 1)
    assert service.end() == 0
    (aside,) = service.journal.parent.glob("journal.db.corrupt-*")
    assert aside.read_bytes() == b"no journal at all" * 1000
    assert aside.name in service.log
    assert any(kind == "fault" and aside.name in detail for kind, detail in service.events)


def test_when_memory_runs_out_nothing_committed_is_lost(service: Service) -> None:
    """Either it ends, for systemd to begin it anew, or it works again when there is memory."""
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: service.observations >= 1)
    assert service.process is not None
    pid = service.process.pid
    before = service.observations
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
    service.send(signal.SIGHUP)  # a second set of models has no place
    time.sleep(5)
    if service.process.poll() is None:
        resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        service.until(lambda: service.observations > before)
        assert service.end() == 0
    else:
        assert service.process.returncode != 0
    assert is_whole(service.journal) and service.observations >= before


def test_standard_output_and_error_may_be_gone(service: Service) -> None:
    """journald can be restarted under a service."""
    read, write = os.pipe()
    options: dict[str, Any] = {"stdout": write, "stderr": write}
    service.start(DEMO, **options)
    os.close(write)
    service.wait_ready()
    os.close(read)
    service.send(signal.SIGUSR1)
    service.until(lambda: bool(service.status["closed"]))
    service.send(signal.SIGUSR2)
    before = service.observations
    service.until(lambda: service.observations > before)
    assert service.end() == 0
