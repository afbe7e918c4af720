"""Damaged journals are set aside by a service, whole and never overwritten, and told; it goes on in a new one."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import ASIDE_LIMIT, Journal
from edge.journal_query import JournalReader, Selection
from edge.journal_salvage import SalvagingReader
from edge.journal_schema import SCHEMA_VERSION
from tests.edge.journal_helpers import fill, integrity, numbers, observation, start_child

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def full(path: Path) -> Path:
    fill(path, [observation(number) for number in range(5000)])
    return path


@pytest.fixture
def killed(path: Path, tmp_path: Path) -> Path:
    """A journal whose writer was killed: records 0 to 999 are in the file, 1000 to 1099 in its -wal."""
    fill(path, [observation(number) for number in range(1000)])
    with Journal(path, batch_seconds=1000) as journal:
        for number in range(1000, 1100):
            journal.add(observation(number))
            if number % 20 == 19:
                journal.flush()
        for each in (path, wal_of(path)):
            shutil.copy(each, tmp_path / each.name)
    for each in path.parent.iterdir():
        each.unlink()
    for name in (path.name, wal_of(path).name):
        shutil.move(tmp_path / name, path.parent / name)
    return path


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(data)


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.corrupt-*"))


def events(path: Path) -> list[tuple[str, str]]:
    with JournalReader(path) as reader:
        return [(event.kind, event.detail) for event in reader.events()]


def in_header(path: Path) -> None:
    overwrite(path, 0, b"\xa5" * 16)


def in_header_zeroed(path: Path) -> None:
    overwrite(path, 0, bytes(PAGE))


def in_first_page(path: Path) -> None:
    overwrite(path, 100, b"\xa5" * 3000)


def in_middle(path: Path) -> None:
    overwrite(path, path.stat().st_size // PAGE // 2 * PAGE, b"\xa5" * PAGE)


def in_middle_zeroed(path: Path) -> None:
    overwrite(path, path.stat().st_size // PAGE // 2 * PAGE, bytes(PAGE))


def at_end(path: Path) -> None:
    overwrite(path, path.stat().st_size - PAGE, b"\xa5" * PAGE)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def text(path: Path) -> None:
    path.write_text("a diary\n" * 1000)


@pytest.mark.parametrize(
    "damage", [in_header, in_header_zeroed, in_first_page, in_middle, in_middle_zeroed, at_end, truncated, text]
)
def test_damage_is_found_at_the_start_set_aside_and_told(
    full: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(full)
    before = full.read_bytes()
    with Journal(full, set_aside=True) as journal:
        (kept,) = aside(full)
        assert kept.read_bytes() == before
        ((kind, detail),) = events(full)
        assert kind == "fault"
        assert kept.name in detail
        journal.add(observation(7))
    assert numbers(full) == [7]
    assert integrity(full) == "ok"
    assert kept.name in caplog.text
    assert all(record.levelno == logging.ERROR for record in caplog.records)
    with Journal(full, set_aside=True):
        pass
    assert aside(full) == [kept], "the new journal is whole"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_whole_journal_stays(full: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal(full, set_aside=True) as journal:
        journal.add(observation(5000))
    assert numbers(full) == list(range(5001))
    assert aside(full) == []
    assert caplog.records == []


def test_what_a_killed_writer_left_stays(killed: Path) -> None:
    with Journal(killed, set_aside=True):
        pass
    assert numbers(killed) == list(range(1100))
    assert aside(killed) == []


def test_a_damaged_file_keeps_its_wal(killed: Path) -> None:
    wal = wal_of(killed).read_bytes()
    in_middle(killed)
    with Journal(killed, set_aside=True):
        pass
    kept, kept_wal = aside(killed)
    assert kept_wal == wal_of(kept), "SQLite finds the -wal file by its name"
    assert kept_wal.read_bytes() == wal


def test_an_empty_file_beside_a_wal_is_not_taken_for_a_new_journal(killed: Path) -> None:
    wal = wal_of(killed).read_bytes()
    os.truncate(killed, 0)
    with Journal(killed, set_aside=True) as journal:
        journal.add(observation(7))
    kept, kept_wal = aside(killed)
    assert (kept.stat().st_size, kept_wal.read_bytes()) == (0, wal)
    assert numbers(killed) == [7]


def test_random_damage_costs_no_new_record(full: Path, tmp_path: Path) -> None:
    """Wherever bytes are changed: the service goes on, and what can be read is read without another error."""
    good = full.read_bytes()
    moved = 0
    for seed in range(40):
        chance = random.Random(seed)
        path = tmp_path / str(seed) / "journal.db"
        path.parent.mkdir()
        path.write_bytes(good)
        for _ in range(chance.choice((1, 1, 2, 10))):
            page = chance.choice((0, chance.randrange(len(good) // PAGE))) * PAGE
            # Headers of pages more often than what they hold.
            where = page + chance.choice((chance.randrange(PAGE), chance.randrange(120)))
            overwrite(path, where, chance.randbytes(chance.choice((1, 2, 8, 100)))[: len(good) - where])
        with suppress(JournalError), SalvagingReader(path) as reader:
            list(reader.records(Selection()))
        with Journal(path, set_aside=True) as journal:
            for number in range(10_000, 10_100):
                journal.add(observation(number))
            journal.flush()
            assert journal.last_error is None
        with SalvagingReader(path) as reader:
            last = [round(each.observation.monotonic_time / 0.2) for each in reader.records(Selection(), latest=100)]
        assert last == list(range(10_000, 10_100)), seed
        moved += bool(aside(path))
    assert 10 < moved < 40


def test_without_leave_an_empty_file_beside_a_wal_is_refused_and_the_wal_kept(killed: Path) -> None:
    wal = wal_of(killed).read_bytes()
    os.truncate(killed, 0)
    with pytest.raises(JournalError, match="damaged; move it and its -wal file aside"):
        Journal(killed)
    assert wal_of(killed).read_bytes() == wal


def test_a_file_that_was_deleted_beside_its_wal_is_begun_anew(killed: Path) -> None:
    killed.unlink()
    with Journal(killed, set_aside=True) as journal:
        journal.add(observation(7))
    assert numbers(killed) == [7]


def test_an_empty_file_alone_becomes_a_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Journal(path, set_aside=True) as journal:
        journal.add(observation(7))
    assert numbers(path) == [7]
    assert aside(path) == []


@pytest.mark.parametrize("damage", [b"\xa5" * 32, bytes(32), b"\xa5" * 4])
def test_a_wal_with_a_damaged_beginning_is_set_aside_alone(killed: Path, damage: bytes) -> None:
    overwrite(wal_of(killed), 0, damage)
    before = wal_of(killed).read_bytes()
    with Journal(killed, set_aside=True) as journal:
        journal.add(observation(7))
    (kept,) = aside(killed)
    assert kept.name.startswith("journal.db-wal.corrupt-")
    assert kept.read_bytes() == before
    assert numbers(killed) == [*range(1000), 7]
    assert kept.name in events(killed)[0][1]


def test_damage_further_in_the_wal_costs_what_follows_it(killed: Path) -> None:
    size = wal_of(killed).stat().st_size
    overwrite(wal_of(killed), size // 2, b"\xa5" * 200)
    with Journal(killed, set_aside=True) as journal:
        journal.add(observation(9999))
    *before, after = numbers(killed)
    assert after == 9999
    assert before == list(range(len(before)))
    assert 1000 <= len(before) < 1100
    assert integrity(killed) == "ok"


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("make", [make_foreign, make_newer, make_folder])
def test_what_is_not_damaged_is_refused_and_never_moved(full: Path, make: Callable[[Path], None]) -> None:
    make(full)
    with pytest.raises(JournalError, match=r"another path|name a file"):
        Journal(full, set_aside=True)
    assert aside(full) == []


def test_damage_met_while_running(full: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal(full, set_aside=True, batch_seconds=1000) as journal:
        journal.add(observation(5000))
        journal.flush()
        # The root of the observations' tree, through a file system that does not ask SQLite; and no page in its memory.
        with closing(sqlite3.connect(full)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'observation'").fetchone()
        overwrite(full, (root - 1) * PAGE, b"\xa5" * PAGE)
        with closing(sqlite3.connect(full)) as connection, connection:
            connection.execute("PRAGMA user_version = 2")  # makes the journal's connection forget its pages
        journal.add(observation(5001))
        journal.add(observation(5002))
        journal.flush()
        assert journal.last_error is None
        assert journal.written == 3
        (kept,) = [each for each in aside(full) if not each.name.endswith(("-wal", "-shm"))]
        assert numbers(full) == [5001, 5002]
        assert [kind for kind, _ in events(full)] == ["fault"]
        journal.add(observation(5003))
    assert numbers(full) == [5001, 5002, 5003]
    assert b"/dev/video0" in kept.read_bytes()
    assert kept.name in caplog.text


def test_nothing_set_aside_before_is_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board whose clock begins at the same time after each boot."""
    monkeypatch.setattr("edge.journal_damage.time.strftime", lambda form: "19700101-000000")
    path.parent.mkdir()
    for number in range(4):
        path.write_text(f"not a journal {number} " * 100)
        with Journal(path, set_aside=True):
            pass
    assert [each.name for each in aside(path)] == [
        f"journal.db.corrupt-19700101-000000{ending}" for ending in ("", "-2", "-3", "-4")
    ]
    assert [each.read_text()[:15] for each in aside(path)] == [f"not a journal {number}" for number in range(4)]


