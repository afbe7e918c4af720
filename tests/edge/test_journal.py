"""Writing the journal: batches, killed writers, bounds, and other processes beside the writer."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from edge.errors import JournalError
from edge.journal import BATCH_LIMIT, Journal
from edge.journal_file import connect, default_journal_path
from edge.journal_query import JournalReader, Selection
from edge.journal_upkeep import erase
from edge.observation import UNSURE, Box, Observation
from tests.edge.journal_helpers import (
    DAY,
    MARGIN,
    fill,
    integrity,
    keep_clock,
    numbers,
    observation,
    read,
    resident_bytes,
    size_on_disk,
    start_child,
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    keep_clock(monkeypatch)
    return tmp_path / "state" / "journal.db"


# What goes in comes out


@pytest.mark.parametrize(
    "given",
    [
        observation(3),
        observation(4, label=UNSURE, track=None, changed=True),
        Observation("speech", "mikrofon-ä", 1.5, -2.25, "calm", 1.0, {"calm": 1.0, "happy": 0.0}),
        Observation("text", "", 0.0, 0.0, "joy", 0.5, {f"label{n}": 1 / 27 for n in range(27)} | {"joy": 0.5}),
    ],
    ids=["face", "unsure", "speech", "text"],
)
def test_an_observation_comes_back_as_it_was(path: Path, given: Observation) -> None:
    fill(path, [given])
    (record,) = read(path)
    found = record.observation
    assert found.probabilities.keys() == given.probabilities.keys()
    assert list(found.probabilities.values()) == pytest.approx(list(given.probabilities.values()), abs=1e-5)
    for name in ("modality", "source", "wall_time", "monotonic_time", "label", "confidence", "track", "box", "changed"):
        assert getattr(found, name) == getattr(given, name), name
    assert record.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_numpy_numbers_and_names_that_are_not_utf8_are_taken(path: Path) -> None:
    given = Observation(
        "face",
        os.fsdecode(b"caf\xe9.mp4"),
        np.float64(5.0),
        np.float32(2.5),
        "happy",
        np.float32(0.75),
        {"happy": np.float32(0.75), "sad": np.float32(0.25)},
        track=np.int64(7),
        box=Box(np.int32(1), np.int32(2), np.int32(3), np.int32(4)),
    )
    fill(path, [given])
    found = read(path)[0].observation
    assert (found.source, found.track, found.box) == ("caf\\xe9.mp4", 7, Box(1, 2, 3, 4))
    assert found.confidence == 0.75


@pytest.mark.parametrize("wall_time", [float("nan"), float("inf")])
def test_a_time_that_is_no_number_is_refused_and_the_rest_is_kept(path: Path, wall_time: float) -> None:
    with Journal(path) as journal:
        journal.add(observation(1))
        with pytest.raises(ValueError, match="finite"):
            journal.add(observation(2, wall_time=wall_time))
        journal.add(observation(3))
    assert numbers(path) == [1, 3]


def test_sessions_are_told_apart_and_a_clock_set_back_does_not_reorder(path: Path) -> None:
    for number, wall_time in enumerate((2e9, 1.0, 1e9)):
        fill(path, [observation(number, wall_time=wall_time)])
    records = read(path)
    assert [record.observation.wall_time for record in records] == [2e9, 1.0, 1e9]
    assert len({record.session for record in records}) == 3


def test_file_and_folder_are_closed_to_others(path: Path) -> None:
    before = os.umask(0)
    try:
        with Journal(path) as journal:
            journal.add(observation())
            journal.flush()
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a/journal.db"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/affect-edge/journal.db"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/affect-edge/journal.db"),
        ({"STATE_DIRECTORY": "", "HOME": "/h"}, "/h/.local/state/affect-edge/journal.db"),
    ],
)
def test_the_default_path(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_journal_path() == Path(expected)


# Batches


def test_a_batch_is_committed_when_it_is_due_or_full(path: Path) -> None:
    with Journal(path, batch_seconds=0.1) as journal:
        journal.add(observation(0))
        journal.flush_if_due()
        assert journal.written == 0
        assert read(path) == []
        time.sleep(0.11)
        journal.flush_if_due()
        assert journal.written == len(read(path)) == 1
    with Journal(path, batch_seconds=1000) as journal:
        for number in range(BATCH_LIMIT + 1):
            journal.add(observation(number))
        assert journal.written == BATCH_LIMIT
    assert journal.written == BATCH_LIMIT + 1
    assert len(read(path)) == BATCH_LIMIT + 2
    with pytest.raises(JournalError, match="closed"):
        journal.add(observation())


def test_kill_9_in_the_middle_of_writing_loses_at_most_the_last_batch(path: Path) -> None:
    batch = 50
    script = f"""
        journal = Journal(path, batch_seconds=1000)
        number = 0
        while True:
            for _ in range({batch}):
                journal.add(observation(number))
                number += 1
            journal.flush()
            print(journal.written, flush=True)
    """
    for kill in range(3):  # at three different moments
        path = path.with_name(f"journal{kill}.db")
        with start_child(script, path) as child:
            assert child.stdout is not None
            for _ in range(20 + 7 * kill):
                told = int(child.stdout.readline())
            time.sleep(0.003 * kill)
            child.send_signal(signal.SIGKILL)
            told = int(([told, *map(int, child.stdout.read().split())])[-1])
        assert child.returncode == -signal.SIGKILL
        assert path.with_name(path.name + "-wal").exists(), "the writer was not killed in the middle"
        with Journal(path) as journal:
            journal.add(observation(10**6))
        *before, after = numbers(path)
        assert after == 10**6
        assert before == list(range(len(before)))
        assert told <= len(before) <= told + batch
        assert integrity(path) == "ok"


def test_several_threads_may_add(path: Path) -> None:
    with Journal(path, batch_seconds=0) as journal:

        def work(first: int) -> None:
            for number in range(first, first + 100):
                journal.add(observation(number))

        threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers(path)) == list(range(300))


def test_fifty_thousand_observations_do_not_grow_memory(path: Path) -> None:
    with Journal(path, max_size_mb=4) as journal:
        given = observation()
        for _ in range(5000):
            journal.add(given)
        before = resident_bytes()
        for _ in range(50_000):
            journal.add(given)
        journal.flush()
        grown = resident_bytes() - before
    assert journal.written == 55_000
    assert grown < 3_000_000, "kept rows would take about 20 MB"


# Bounds


def test_the_size_is_capped_under_load_and_the_oldest_go_first(path: Path) -> None:
    cap = 1_000_000
    largest = 0
    with Journal(path, batch_seconds=1000, max_size_mb=1) as journal:
        for number in range(30_000):
            journal.add(observation(number))
            if number % 500 == 0:
                largest = max(largest, size_on_disk(path))
        journal.flush()
        largest = max(largest, size_on_disk(path))
    kept = numbers(path)
    assert 0.8 * cap < largest <= cap + MARGIN
    assert kept == list(range(kept[0], 30_000)), "a gap, or not the newest"
    assert len(kept) > 5_000
    assert integrity(path) == "ok"


def test_sources_go_with_their_last_observation(path: Path) -> None:
    fill(path, [observation(source="first")])
    with Journal(path, max_size_mb=1) as journal:
        for number in range(20_000):
            journal.add(observation(number, source="second"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT source FROM stream").fetchall() == [("second",)]


def test_a_lower_cap_shrinks_the_file(path: Path) -> None:
    with Journal(path, max_size_mb=8) as journal:
        for number in range(40_000):
            journal.add(observation(number))
    assert size_on_disk(path) > 2_500_000
    with Journal(path, max_size_mb=1) as journal:
        assert size_on_disk(path) <= 1_000_000 + MARGIN
        journal.add(observation(40_000))
    kept = numbers(path)
    assert kept == list(range(kept[0], 40_001))


def test_a_reader_that_stays_holds_the_wal_only_as_long_as_it_stays(path: Path) -> None:
    wal = path.with_name(path.name + "-wal")
    with Journal(path, max_size_mb=2) as journal:
        journal.add(observation())
        journal.flush()
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM observation").fetchone()
            for number in range(20_000):
                journal.add(observation(number))
            held = wal.stat().st_size
        for number in range(10_000):
            journal.add(observation(number))
        assert held > 2_000_000 // 8 + MARGIN, "the reader held nothing back: the test tests nothing"
        assert wal.stat().st_size <= 2_000_000 // 8 + MARGIN
        assert size_on_disk(path) <= 2_000_000 + MARGIN


class WriteSession(Protocol):
    def __call__(self, days: float, *numbers: int) -> None: ...


@pytest.fixture
def synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemd-timesyncd makes when it has set the clock."""
    marker = tmp_path / "synchronized"
    marker.touch()
    monkeypatch.setattr("edge.journal_clock.SYNCHRONISED", marker)
    return marker


