"""Copies of a journal that is being written; what is erased is tested beside the queries."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import Journal
from edge.journal_query import JournalReader
from edge.journal_upkeep import backup, erase
from tests.edge.journal_helpers import fill, integrity, numbers, observation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "journal.db"
    fill(path, [observation(number) for number in range(6_000)])
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "copy.db"


def test_a_copy_is_one_whole_journal(path: Path, target: Path) -> None:
    with Journal(path) as journal:
        journal.event("start")
        journal.add(observation(6_000))
        journal.flush()  # in the -wal file only
        before = os.umask(0)
        try:
            backup(path, target)
        finally:
            os.umask(before)
    assert [each.name for each in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert numbers(target) == list(range(6_001))
    with JournalReader(target) as reader:
        assert [event.kind for event in reader.events()] == ["start"]
    assert integrity(target) == "ok"


def test_a_copy_takes_the_place_of_the_journal(path: Path, target: Path) -> None:
    backup(path, target)
    shutil.move(target, path)
    with Journal(path) as journal:
        journal.add(observation(6_000))
        journal.flush()
        assert path.with_name(path.name + "-wal").exists(), "the writer goes on in WAL mode"
    assert numbers(path) == list(range(6_001))


def test_a_copy_is_of_one_moment_however_busy_the_writer(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a moment that is pinned, each commit would begin the copy anew, and it might never end."""
    monkeypatch.setattr("edge.journal_upkeep._BACKUP_PAGES", 16)
    seen: list[tuple[int, int]] = []
    with Journal(path, batch_seconds=0) as journal:
        number = 6_000

        def write(copied: int, pages: int) -> None:
            nonlocal number
            seen.append((copied, pages))
            for _ in range(100):
                journal.add(observation(number))
                number += 1
            assert journal.last_error is None

        backup(path, target, progress=write)
        assert journal.written == 100 * len(seen)
    assert len(seen) > 1
    assert [copied for copied, _ in seen] == sorted({copied for copied, _ in seen}), "the copy was begun anew"
    assert numbers(target) == list(range(6_000))
    assert numbers(path) == list(range(number))


def test_an_older_copy_is_replaced_only_by_a_whole_one(path: Path, target: Path) -> None:
    target.write_text("older")
    target.with_name("copy.db.partial").write_text("of a backup that was killed")

    def stop(copied: int, pages: int) -> None:
        assert target.read_text() == "older"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(path, target, progress=stop)
    assert target.read_text() == "older"
    assert [each.name for each in target.parent.iterdir()] == ["copy.db"]
    backup(path, target)
    assert numbers(target) == list(range(6_000))


@pytest.mark.parametrize("name", ["journal.db", "../state/journal.db", "journal.db-wal", "link.db", "hard.db"])
def test_the_journal_itself_is_no_place_for_the_copy(path: Path, name: str) -> None:
    path.with_name("link.db").symlink_to(path)
    path.with_name("hard.db").hardlink_to(path)
    with pytest.raises(JournalError, match="this is the journal itself"):
        backup(path, path.parent / name)
    assert numbers(path) == list(range(6_000))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "not a file"), ("absent/x.db", "No such file"), ("n" * 300, "name too long"), ("/dev/null", "not a file")],
)
def test_where_a_copy_cannot_be(path: Path, target: Path, name: str, reason: str) -> None:
    where = target.parent / name
    with pytest.raises(JournalError, match=reason) as caught:
        backup(path, where)
    assert str(caught.value).startswith(f"{where}: ")
    assert list(target.parent.iterdir()) == []


def test_a_damaged_journal_is_not_copied(path: Path, target: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        stream.write(b"\xa5" * 5000)
    with pytest.raises(JournalError, match=r"journal\.db: the journal is damaged"):
        backup(path, target)
    assert list(target.parent.iterdir()) == []


def test_a_copy_onto_a_full_disk(path: Path, small_disk: Path) -> None:
    (small_disk / "copy.db").write_text("older")
    with pytest.raises(JournalError, match=r"copy\.db.*: the disk is full"):
        backup(path, small_disk / "copy.db")
    assert [each.name for each in small_disk.iterdir()] == ["copy.db"]
    assert (small_disk / "copy.db").read_text() == "older"


def test_erased_bytes_are_nowhere(path: Path) -> None:
    """Not in the file, its -wal, its -shm, nor in free pages: every byte is looked at, with a writer beside."""
    secret = b"bedroom-7f3a"

    def places() -> list[str]:
        return [each.name for each in path.parent.iterdir() if secret in each.read_bytes()]

    with Journal(path, batch_seconds=1000, max_size_mb=2) as journal:
        for number in range(20_000):  # enough that the cap deletes, and pages are free and used again
            journal.add(observation(number, source=secret.decode() if number % 3 else "hall"))
            if number % 5000 == 0:
                journal.event("fault", f"{secret.decode()} {number}")
        journal.flush()
        assert places(), "the text was never there: the test tests nothing"
        stop = threading.Event()

        def go_on() -> None:
            number = 40_000
            while not stop.is_set():
                journal.add(observation(number, source="hall"))
                journal.flush()
                number += 1

        writer = threading.Thread(target=go_on)
        writer.start()
        try:
            assert erase(path) > 10_000
        finally:
            stop.set()
            writer.join()
        assert journal.last_error is None
        assert places() == []
    assert places() == []
    assert integrity(path) == "ok"