def test_a_card_that_damages_everything_is_not_filled(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal(path, set_aside=True, batch_seconds=1000) as journal:
        for number in range(ASIDE_LIMIT + 2):
            journal.add(observation(number))
            journal._disconnect()
            path.write_text("not a journal " * 100)
            journal.flush()
        assert "damaged" in str(journal.last_error)
    assert len(aside(path)) == ASIDE_LIMIT


AS_NOBODY = """
    import urllib.parse  # while this user may still read Python's own folder
    from edge.errors import JournalError
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        Journal(path, set_aside=True)
    except JournalError as error:
        print(error)
"""


def test_a_folder_in_which_nothing_can_be_renamed(tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    path = tmp_path / "journal.db"
    path.write_text("not a journal " * 100)
    path.chmod(0o666)
    tmp_path.chmod(0o555)
    with start_child(AS_NOBODY, path) as child:
        output, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert output.startswith(f"{path}: cannot be opened: Permission denied; mend owner and mode of its folder")
    assert path.read_text().startswith("not a journal")


def test_a_check_that_takes_too_long_is_given_up(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal_damage.CHECK_SECONDS", -1.0)
    with Journal(full, set_aside=True) as journal:
        journal.add(observation(5000))
    assert numbers(full) == list(range(5001))


def test_a_large_journal_is_not_checked_as_a_whole(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal_damage.CHECKED_BYTES", 1000)
    in_middle(full)
    with Journal(full, set_aside=True):
        pass
    assert aside(full) == []


def test_nobody_asked_for_it(full: Path) -> None:
    in_header(full)
    with pytest.raises(JournalError, match="move it aside"):
        Journal(full)
    assert aside(full) == []
