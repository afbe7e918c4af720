"""A clock that jumps: order, times and records are kept, and nothing is erased on the word of a wrong one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.journal import Journal
from edge.journal_clock import CHAIN_SECONDS, SET_LATELY_SECONDS, STEADY_SECONDS, SessionClock
from edge.journal_query import JournalReader, Selection
from edge.journal_upkeep import erase
from edge.observation import Observation
from tests.edge.journal_helpers import DAY, LABELS, read

HOUR = 3600.0
YEAR = 365 * DAY
NOW = 1_790_000_000.0
"""The time that it really is when a test begins."""


class Clocks:
    """The board's clocks: time passes with `wait`, and somebody sets the system's with `set_by`."""

    def __init__(self) -> None:
        self.steady = 100.0  # since the boot
        self.wrong_by = 0.0

    def wall(self) -> float:
        return NOW + self.steady - 100.0 + self.wrong_by

    def true(self) -> float:
        return NOW + self.steady - 100.0

    def wait(self, seconds: float) -> None:
        self.steady += seconds

    def set_by(self, seconds: float) -> None:
        self.wrong_by += seconds

    def boot(self, *, wrong_by: float, after: float = 60.0) -> None:
        """Off for so long; then with a clock that is wrong."""
        self.steady += after  # one line of time for all boots: only the sessions' own is looked at
        self.wrong_by = wrong_by


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Clocks]:
    clocks = Clocks()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", clocks.wall)
        patch.setattr(time, "monotonic", lambda: clocks.steady)
        patch.setattr("edge.journal_clock._steady", lambda: clocks.steady)
        patch.setattr("edge.journal_clock.SYNCHRONISED", tmp_path / "synchronized")
        yield clocks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def synchronise(path: Path, clocks: Clocks) -> None:
    """What systemd-timesyncd does."""
    clocks.wrong_by = 0.0
    (path.parent.parent / "synchronized").touch()


def seen(clocks: Clocks, number: int) -> Observation:
    """A face in a camera, now; the number is its track's."""
    probabilities = {name: 0.7 if name == "happy" else 0.05 for name in LABELS}
    return Observation("face", "cam", time.time(), time.monotonic(), "happy", 0.7, probabilities, track=number)


def tracks(path: Path, selection: Selection | None = None) -> list[int | None]:
    return [record.observation.track for record in read(path, selection)]


def kinds(path: Path) -> list[str]:
    with JournalReader(path) as reader:
        return [event.kind for event in reader.events()]


def write(path: Path, clocks: Clocks, *numbers: int) -> None:
    with Journal(path) as journal:
        for number in numbers:
            journal.add(seen(clocks, number))
            clocks.wait(1.0)


# What readers are told


@pytest.mark.parametrize("wrong_by", [-NOW, -40 * DAY, -HOUR, 3 * HOUR, 10 * YEAR])
def test_times_are_put_right_when_the_clock_is(path: Path, clocks: Clocks, wrong_by: float) -> None:
    clocks.set_by(wrong_by)
    true = []
    with Journal(path, batch_seconds=1000) as journal:
        journal.event("start")
        for number in range(6):
            if number == 3:
                journal.flush()
                clocks.set_by(-wrong_by)
            clocks.wait(10.0)
            true.append(clocks.true())
            journal.add(seen(clocks, number))
        journal.event("stop")
    records = read(path)
    assert [record.observation.track for record in records] == list(range(6))
    assert [record.observation.wall_time for record in records] == pytest.approx(true, abs=0.01)
    assert tracks(path, Selection(since=true[1], until=true[4])) == [1, 2, 3]
    with JournalReader(path) as reader:
        start, clock, stop = reader.events()
        (share,) = reader.summary(Selection(), per="day")
        assert [event.kind for event in reader.events(since=true[2])] == ["clock", "stop"]
    assert (start.kind, clock.kind, stop.kind) == ("start", "clock", "stop")
    assert start.wall_time == pytest.approx(NOW, abs=0.01)
    assert stop.wall_time == pytest.approx(true[-1], abs=0.01)
    assert (
        clock.detail == f"the system's clock was set {'forward' if wrong_by < 0 else 'back'} by {abs(wrong_by):.1f} s"
    )
    assert share.observations == 6
    # What was recorded stays in the file, beside the steady clock.
    with closing(sqlite3.connect(path)) as connection:
        raw = connection.execute("SELECT wall_time - monotonic_time FROM observation ORDER BY id").fetchall()
    assert raw[3][0] - raw[0][0] == pytest.approx(-wrong_by, abs=0.01)


