"""Journals of an earlier form become journals of this one, wholly or not at all, and lose nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from edge.journal_schema import APPLICATION_ID, SCHEMA_VERSION, migrate
from edge.journal_upkeep import erase
from tests.edge.journal_helpers import integrity, numbers, observation, read

FIRST_FORM = """
CREATE TABLE stream (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, boot_id TEXT NOT NULL, opened_wall REAL NOT NULL,
    opened_monotonic REAL NOT NULL, modality TEXT NOT NULL, source TEXT NOT NULL, labels TEXT NOT NULL,
    UNIQUE (session, modality, source, labels)
);
CREATE TABLE observation (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream (id), wall_time REAL NOT NULL,
    monotonic_time REAL NOT NULL, label TEXT NOT NULL, confidence REAL NOT NULL, track INTEGER, x INTEGER, y INTEGER,
    width INTEGER, height INTEGER, changed INTEGER NOT NULL, probabilities BLOB NOT NULL
);
INSERT INTO stream VALUES (1, 'aaaa', 'boot', 1.7e9, 50.0, 'face', '/dev/video0', '["happy","sad"]');
INSERT INTO stream VALUES (2, 'aaaa', 'boot', 1.7e9, 50.0, 'speech', 'mic', '["calm"]');
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def make_first(path: Path, rows: int = 3) -> None:
    """A journal as version 1 wrote it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(FIRST_FORM)
        connection.executemany(
            "INSERT INTO observation VALUES (?, ?, ?, ?, ?, 0.75, 1, 2, 3, 4, 5, 1, ?)",
            [
                (
                    n + 1,
                    *(
                        (2, 1.7e9 + n, n * 0.2, "calm", b"\xff\xff")
                        if n % 3 == 2
                        else (1, 1.7e9 + n, n * 0.2, "happy", b"\xff\xbf\x00\x40")
                    ),
                )
                for n in range(rows)
            ],
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"PRAGMA table_info({table})").fetchall() for table in sorted(tables)}


def test_a_writer_brings_the_first_form_to_this_one(path: Path) -> None:
    make_first(path)
    before = read(path)
    with Journal(path) as journal:
        journal.event("start", "1.0")
        journal.add(observation(3))
    assert version(path) == SCHEMA_VERSION
    after = read(path)
    assert after[:3] == before
    assert [record.id for record in after] == [1, 2, 3, 4]
    assert [record.session for record in after][:3] == ["aaaa"] * 3
    with JournalReader(path) as reader:
        assert [(event.kind, event.detail) for event in reader.events()] == [("start", "1.0")]
        assert reader.labels()[:3] == ["happy", "sad", "calm"]
    assert integrity(path) == "ok"


def test_a_migrated_journal_has_the_tables_of_a_new_one(path: Path, tmp_path: Path) -> None:
    make_first(path)
    with Journal(path), Journal(tmp_path / "new.db"):
        pass
    assert columns(path) == columns(tmp_path / "new.db")


def test_a_reader_leaves_the_first_form_as_it_is(path: Path) -> None:
    make_first(path)
    with JournalReader(path) as reader:
        assert len(list(reader.records(Selection(since=1.7e9 + 1)))) == 2
        assert sum(share.observations for share in reader.summary(Selection())) == 3
        assert reader.events() == []
    assert version(path) == 1


def test_erasing_from_the_first_form(path: Path) -> None:
    make_first(path)
    assert erase(path, until=1.7e9 + 1) == 1
    assert (version(path), numbers(path)) == (SCHEMA_VERSION, [1, 2])


def test_a_program_of_the_first_form_may_go_on_writing(path: Path) -> None:
    """An upgrade beside a service that still runs: its statements, as version 1 has them."""
    make_first(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("SELECT * FROM stream").fetchall()
        with Journal(path) as journal:
            journal.add(observation(3))
        old.execute(
            "INSERT INTO stream (session, boot_id, opened_wall, opened_monotonic, modality, source, labels)"
            " VALUES ('bbbb', 'boot', 1.7e9, 50.0, 'face', 'x', '[\"happy\"]')"
        )
        (stream,) = old.execute("SELECT MAX(id) FROM stream").fetchone()
        old.execute(
            "INSERT INTO observation (stream, wall_time, monotonic_time, label, confidence, track, x, y, width, height,"
            " changed, probabilities) VALUES (?, 1.7e9, 0.8, 'happy', 1, 1, 1, 1, 1, 1, 0, x'ffff')",
            (stream,),
        )
    assert numbers(path) == [0, 1, 2, 3, 4]


def test_a_migration_that_fails_leaves_the_first_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_first(path)
    steps = ((), ("CREATE TABLE event (id INTEGER)", "CREATE TABLE stream (id INTEGER)"))
    with monkeypatch.context() as patch:
        patch.setattr("edge.journal_schema._STEPS", steps)
        with pytest.raises(JournalError, match="table stream already exists"):
            Journal(path)
    assert version(path) == 1
    assert sorted(columns(path)) == ["observation", "stream"]
    with Journal(path) as journal:
        journal.add(observation(3))
    assert numbers(path) == [0, 1, 2, 3]


def test_two_that_migrate_at_once_do_it_once(path: Path) -> None:
    make_first(path)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as one,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        migrate(one)
        migrate(other)
    assert version(path) == SCHEMA_VERSION
    assert numbers(path) == [0, 1, 2]
