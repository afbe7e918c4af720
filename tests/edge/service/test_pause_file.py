from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.service.pause_file import (
    PauseError,
    Request,
    boot_id,
    make_request,
    parse_request,
    read_request,
    withdraw,
    write_request,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc).timestamp()


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("seconds", [None, 0.5, 1800.0, 86_400.0 * 400])
def test_what_is_written_is_what_is_read(tmp_path: Path, seconds: float | None) -> None:
    request = make_request(seconds, "command", wall=NOON, steady=12345.678)
    write_request(tmp_path / "pause", request)
    read = read_request(tmp_path / "pause")
    assert read is not None
    assert read.problem is None
    assert read.by == "command"
    assert read.steady == (None if seconds is None else (12345.678 + seconds, boot_id()))
    if seconds is not None:
        assert read.until is not None
        assert abs(read.until.timestamp() - NOON - seconds) <= 1
    assert stat.S_IMODE((tmp_path / "pause").stat().st_mode) == 0o644


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_a_length_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="pause"):
        make_request(seconds, "command", wall=NOON, steady=0)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("", None),
        ("\n\n", None),
        ("2026-11-01T18:00\n", datetime(2026, 11, 1, 17, tzinfo=timezone.utc)),
        ("2026-11-01 18:00:30", datetime(2026, 11, 1, 17, 0, 30, tzinfo=timezone.utc)),
        ("2026-11-01T18:00Z", datetime(2026, 11, 1, 18, tzinfo=timezone.utc)),
        ("2026-11-01T18:00:00+05:00\nmine\n", datetime(2026, 11, 1, 13, tzinfo=timezone.utc)),
        ("2026-11-02", datetime(2026, 11, 1, 23, tzinfo=timezone.utc)),
        ("1793534400", datetime.fromtimestamp(1793534400, timezone.utc)),
        ("1793534400.5\r\n", datetime.fromtimestamp(1793534400.5, timezone.utc)),
    ],
)
def test_reads_what_people_and_scripts_write(tmp_path: Path, text: str, until: datetime | None) -> None:
    (tmp_path / "pause").write_text(text)
    assert read_request(tmp_path / "pause") == Request("file", until)


@pytest.mark.parametrize(
    "text",
    ["soon", "18:00", "30", "2026", "nan", "inf", "1e300", "-5", "99999-01-01", "\x00\x1b[2J", "x" * 10_000, "ü"],
)
def test_what_is_not_understood_is_a_pause_without_an_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "pause").write_text(text)
    request = read_request(tmp_path / "pause")
    assert request is not None
    assert not request.is_over(wall=1e11, steady=1e11, boot=boot_id())
    reason = request.reason(NOON)
    assert reason.startswith(f"paused by file without an end: {tmp_path / 'pause'}: '")
    assert reason.isprintable()
    assert len(reason) < 250


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(128, 256)) * 100)


@pytest.mark.parametrize("make", [folder, pipe, link, loop, binary])
def test_whatever_is_there_is_a_pause(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "pause")
    request = read_request(tmp_path / "pause")
    assert request is not None
    assert request.problem is not None
    assert str(tmp_path / "pause") in request.problem
    assert request.until is None


def test_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_request(tmp_path / "pause") is None
    assert read_request(tmp_path / "no" / "pause") is None
    assert read_request(tmp_path / "file" / "pause") is None
    assert withdraw(tmp_path / "pause") is False


def test_the_steady_clock_decides_in_the_same_boot_and_the_other_in_the_next() -> None:
    request = make_request(60, "command", wall=NOON, steady=1000)
    this = boot_id()
    assert this
    year = 365 * 86_400
    for wall in (NOON - year, NOON, NOON + year):
        assert not request.is_over(wall=wall, steady=1059.9, boot=this)
        assert request.is_over(wall=wall, steady=1060, boot=this)
    for steady in (0, 1e6):
        assert not request.is_over(wall=NOON + 59, steady=steady, boot="another")
        assert request.is_over(wall=NOON + 60, steady=steady, boot="another")
    written = parse_request("2026-11-01T13:00\n", Path("p"))
    assert not written.is_over(wall=NOON - 1, steady=1e9, boot=this)
    assert written.is_over(wall=NOON, steady=0, boot=this)


@pytest.mark.parametrize("line", ["", "60", "sixty boot", " ", "60  "])
def test_a_spoilt_third_line_leaves_the_first(line: str) -> None:
    request = parse_request(f"2026-11-01T13:00\ncommand\n{line}\n", Path("p"))
    assert request == Request("command", datetime(2026, 11, 1, 12, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("button"), "paused by button"),
        (Request("file", datetime(2026, 11, 1, 13, 30, tzinfo=timezone.utc)), "paused by file until 14:30"),
        (
            Request("signal", datetime(2026, 11, 9, 13, 30, tzinfo=timezone.utc)),
            "paused by signal until 2026-11-09 14:30",
        ),
    ],
)
def test_the_reason_is_in_local_time(request_: Request, reason: str) -> None:
    assert request_.reason(NOON) == reason


def test_a_link_is_not_written_through_nor_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "pause").symlink_to(tmp_path / "precious")
    with pytest.raises(PauseError, match="symbolic link"):
        write_request(tmp_path / "pause", Request())
    assert (tmp_path / "precious").read_text() == "kept"
    assert withdraw(tmp_path / "pause") is True
    assert (tmp_path / "precious").read_text() == "kept"


def test_says_what_cannot_be_written_or_removed(tmp_path: Path) -> None:
    with pytest.raises(PauseError, match="there is no such folder; does the service run"):
        write_request(tmp_path / "no" / "pause", Request())
    (tmp_path / "pause").mkdir()
    with pytest.raises(PauseError, match="cannot be written: Is a directory"):
        write_request(tmp_path / "pause", Request())
    with pytest.raises(PauseError, match="cannot be removed: Is a directory"):
        withdraw(tmp_path / "pause")


def test_says_who_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr("edge.service.pause_file.write_whole", refuse)
    with pytest.raises(PauseError, match="may not have it written; try it with sudo"):
        write_request(tmp_path / "pause", Request())
    with pytest.raises(PauseError, match="may not have it removed; try it with sudo"):
        withdraw(tmp_path / "pause")
