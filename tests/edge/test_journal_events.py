"""What the program did, in the journal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import EVENTS_LIMIT, Journal
from edge.journal_query import Event, JournalReader
from edge.journal_rows import DETAIL_LIMIT
from edge.journal_upkeep import erase
from tests.edge.journal_helpers import MARGIN, keep_clock, observation, read, size_on_disk


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    keep_clock(monkeypatch)
    return tmp_path / "journal.db"


def events(path: Path, **chosen: object) -> list[Event]:
    with JournalReader(path) as reader:
        return reader.events(**chosen)  # type: ignore[arg-type]


def told(path: Path, **chosen: object) -> list[tuple[str, str]]:
    return [(event.kind, event.detail) for event in events(path, **chosen)]


def test_an_event_is_committed_at_once_with_what_is_waiting(path: Path) -> None:
    before, steady = time.time(), time.monotonic()
    with Journal(path, batch_seconds=1000) as journal:
        journal.add(observation(1))
        assert read(path) == []
        journal.event("pause", "by command")
        (found,) = events(path)
        (record,) = read(path)
        assert journal.written == 1, "events are no observations"
        journal.event("resume")
    assert (found.kind, found.detail) == ("pause", "by command")
    assert before - 0.1 <= found.wall_time <= time.time() + 0.1
    assert steady <= found.monotonic_time <= time.monotonic()
    assert (found.session, found.boot_id) == (record.session, record.boot_id)
    assert told(path) == [("pause", "by command"), ("resume", "")]
    assert found.as_dict()["wall_time"] == round(found.wall_time, 3)


def test_the_detail_is_one_line_that_sqlite_can_store(path: Path) -> None:
    with Journal(path) as journal:
        journal.event("fault", "one\n  two\tthree ")
        journal.event("fault", "x" * 1000)
        journal.event("fault", "caf\udce9 \ud800")
    first, long, odd = (detail for _, detail in told(path))
    assert first == "one two three"
    assert (len(long), long[-4:]) == (DETAIL_LIMIT, "x...")
    assert odd == "caf\\udce9 \\ud800"


@pytest.mark.parametrize("kind", ["", "Start", "two words", "x" * 33, "a\n", "3d"])
def test_a_kind_is_one_word(path: Path, kind: str) -> None:
    with Journal(path) as journal, pytest.raises(ValueError, match="one short word"):
        journal.event(kind)
    assert told(path) == []


def test_a_closed_journal_takes_no_event(path: Path) -> None:
    with Journal(path) as journal:
        pass
    with pytest.raises(JournalError, match="closed"):
        journal.event("stop")


def test_events_are_chosen_by_time_kind_and_number(path: Path) -> None:
    with Journal(path) as journal:
        for kind in ("start", "fault", "restart", "fault"):
            journal.event(kind)
            time.sleep(0.01)
    everything = events(path)
    assert [event.id for event in everything] == [1, 2, 3, 4]
    assert [kind for kind, _ in told(path, latest=2)] == ["restart", "fault"]
    assert [kind for kind, _ in told(path, kind="fault", latest=5)] == ["fault", "fault"]
    middle = {"since": everything[1].wall_time, "until": everything[3].wall_time}
    assert [kind for kind, _ in told(path, **middle)] == ["fault", "restart"]


def test_the_number_of_events_is_capped_and_leaves_the_observations(path: Path) -> None:
    with Journal(path, max_size_mb=1) as journal:
        for number in range(1000):
            journal.add(observation(number))
        for number in range(1500):
            journal.event("fault", f"{number} " + "x" * 600)
        kept = told(path)
        assert size_on_disk(path) <= 1_000_000 + MARGIN
    assert len(kept) == 501, "500, and what the last commit added"
    assert [int(detail.split()[0]) for _, detail in kept] == list(range(999, 1500))
    assert len(read(path)) == 1000


def test_events_wait_in_bounds_while_the_disk_refuses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(path, batch_seconds=0.0) as journal:
        journal.event("start")
        with monkeypatch.context() as patch:

            def refuse(*_: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(journal._bounds, "apply", refuse)
            for number in range(EVENTS_LIMIT + 5):
                journal.event("fault", str(number))
            assert "the disk is full" in str(journal.last_error)
            assert journal.dropped == 5
        journal.event("stop")
        assert journal.last_error is None
    details = [detail for _, detail in told(path)]
    assert details == ["", *map(str, range(6, EVENTS_LIMIT + 5)), ""]


def test_events_are_erased_with_the_observations_of_their_time(path: Path) -> None:
    with Journal(path) as journal:
        journal.event("start", "secret-place")
        middle = time.time()
        time.sleep(0.01)
        journal.event("stop")
    assert erase(path, until=middle) == 0
    assert [kind for kind, _ in told(path)] == ["stop"]
    assert b"secret-place" not in path.read_bytes()
    erase(path)
    assert told(path) == []