@pytest.fixture
def session(path: Path, synchronised: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteSession]:
    """Writes observations as a session did that many days ago: the system's clock is set back meanwhile."""
    real = time.time

    def write(days: float, *numbers: int) -> None:
        monkeypatch.setattr(time, "time", lambda: real() - days * DAY)
        fill(path, [observation(number) for number in numbers])
        monkeypatch.setattr(time, "time", real)

    yield write
    monkeypatch.setattr(time, "time", real)


@pytest.mark.parametrize(
    ("sessions", "kept"),
    [
        ([(40, 1, 2), (20, 3), (10, 4)], [3, 4, 9]),
        ([(40, 1), (31, 2)], [9]),
        ([(20, 1), (40, 2)], [1, 2, 9]),
        ([(-400, 1), (20, 2)], [1, 2, 9]),
        ([(-400, 1), (40, 2), (20, 3)], [3, 9]),
        ([(-400, 1), (-399, 2)], [1, 2, 9]),
    ],
    ids=["aged", "all-aged", "clock-was-back-once", "future-first", "future-before-aged", "clock-set-back-a-year"],
)
def test_age_deletes_from_the_front(
    path: Path, session: WriteSession, sessions: list[tuple[int, ...]], kept: list[int]
) -> None:
    for days, *written in sessions:
        session(days, *written)
    fill(path, [observation(9)])
    assert numbers(path) == kept


