from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import edge.commands.pause as module
from edge.cli import main
from edge.service.pause_file import read_request
from edge.service.status import write_status

pytestmark = pytest.mark.usefixtures("nobody_configured")


@pytest.fixture
def nobody_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFECT_EDGE_CONFIG", raising=False)
    monkeypatch.setattr("edge.config.default_files", lambda: [tmp_path / "config.toml"])
    monkeypatch.setattr("edge.service.status._SYSTEM_FOLDER", tmp_path / "system")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder of a service that senses."""
    folder = tmp_path / "run"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    says(folder)
    return folder


def says(folder: Path, doing: str = "sensing", *, closed: bool = False, **more: object) -> None:
    document = {"doing": doing, "reason": None, "closed": closed, "written": time.time(), "pid": os.getpid()}
    write_status(folder, {**document, "pause_file": str(folder / "pause"), **more})


@pytest.mark.parametrize(
    ("length", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("2d", 172_800), ("45s", 45), ("1D 2h".replace(" ", ""), 93_600)],
)
def test_pauses_for_a_while(folder: Path, capsys: pytest.CaptureFixture[str], length: str, seconds: int) -> None:
    before = time.time()
    assert main(["pause", "--for", length]) == 0
    request = read_request(folder / "pause")
    assert request is not None
    assert request.until is not None
    assert request.by == "command"
    # To the second, as it is written.
    assert before + seconds - 1 <= request.until.timestamp() <= time.time() + seconds
    assert "paused by command until " in capsys.readouterr().out


def test_pauses_until_resume(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause"]) == 0
    request = read_request(folder / "pause")
    assert request is not None
    assert request.until is None
    assert f"the service is asked to pause ({folder / 'pause'}): paused by command\n" == capsys.readouterr().out
    assert main(["resume"]) == 0
    assert f"the service is asked to resume ({folder / 'pause'} is gone)" in capsys.readouterr().out
    assert not (folder / "pause").exists()
    says(folder, "paused", reason="quiet hours until 06:30", closed=True)
    assert main(["resume"]) == 0
    out = capsys.readouterr().out
    assert "no pause was asked for" in out
    assert "what the service says: quiet hours until 06:30" in out


@pytest.mark.parametrize("length", ["", "30", "m", "0m", "-5m", "1.5h", "30m1h", "1h 30m later", "99999d", "٣m"])
def test_refuses_what_is_no_length(folder: Path, capsys: pytest.CaptureFixture[str], length: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["pause", f"--for={length}"])
    assert raised.value.code == 2
    assert f"'{length}' is not a time such as 30m, 1h30m or 2d" in capsys.readouterr().err
    assert not (folder / "pause").exists()


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_waits_until_the_devices_are_closed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def serve() -> None:
        end = time.monotonic() + 30
        while not (folder / "pause").exists() and time.monotonic() < end:
            time.sleep(0.01)
        says(folder, "paused", closed=False)  # the camera takes its time
        time.sleep(3 * module._LOOK_SECONDS)
        order.append("closed")
        says(folder, "paused", closed=True)

    service = in_background(serve)
    assert main(["pause", "--wait"]) == 0
    order.append("told")
    service.join()
    assert order == ["closed", "told"]
    assert "camera, microphone and text are closed" in capsys.readouterr().out


def test_what_the_service_said_before_counts_for_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.5)
    says(folder, "paused", closed=True)
    assert main(["pause", "--wait"]) == 1
    assert "does not say that its devices are closed; see `affect-edge status`" in capsys.readouterr().err
    assert (folder / "pause").exists()


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_says_that_no_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "none"))
    assert main([command]) == 3
    assert "no service runs" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["pause", "resume", "status"])
def test_a_service_that_was_killed_does_not_run(folder: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    says(folder, pid=gone.pid)
    assert main([command]) == 3
    assert f"no service runs: the last one (pid {gone.pid}) ended without a word" in capsys.readouterr().err
    assert not (folder / "pause").exists()


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_the_file_is_where_the_configuration_says(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    away = tmp_path / "away"
    config = tmp_path / "mine.toml"
    config.write_text(f"[pause]\nfile = '{away}'\n")
    says(folder, pause_file=str(away))
    assert main(["pause", "--config", str(config)]) == 0
    assert away.exists()
    # Without it the two do not agree; nothing is done that would have no effect.
    assert main([command]) == 1
    assert (
        f"the service looks for {away}, not for {folder / 'pause'}; name its configuration" in capsys.readouterr().err
    )
    assert away.exists()
    assert not (folder / "pause").exists()


def test_a_broken_configuration_keeps_nobody_from_a_pause(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[pause\n")
    assert main(["pause"]) == 0
    assert (folder / "pause").exists()
    assert main(["resume"]) == 0
    # Unless nobody knows where the service looks.
    says(folder, pause_file="/somewhere/else")
    assert main(["pause"]) == 78


def test_a_link_in_its_place_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pause").symlink_to(tmp_path / "precious")
    assert main(["pause"]) == 1
    assert "a symbolic link, which is not written to" in capsys.readouterr().err
    assert not (tmp_path / "precious").exists()


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_says_who_may(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge.service.pause_file.write_whole", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert main([command]) == 1
    assert "try it with sudo" in capsys.readouterr().err