def test_a_clock_in_the_future_for_a_minute_hides_nothing_from_erasing(path: Path, clocks: Clocks) -> None:
    with Journal(path) as journal:
        journal.add(seen(clocks, 1))
        journal.flush()
        clocks.set_by(10 * YEAR)
        clocks.wait(30.0)
        journal.add(seen(clocks, 2))
        journal.flush()
        clocks.wait(30.0)
        clocks.set_by(-10 * YEAR)
        journal.add(seen(clocks, 3))
        journal.flush()
        clocks.wait(HOUR)
        journal.add(seen(clocks, 4))
    assert erase(path, until=clocks.true() - 60) == 3
    assert tracks(path) == [4]


def test_a_small_step_or_a_slow_correction_is_no_setting(path: Path, clocks: Clocks) -> None:
    with Journal(path) as journal:
        for number in range(5):
            clocks.set_by(0.15)
            journal.add(seen(clocks, number))
            journal.flush()
    assert kinds(path) == []


def test_a_file_keeps_its_own_times(path: Path, clocks: Clocks) -> None:
    """Positions in a file say nothing of when it was read; the session's beginning is the best that is known."""
    clocks.set_by(-40 * DAY)
    with Journal(path) as journal:
        observation = seen(clocks, 1)
        journal.add(Observation("face", "film", time.time(), 0.5, "happy", 0.7, observation.probabilities, track=1))
        journal.flush()
        clocks.set_by(40 * DAY)
        clocks.wait(5.0)
        journal.add(seen(clocks, 2))
    assert read(path)[0].observation.wall_time == pytest.approx(NOW, abs=0.01)