def test_a_clock_that_is_set_right_after_the_start_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pi boots in 1970 and learns the time from the network a little later."""
    real = time.time
    with Journal(path) as journal:
        pass
    monkeypatch.setattr(time, "time", lambda: 100.0)
    with Journal(path) as journal:
        journal.add(observation(1))
        journal.flush()
        monkeypatch.setattr(time, "time", real)
        journal.add(observation(2))
        journal.flush()
    fill(path, [observation(3)])  # checks ages at its first commit
    assert numbers(path) == [1, 2, 3]
    assert abs(read(path)[0].observation.wall_time - real()) < 60, "it is told by the clock that was set"


def test_very_many_aged_records_go_in_steps(path: Path, session: WriteSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal_bounds._AGED_AT_ONCE", 10)
    session(40, *range(25))
    with Journal(path) as journal:
        left = []
        for number in (100, 101, 102, 103):
            journal.add(observation(number))
            journal.flush()
            left.append(len(numbers(path)))
    assert left == [15, 5, 3, 4]


# Beside a running writer


def test_a_reader_in_the_middle_sees_a_whole_state_and_keeps_nobody_waiting(path: Path) -> None:
    with Journal(path, batch_seconds=1000) as journal:
        for number in range(3000):
            journal.add(observation(number))
        journal.flush()
        with JournalReader(path) as reader:
            records = reader.records(Selection())
            seen = [next(records)]
            for number in range(3000, 4000):
                journal.add(observation(number))
            journal.flush()
            assert journal.last_error is None
            seen += records
    assert [record.id for record in seen] == list(range(1, 3001))
    assert len(numbers(path)) == 4000


def test_a_writer_goes_on_after_another_process_erased(path: Path) -> None:
    with Journal(path) as journal:
        journal.add(observation(1))
        journal.flush()
        assert erase(path) == 1
        journal.add(observation(2))
        journal.flush()
        assert journal.last_error is None
        (record,) = read(path)
        assert (record.observation.monotonic_time, record.observation.source) == (0.4, "/dev/video0")


def test_two_writers_share_a_file(path: Path) -> None:
    with Journal(path) as one, Journal(path) as other:
        for number in range(10):
            (one if number % 2 else other).add(observation(number, source=f"camera{number % 2}"))
            one.flush()
            other.flush()
    assert numbers(path) == list(range(10))
    assert [record.observation.source for record in read(path)] == ["camera0", "camera1"] * 5


def test_a_lock_that_another_process_holds_is_told_and_outwaited(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.journal._FLUSH_TIMEOUT", 0.05)
    with Journal(path, batch_seconds=1000) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        journal.add(observation(1))
        journal.flush()
        assert "locked" in str(journal.last_error)
        monkeypatch.setattr("edge.journal.connect", partial(connect, timeout=0.05))
        with pytest.raises(JournalError, match="another process keeps the journal locked"):
            Journal(path)
        other.execute("ROLLBACK")
        journal.flush()
        assert (journal.last_error, journal.written) == (None, 1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_a_journal_that_was_removed_is_begun_anew(path: Path) -> None:
    with Journal(path) as journal:
        journal.add(observation(1))
        journal.flush()
        for each in path.parent.iterdir():
            each.unlink()
        journal.add(observation(2))
        journal.flush()
        assert numbers(path) == [2]
    assert integrity(path) == "ok"
