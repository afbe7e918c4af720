"""Keeping the journal within its size and age: the oldest records go, in the order of recording."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.journal_clock import SessionClock
from edge.journal_schema import RECORD_TIME, pragma

_log = logging.getLogger(__name__)

WAL_LIMIT = 4 * 1024 * 1024
"""Bytes that the -wal file may take before it is written back; at most an eighth of the journal's size."""

BYTES_FOR_EACH_EVENT = 2000
"""Of the journal's size: so many events are kept that they take a small part of it, and never all."""

_AGE_CHECK_SECONDS = 600.0
_AGED_AT_ONCE = 20_000
_CONFIRMED_STEP_SECONDS = 3600.0
_FUTURE_SECONDS = 86_400.0
_READERS_SECONDS = 0.25
_WAL_SLACK = 1.5

# A record's time for ageing: a Pi without a clock boots in the past, so no record counts as older than its session's
# beginning, which is put right when the clock is.
_AGED_TIME = f"MAX({RECORD_TIME}, s.opened_wall)"


class Bounds:
    """What to delete before each commit.

    Parameters
    ----------
    path
        Of the journal, for what is told in the log.
    max_bytes
        Bytes that it may take on disk, its -wal file included.
    max_age
        Seconds after which records go.
    clock
        The session's.
    """

    def __init__(self, path: Path, *, max_bytes: int, max_age: float, clock: SessionClock) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._wal_limit = min(WAL_LIMIT, max_bytes // 8)
        self._max_age = max_age
        self._max_events = max_bytes // BYTES_FOR_EACH_EVENT
        self._clock = clock
        self._cap_pages = 0
        self._next_age_check = 0.0
        self._held_at = 0

    def set_up(self, connection: sqlite3.Connection) -> None:
        """Tell a connection its limits, and give space back where the size was set lower than the file is."""
        page_size = pragma(connection, "page_size")
        connection.execute(f"PRAGMA wal_autocheckpoint = {self._wal_limit // page_size}")
        connection.execute(f"PRAGMA journal_size_limit = {self._wal_limit}")
        self._cap_pages = (self._max_bytes - self._wal_limit) // page_size
        if pragma(connection, "page_count") <= self._cap_pages:
            return
        with transaction(connection):
            self._make_room(connection, 0)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            _log.warning("%s: larger than max_size_mb and cannot be shrunk now: %s", self._path, error)

    def apply(self, connection: sqlite3.Connection, rows: int) -> bool:
        """Within a transaction that will add `rows`: delete what is too old and what they need the room of.

        Returns
        -------
        bool
            Whether streams may have gone, so that their numbers are to be looked up again.
        """
        gone = time.monotonic() >= self._next_age_check and self._delete_aged(connection)
        return self._make_room(connection, rows) or gone

    def write_back(self, connection: sqlite3.Connection) -> None:
        """After a commit: empty a -wal file that has grown too large.

        SQLite writes it back by itself, but waits for nobody: while one reader follows another it would never begin
        anew, and grow without end. Here the readers of the moment are waited for, a short time.
        """
        wal = self._path.with_name(self._path.name + "-wal")
        try:
            size = wal.stat().st_size
            if size <= self._wal_limit * _WAL_SLACK:
                self._held_at = 0
            if size <= max(self._wal_limit * _WAL_SLACK, self._held_at):
                return
            before = pragma(connection, "busy_timeout")
            connection.execute(f"PRAGMA busy_timeout = {int(_READERS_SECONDS * 1000)}")
            try:
                (is_held, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {before}")
            # By a program that stays; each attempt keeps the caller waiting, so the next one is some way off.
            self._held_at = size + self._wal_limit if is_held else 0
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            # What was committed is committed; the next commit tells what is wrong.
            _log.debug("%s: the -wal file cannot be written back now: %s", self._path, error)

    def _delete_aged(self, connection: sqlite3.Connection) -> bool:
        """Delete from the oldest on, in the order of recording, what is older than `max_age`.

        It stops at the first record that is not. Records from the future, written while the clock was wrong, neither
        stop it nor are deleted before an aged one that was recorded after them: a clock set back costs nothing.
        """
        self._next_age_check = time.monotonic() + _AGE_CHECK_SECONDS
        if not self._is_clock_confirmed(connection):
            return False
        now = time.time()
        times = {"cutoff": now - self._max_age, "now": now + _FUTURE_SECONDS}
        (cut,) = connection.execute(_aged("event AS e", "e.id", "e.wall_time"), times).fetchone()
        if cut is not None:
            connection.execute("DELETE FROM event WHERE id <= ?", (cut,))
        joined = "observation AS o CROSS JOIN stream AS s ON s.id = o.stream"
        (cut,) = connection.execute(_aged(joined, "o.id", _AGED_TIME), times).fetchone()
        if cut is None:
            return False
        first, _ = extent(connection)
        if cut - first >= _AGED_AT_ONCE:  # keeps the pause short; the rest goes with the next commits
            cut = first + _AGED_AT_ONCE
            self._next_age_check = 0.0
        return _delete_through(connection, cut)

    def _is_clock_confirmed(self, connection: sqlite3.Connection) -> bool:
        (known,) = connection.execute("SELECT MAX(confirmed) FROM clock").fetchone()
        if not self._clock.is_confirmed(known):
            return False
        now = time.time()
        if known is None or abs(now - known) >= _CONFIRMED_STEP_SECONDS:  # not oftener, for the card's sake
            connection.execute("INSERT OR REPLACE INTO clock (id, confirmed) VALUES (1, ?)", (now,))
        return True

    def _make_room(self, connection: sqlite3.Connection, rows: int) -> bool:
        """Delete the oldest records until `rows` more fit; SQLite reuses their pages, so the file does not grow."""
        (newest,) = connection.execute("SELECT MAX(id) FROM event").fetchone()
        if newest is not None:
            connection.execute("DELETE FROM event WHERE id <= ?", (newest - self._max_events,))
        gone = False
        needed = rows // 16 + 8  # pages of 4096 bytes: a row takes 75 to 150 bytes, 8 are for the trees above them
        while self._cap_pages - pragma(connection, "page_count") + pragma(connection, "freelist_count") < needed:
            first, last = extent(connection)
            if last < first:
                break
            gone = _delete_through(connection, first + (last - first) // 64) or gone
        return gone


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits what is done within, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")
        raise


def extent(connection: sqlite3.Connection) -> tuple[int, int]:
    """First and last id of the observations, or (1, 0) when there is none."""
    # Two selects: with both aggregates in one SQLite scans the whole table.
    first, last = connection.execute(
        "SELECT (SELECT MIN(id) FROM observation), (SELECT MAX(id) FROM observation)"
    ).fetchone()
    return (1, 0) if first is None else (first, last)


def _aged(table: str, identity: str, moment: str) -> str:
    """The query for the last id that is older than :cutoff and stands before the first between :cutoff and :now."""
    return (
        f"SELECT MAX({identity}) FROM {table} WHERE {moment} < :cutoff AND {identity} < COALESCE((SELECT {identity}"
        f" FROM {table} WHERE {moment} BETWEEN :cutoff AND :now ORDER BY {identity} LIMIT 1), 9223372036854775807)"
    )


def _delete_through(connection: sqlite3.Connection, last: int) -> bool:
    """Delete the observations up to this id, and the streams that end with them; whether any stream went."""
    connection.execute("DELETE FROM observation WHERE id <= ?", (last,))
    # Streams follow their last record. Asking only for those begun before the oldest record's seldom needs a scan.
    orphan = connection.execute(
        "SELECT 1 FROM stream AS s WHERE NOT EXISTS (SELECT 1 FROM observation WHERE stream = s.id)"
        " AND s.id < COALESCE((SELECT stream FROM observation ORDER BY id LIMIT 1), 9223372036854775807) LIMIT 1"
    )
    if not orphan.fetchone():
        return False
    connection.execute("DELETE FROM stream WHERE id NOT IN (SELECT stream FROM observation)")
    return True