def test_a_setting_that_a_full_disk_kept_out_is_told_later(
    path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks.set_by(-40 * DAY)
    with Journal(path, batch_seconds=1000) as journal:
        journal.add(seen(clocks, 1))
        journal.flush()
        clocks.set_by(40 * DAY)
        journal.add(seen(clocks, 2))
        with monkeypatch.context() as patch:

            def refuse(*_: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(journal._bounds, "apply", refuse)
            journal.flush()
            journal.event("fault", "written later")
        clocks.wait(500.0)
        journal.flush()
        assert journal.last_error is None
    assert [record.observation.wall_time for record in read(path)] == pytest.approx([NOW, NOW], abs=0.01)
    with JournalReader(path) as reader:
        assert [event.kind for event in reader.events()] == ["clock", "fault"]
        assert reader.events()[1].wall_time == pytest.approx(NOW, abs=0.01), "its time is that of the call"


# Ageing


def test_a_year_in_the_future_for_a_minute_erases_nothing(path: Path, clocks: Clocks) -> None:
    """A board whose clock wakes up in 2036, and is put right a minute later."""
    synchronise(path, clocks)
    write(path, clocks, 1, 2, 3)
    (path.parent.parent / "synchronized").unlink()
    clocks.boot(wrong_by=10 * YEAR)
    with Journal(path) as journal:
        for number in (4, 5):
            journal.add(seen(clocks, number))
            journal.flush()
            clocks.wait(700.0)  # ages are checked every ten minutes
        synchronise(path, clocks)
        journal.add(seen(clocks, 6))
        journal.flush()
        clocks.wait(700.0)
        journal.add(seen(clocks, 7))
    assert tracks(path) == [1, 2, 3, 4, 5, 6, 7]
    times = [record.observation.wall_time for record in read(path)]
    assert times == sorted(times)


def test_restarts_within_the_wrong_year_confirm_nothing(path: Path, clocks: Clocks) -> None:
    synchronise(path, clocks)
    write(path, clocks, 1)
    (path.parent.parent / "synchronized").unlink()
    clocks.boot(wrong_by=10 * YEAR)
    for number in range(2, 12):
        write(path, clocks, number)
        clocks.wait(600.0)
    assert tracks(path) == list(range(1, 12))


def test_a_clock_set_wrong_by_hand_erases_nothing_for_an_hour(path: Path, clocks: Clocks) -> None:
    synchronise(path, clocks)
    with Journal(path) as journal:
        journal.add(seen(clocks, 1))
        journal.flush()
        clocks.set_by(YEAR)
        clocks.wait(SET_LATELY_SECONDS - 100)
        journal.add(seen(clocks, 2))
        journal.flush()
        assert tracks(path) == [1, 2]
        clocks.set_by(-YEAR)
        clocks.wait(700.0)
        journal.add(seen(clocks, 3))
    assert tracks(path) == [1, 2, 3]


def test_age_is_kept_where_the_clock_is_synchronised(path: Path, clocks: Clocks) -> None:
    synchronise(path, clocks)
    with Journal(path) as journal:
        journal.event("start")
        journal.add(seen(clocks, 1))
        journal.flush()
        clocks.wait(31 * DAY)
        journal.add(seen(clocks, 2))
    assert tracks(path) == [2]
    assert kinds(path) == []


def test_age_is_kept_without_network_once_the_clock_was_steady(path: Path, clocks: Clocks) -> None:
    write(path, clocks, 1)
    clocks.boot(wrong_by=0, after=31 * DAY)
    with Journal(path) as journal:
        journal.add(seen(clocks, 2))
        journal.flush()
        assert tracks(path) == [1, 2], "nothing confirms the clock yet"
        clocks.wait(STEADY_SECONDS)
        journal.add(seen(clocks, 3))
    assert tracks(path) == [2, 3]


def test_age_is_kept_on_a_board_that_is_off_each_night(path: Path, clocks: Clocks) -> None:
    """Never synchronised, never on for six hours but on the first day: each day confirms the next."""
    with Journal(path) as journal:
        journal.add(seen(clocks, 0))
        journal.flush()
        clocks.wait(STEADY_SECONDS)
        journal.add(seen(clocks, 0))
    for day in range(1, 40):
        clocks.boot(wrong_by=0, after=DAY - HOUR)
        with Journal(path) as journal:
            journal.add(seen(clocks, day))
            clocks.wait(HOUR)
            journal.add(seen(clocks, day))
    kept = sorted(set(tracks(path)), key=lambda track: track or 0)
    assert kept in (list(range(9, 40)), list(range(10, 40)))


def test_what_confirms_a_clock(clocks: Clocks, tmp_path: Path) -> None:
    clock = SessionClock()
    assert not clock.is_confirmed(None)
    assert clock.is_confirmed(time.time() - CHAIN_SECONDS)
    assert not clock.is_confirmed(time.time() - CHAIN_SECONDS - 1)
    assert not clock.is_confirmed(time.time() + 1), "the clock runs behind what is known"
    clocks.wait(STEADY_SECONDS)
    assert clock.is_confirmed(None)
    clocks.set_by(2.0)
    clock.follow()
    assert clock.was_set
    assert not clock.is_confirmed(None)
    (tmp_path / "synchronized").touch()
    assert not clock.is_confirmed(None)
    clocks.wait(SET_LATELY_SECONDS)
    assert clock.is_confirmed(None)


def test_a_place_where_the_service_may_not_look_confirms_nothing(
    clocks: Clocks, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    class Closed:
        def exists(self) -> bool:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge.journal_clock.SYNCHRONISED", Closed())
    write(path, clocks, 1)
    assert tracks(path) == [1]


def test_a_pause_between_the_two_clocks_is_no_setting(
    clocks: Clocks, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped just after it asked for the one, and before it asked for the other."""
    with Journal(path) as journal:
        asked: list[float] = []

        def stopped_once() -> float:
            asked.append(clocks.wall())
            if len(asked) == 1:
                clocks.wait(30.0)
            return asked[-1]

        journal.add(seen(clocks, 1))
        monkeypatch.setattr(time, "time", stopped_once)
        journal.flush()
        assert asked, "the clock was not asked: the test tests nothing"
    assert kinds(path) == []


def test_the_steady_clock_is_one_that_goes_on_in_sleep() -> None:
    from edge.journal_clock import _steady

    assert abs(_steady() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
