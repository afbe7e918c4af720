"""The service as systemd starts it: a process of its own, real sources, a real notify socket."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.commands.run import NOTICE
from tests.edge.audit import WATCHED
from tests.edge.service.process import DEMO, Service
from tests.edge.service.stream import StreamCamera

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def test_its_life(service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: service.listen().count("WATCHDOG=1") >= 2)
    service.until(lambda: service.status["loops"]["camera"]["rate"] > 1)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(service.run))
    assert main(["status"]) == 0
    assert "camera      running   demo" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["doing"] == "sensing"

    assert main(["pause", "--wait"]) == 0
    service.until(lambda: service.status["closed"])
    assert main(["status"]) == 4
    assert main(["resume"]) == 0
    service.until(lambda: service.status["doing"] == "sensing")

    service.send(signal.SIGUSR1)
    service.until(lambda: service.status["doing"] == "paused" and service.status["closed"])
    service.send(signal.SIGUSR2)
    service.until(lambda: service.status["doing"] == "sensing")

    assert service.end() == 0
    assert service.listen()[-1].startswith("STOPPING=1")
    assert not (service.run / "status.json").exists()
    assert [kind for kind, _ in service.events] == ["start", "pause", "resume", "pause", "resume", "stop"]
    assert service.observations >= 1
    capsys.readouterr()
    assert main(["status"]) == 3


def test_the_configuration_is_read_anew(service: Service) -> None:
    service.start(DEMO)
    service.wait_ready()
    service.config.write_text(DEMO + "[camera]\nfps = -1\n")
    service.send(signal.SIGHUP)
    service.until(lambda: "the old one goes on" in service.log)
    service.config.write_text(DEMO.replace('"demo"', '"demo"\nfps = 5.0'))
    service.send(signal.SIGHUP)
    service.until(lambda: "the new configuration is taken" in service.log)
    service.until(lambda: 3 < service.status["loops"]["camera"]["rate"] < 7)
    assert service.end() == 0
    kinds = [kind for kind, _ in service.events]
    assert kinds == ["start", "reload", "reload", "stop"]


@pytest.mark.parametrize("deed", ["repeat", "hang", "refuse"])
def test_a_camera_that_fails_is_begun_anew_alone(service: Service, deed: Any) -> None:
    pipe = service.folder / "text"
    os.mkfifo(pipe)
    with StreamCamera() as camera:
        service.start(
            f'[camera]\nsource = "{camera.address}"\n[microphone]\nsource = "none"\n[text]\nsource = "{pipe}"\n'
            "[service]\nstall_seconds = 2\n[journal]\nbatch_seconds = 0.5\n"
        )
        service.wait_ready()
        service.until(lambda: service.status["loops"]["camera"]["state"] == "running")
        camera.deed = deed
        service.until(lambda: service.status["loops"]["camera"]["restarts"] >= 1)
        # Meanwhile the other loop does its work.
        with pipe.open("w") as writer:
            writer.write("what a lovely day, I am so happy\n")
        service.until(lambda: service.status["loops"]["text"]["figures"]["lines"] == 1)
        camera.deed = "deliver"
        service.until(lambda: any(kind == "again" for kind, _ in service.events))
        service.until(lambda: service.status["loops"]["camera"]["state"] == "running")
        assert service.status["loops"]["text"]["restarts"] == 0
        assert camera.connections >= 2
        assert service.end() == 0
    assert "camera: works again after" in service.log


def test_a_process_that_is_frozen_gives_no_sign_of_life(service: Service) -> None:
    """What systemd's watchdog goes by."""
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: "WATCHDOG=1" in service.listen())
    service.send(signal.SIGSTOP)
    time.sleep(0.2)
    before = service.listen().count("WATCHDOG=1")
    time.sleep(4.5)
    assert service.listen().count("WATCHDOG=1") == before
    service.send(signal.SIGCONT)
    service.until(lambda: service.listen().count("WATCHDOG=1") > before)
    assert service.end() == 0


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.6, 1.0, 1.5])
def test_it_can_be_ended_at_any_moment_of_its_start(service: Service, seconds: float) -> None:
    service.start(DEMO)
    time.sleep(seconds)
    code = service.end()
    # Before Python has come to this program's first lines, the signal ends it by itself.
    assert code == 0 or (code == -signal.SIGTERM and NOTICE not in service.log), service.log
    assert "Traceback" not in service.log


def test_killed_it_loses_nothing_that_was_committed(service: Service) -> None:
    service.start(DEMO)
    service.wait_ready()
    service.until(lambda: service.observations >= 2)
    before = service.observations
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    assert service.observations >= before
    service.start(DEMO)
    service.until(lambda: service.observations > before)
    assert service.end() == 0


def test_no_socket_is_opened_and_little_is_written(service: Service) -> None:
    service.environment.pop("NOTIFY_SOCKET")
    service.start(DEMO, "-c", WATCHED)
    service.until(lambda: service.observations >= 1)
    assert service.end() == 0
    told = service.log.splitlines()
    assert "code 0" in told
    opened = [line for line in told[told.index("code 0") + 1 :] if not line.startswith("open /dev/null")]
    assert not [line for line in opened if line.startswith("(") or "socket." in line]
    written = {Path(line.removeprefix("open ")).parent for line in opened if line.startswith("open /")}
    assert written <= {service.run, service.journal.parent}


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ("[camera]\nfps = -1\n", 78, "config.toml:2: camera.fps"),
        ('[camera]\nsource = "none"\n[microphone]\nsource = "none"\n', 78, "are all 'none'"),
        ('[expression]\nmodel = "nothing"\n', 1, "nothing"),
        ("[pause]\nquiet_hours = ['25:00-26:00']\n", 78, "pause.quiet_hours"),
        ("[journal]\npath = '/proc/journal.db'\n", 1, "/proc/journal.db"),
    ],
)
def test_what_it_cannot_start_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, code: int, message: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(config)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert main(["service", "--config", str(file)]) == code
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    assert message in capsys.readouterr().err
