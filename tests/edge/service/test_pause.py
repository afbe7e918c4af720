from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

import edge.service.pause
import edge.service.pause_file as pause_file
from edge.clock import EARLIEST
from edge.config_service import PauseConfig
from edge.service.pause import Pause
from edge.service.pause_file import make_request, withdraw, write_request
from tests.edge.service.gpio_bed import FakeGpiod

NOON = datetime(2026, 11, 4, 12, tzinfo=timezone.utc).timestamp()
"""A Wednesday."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Board:
    """A runtime folder in memory, a state folder on the card, two clocks, and the service that asks at each tick."""

    def __init__(self, root: Path) -> None:
        self.runtime, self.state = root / "run", root / "state"
        self.runtime.mkdir()
        self.file, self.memory = self.runtime / "pause", self.state / "paused"
        self.wall, self.steady = NOON, 5000.0
        self.is_set: bool | None = True
        self.asked = 0
        self.boot = "boot"

    def start(self, *, folder: bool = True, memory: bool = True, **settings: object) -> Pause:
        return Pause(
            PauseConfig.model_validate(settings),
            folder=self.runtime if folder else None,
            memory=self.memory if memory else None,
            wall=lambda: self.wall,
            is_set=self._answer,
        )

    def later(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def reboot(self) -> None:
        """The runtime folder is empty, the steady clock begins anew."""
        self.file.unlink(missing_ok=True)
        self.steady = 30.0
        self.boot += " again"

    def ask(self, seconds: float | None = None) -> None:
        """As `affect-edge pause` does."""
        write_request(self.file, make_request(seconds, "command", wall=self.wall, steady=self.steady))

    def _answer(self) -> bool | None:
        self.asked += 1
        return self.is_set


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board(tmp_path)
    for module in (edge.service.pause, pause_file):
        monkeypatch.setattr(module, "boot_id", lambda: board.boot)
    return board


def test_a_file_pauses_until_it_is_gone(board: Board) -> None:
    pause = board.start()
    assert pause.wanted(board.steady) is None
    board.file.touch()
    assert pause.wanted(board.steady) == "paused by file"
    board.file.unlink()
    assert pause.wanted(board.steady) is None
    board.ask()
    assert pause.wanted(board.steady) == "paused by command"


def test_half_an_hour_is_half_an_hour_whatever_the_clock_is_set_to(board: Board) -> None:
    pause = board.start()
    board.ask(1800)
    assert pause.wanted(board.steady) == "paused by command until 12:30"
    for jump in (86_400 * 365, -86_400 * 700):
        board.wall += jump
        assert pause.wanted(board.steady) is not None
    board.later(1799)
    assert pause.wanted(board.steady) is not None
    board.later(1)
    assert pause.wanted(board.steady) is None
    board.wall -= 86_400
    assert pause.wanted(board.steady) is None
    assert not board.memory.exists()


@pytest.mark.parametrize("content", ["later", "2026-11-04T11:00\n"])
def test_a_file_of_somebody_else(board: Board, caplog: pytest.LogCaptureFixture, content: str) -> None:
    pause = board.start()
    board.file.write_text(content)
    for _ in range(10):
        reason = pause.wanted(board.steady)
    if content == "later":
        assert reason == f"paused by file without an end: {board.file}: 'later' is not an end; " + (
            "write such as 2026-11-01T18:00, or nothing"
        )
        assert len(caplog.records) == 1  # told once
    else:
        assert reason is None  # over since an hour
        assert board.file.exists()


def test_signals(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pause = board.start()
    pause.by_signal(True)
    assert pause.wanted(board.steady) == "paused by signal"
    assert board.file.exists()
    pause.by_signal(False)
    assert pause.wanted(board.steady) is None
    assert not board.file.exists()
    pause.by_signal(True)
    pause.by_signal(False)
    assert pause.wanted(board.steady) is None
    assert [record.getMessage() for record in caplog.records] == [
        "paused by signal",
        "resumed by signal",
        "resumed by signal",
    ]


def test_each_lifts_what_another_has_asked_for(board: Board, gpiod: FakeGpiod) -> None:
    pause = board.start(button="GPIO17")
    board.ask(3600)
    assert pause.wanted(board.steady) == "paused by command until 13:00"
    gpiod.press("GPIO17")
    assert pause.wanted(board.steady) is None
    gpiod.press("GPIO17")
    assert pause.wanted(board.steady) == "paused by button"
    assert withdraw(board.file)
    assert pause.wanted(board.steady) is None
    pause.by_signal(True)
    assert pause.wanted(board.steady) == "paused by signal"
    gpiod.press("GPIO17")
    assert pause.wanted(board.steady) is None
    pause.close()
    assert gpiod.named("GPIO17").user is None


def test_a_press_after_the_end_of_a_pause_is_a_new_one(board: Board, gpiod: FakeGpiod) -> None:
    pause = board.start(button="GPIO17")
    board.ask(60)
    board.later(61)
    assert pause.wanted(board.steady) is None
    gpiod.press("GPIO17")
    assert pause.wanted(board.steady) == "paused by button"


def test_an_even_number_of_presses_changes_nothing(board: Board, gpiod: FakeGpiod) -> None:
    pause = board.start(button="GPIO17")
    pause.wanted(board.steady)
    gpiod.press("GPIO17")
    gpiod.press("GPIO17")
    assert pause.wanted(board.steady) is None


def test_a_button_that_cannot_be_read_is_a_pause_told_once(
    board: Board, gpiod: FakeGpiod, caplog: pytest.LogCaptureFixture
) -> None:
    gpiod.named("GPIO17").user = "somebody"
    pause = board.start(button="GPIO17")
    for _ in range(100):
        reason = pause.wanted(board.steady)
        board.later(0.25)
    assert reason is not None
    assert "the pause button cannot be read: GPIO line GPIO17: another program" in reason
    assert len(caplog.records) == 1
    gpiod.named("GPIO17").user = None
    board.later(10)
    assert pause.wanted(board.steady) is None
    # Its chip goes, on a loose USB plug, and comes back.
    gpiod.error = 19
    assert pause.wanted(board.steady) is not None
    gpiod.error = None
    board.later(10)
    assert pause.wanted(board.steady) is None


def test_without_a_folder_signals_work_all_the_same(board: Board) -> None:
    pause = board.start(folder=False, memory=False)
    assert pause.path is None
    pause.by_signal(True)
    assert pause.wanted(board.steady) == "paused by signal"
    pause.by_signal(False)
    assert pause.wanted(board.steady) is None


def test_a_file_that_cannot_be_written_or_removed_keeps_nobody_from_a_pause(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pause = board.start()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(pause_file, "write_whole", refuse)
        pause.by_signal(True)
        assert pause.wanted(board.steady) == "paused by signal"
    assert "No space left" in caplog.text
    pause.by_signal(False)
    assert pause.wanted(board.steady) is None
    board.file.mkdir()
    pause.by_signal(False)
    assert pause.wanted(board.steady) is not None
    assert "still paused: " in caplog.text


@pytest.mark.parametrize("reboots", [False, True])
@pytest.mark.parametrize("by", ["command", "signal"])
def test_a_pause_outlives_a_restart_of_the_service_and_of_the_board(board: Board, by: str, *, reboots: bool) -> None:
    pause = board.start()
    if by == "command":
        board.ask()
    else:
        pause.by_signal(True)
    assert pause.wanted(board.steady) == f"paused by {by}"
    board.reboot() if reboots else board.file.unlink()  # the unit's runtime folder is emptied in both cases
    pause = board.start()
    assert pause.wanted(board.steady) == f"paused by {by}"
    # And can be lifted as before, for good.
    assert withdraw(board.file)
    assert pause.wanted(board.steady) is None
    assert board.start().wanted(board.steady) is None


def test_a_pause_with_an_end_goes_on_after_a_reboot_by_the_clock_on_the_wall(board: Board) -> None:
    board.start().wanted(board.steady)
    board.ask(1800)
    board.start().wanted(board.steady)
    board.later(600)
    board.reboot()
    pause = board.start()
    assert pause.wanted(board.steady) == "paused by command until 12:30"
    board.later(1199)
    assert pause.wanted(board.steady) is not None
    board.later(1)
    assert pause.wanted(board.steady) is None
    board.reboot()
    assert board.start().wanted(board.steady) is None
    # One whose end came while the board was off is forgotten.
    pause = board.start()
    board.ask(60)
    assert pause.wanted(board.steady) is not None
    board.later(61)
    board.reboot()
    assert board.start().wanted(board.steady) is None
    assert not board.file.exists()
    assert not board.memory.exists()


def test_the_card_is_written_once_for_each_change(board: Board) -> None:
    pause = board.start()
    board.ask()
    pause.wanted(board.steady)
    written = board.memory.stat().st_mtime_ns, board.memory.stat().st_ino
    for _ in range(10):
        pause.wanted(board.steady)
    assert (board.memory.stat().st_mtime_ns, board.memory.stat().st_ino) == written
    board.memory.unlink()
    board.memory.mkdir()
    (board.memory / "x").touch()
    withdraw(board.file)
    assert pause.wanted(board.steady) is None  # and what cannot be forgotten is told


def test_a_file_that_the_configuration_names_is_its_owners_to_keep(board: Board, tmp_path: Path) -> None:
    own = tmp_path / "away"
    pause = board.start(file=str(own))
    own.touch()
    assert pause.wanted(board.steady) == "paused by file"
    assert not board.memory.exists()
    board.file.touch()
    own.unlink()
    assert pause.wanted(board.steady) is None
    # One from before the configuration named a file is not forgotten, but goes over to it.
    board.file.unlink()
    old = board.start()
    board.ask()
    old.wanted(board.steady)
    pause = board.start(file=str(own))
    assert pause.wanted(board.steady) == "paused by command"
    assert own.exists()
    own.unlink()
    assert pause.wanted(board.steady) is None
    assert not board.memory.exists()


@pytest.mark.parametrize("folder", [False, True])
def test_another_configuration_goes_on_with_the_pause(
    board: Board, tmp_path: Path, gpiod: FakeGpiod, *, folder: bool
) -> None:
    old = board.start(folder=folder, memory=folder, button="GPIO17")
    old.by_signal(True)
    assert old.wanted(board.steady) == "paused by signal"
    new = board.start(folder=folder, memory=folder, button="GPIO17")
    new.take_over(old)
    assert new.wanted(board.steady) == "paused by signal"
    assert gpiod.named("GPIO17").user == "affect-edge"
    newest = board.start(folder=folder, memory=folder, file=str(tmp_path / "away"))
    newest.take_over(new)
    assert newest.wanted(board.steady) == "paused by signal"
    assert not board.file.exists()
    assert gpiod.named("GPIO17").user is None
    newest.by_signal(False)
    assert newest.wanted(board.steady) is None
    # A signal that came while the other was made.
    newest.by_signal(True)
    last = board.start(folder=folder, memory=folder)
    last.take_over(newest)
    assert last.wanted(board.steady) == "paused by signal"


def test_quiet_hours(board: Board) -> None:
    pause = board.start(quiet_hours=["22:00-06:30", "sat,sun 00:00-24:00"])
    assert pause.wanted(board.steady) is None
    board.later(10 * 3600 - 1)
    assert pause.wanted(board.steady) is None
    board.later(1)
    assert pause.wanted(board.steady) == "quiet hours until 06:30"
    pause.by_signal(False)
    assert pause.wanted(board.steady) == "quiet hours until 06:30"
    board.ask()
    assert pause.wanted(board.steady) == "paused by command"
    withdraw(board.file)
    board.later(8.5 * 3600)
    assert pause.wanted(board.steady) is None
    board.later(2 * 86_400)
    assert pause.wanted(board.steady) == "quiet hours until mon 06:30"


def test_another_time_zone_holds_at_once(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    pause = board.start(quiet_hours=["20:00-22:00"])
    assert pause.wanted(board.steady) is None
    monkeypatch.setenv("TZ", "JST-9")
    assert pause.wanted(board.steady) == "quiet hours until 22:00"


@pytest.mark.parametrize("is_set", [False, None])
def test_quiet_hours_wait_for_the_clock_to_be_set(
    board: Board, caplog: pytest.LogCaptureFixture, is_set: bool | None
) -> None:
    board.is_set, board.steady = is_set, 20.0
    pause = board.start(quiet_hours=["22:00-06:30"], clock_wait=300)
    told = "quiet hours wait for the clock to be set, until 300 s after the start"
    for _ in range(100):
        assert pause.wanted(board.steady) == told
        board.later(0.5)
    assert board.asked <= 11
    # It is set: it was evening when the board was switched off, and it is night.
    board.is_set = True
    board.wall += 11 * 3600
    board.later(5)
    assert pause.wanted(board.steady) == "quiet hours until 06:30"
    assert caplog.records == []
    # Once set it stays so for this boot, and is not asked again.
    board.is_set, asked = False, board.asked
    board.later(8 * 3600)
    assert pause.wanted(board.steady) is None
    assert board.asked == asked


def test_a_board_without_network_is_believed_after_a_while(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    board.is_set, board.steady = False, 299.0
    pause = board.start(quiet_hours=["22:00-06:30"], clock_wait=300)
    assert pause.wanted(board.steady) is not None
    board.later(5)
    for _ in range(5):
        assert pause.wanted(board.steady) is None
        board.later(60)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "quiet hours go by it as it is" in caplog.text
    # But never a clock that cannot be right.
    board.wall = EARLIEST - 1
    assert pause.wanted(board.steady) == "quiet hours cannot be kept: the clock says 2023; set it (date, NTP)"


def test_without_quiet_hours_the_clock_does_not_matter(board: Board) -> None:
    board.is_set, board.wall, board.steady = False, 0.0, 1.0
    assert board.start().wanted(board.steady) is None
    assert board.asked == 0
