"""Writing the journal: observations go into an SQLite file on the device, in batches, within bounds.

What can be lost: a killed process (`kill -9`, out of memory) loses the batch in its memory, the observations of the
last `batch_seconds`. A power cut also loses what the kernel had not yet written to the card, usually the last half
minute: commits are not forced to the disk one by one (`synchronous=NORMAL`), which would wear an SD card out. The file
stays whole in both cases.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from edge.errors import JournalError
from edge.journal_file import Row, StreamKey, connect, default_journal_path, encode, explain, pragma
from edge.observation import Observation

__all__ = ["Journal", "default_journal_path"]

_log = logging.getLogger(__name__)

BATCH_LIMIT = 500
"""Observations that are committed at once even before `batch_seconds` have passed."""

PENDING_LIMIT = 10_000
"""Observations kept in memory while the disk refuses them (some 5 MB); beyond it the oldest are dropped."""

WAL_LIMIT = 4 * 1024 * 1024
"""Bytes that the -wal file may take before it is written back; at most an eighth of the journal's size."""

_AGE_CHECK_SECONDS = 600.0
_AGED_AT_ONCE = 20_000
_CLOCK_STEP_SECONDS = 1.0
_FLUSH_TIMEOUT = 1.0
_FUTURE_SECONDS = 86_400.0

_INSERT = (
    "INSERT INTO observation (stream, wall_time, monotonic_time, label, confidence, track, x, y, width, height,"
    " changed, probabilities) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

# A record's time for ageing. A Pi without a clock boots in the past, so no record counts as older than its session's
# beginning, which is put right when the clock is.
_AGED_TIME = "MAX(o.wall_time, s.opened_wall)"


class Journal:
    """A sink for observations: a `with` block around the loop that makes them.

    Safe to call from several threads. Other processes may read the file meanwhile, and erase from it.

    Parameters
    ----------
    path
        The file; it and its folder are made where absent, for their owner alone (modes 0600 and 0700).
    batch_seconds
        Seconds after which what was added is committed.
    max_size_mb
        Megabytes (10**6 bytes) that the journal may take on disk, its -wal file included. Under load it exceeds them
        by at most one batch (about 0.1 MB). The oldest records make room for new ones. A program other than
        affect-edge that keeps a read transaction open holds the -wal file back from shrinking.
    max_age_days
        Days after which records are deleted, by the system's clock; checked every ten minutes.

    Raises
    ------
    JournalError
        The file cannot be opened for writing, with the reason and the mend.
    ValueError
        A parameter is out of range.
    """

    def __init__(
        self, path: Path, *, batch_seconds: float = 5.0, max_size_mb: float = 64.0, max_age_days: float = 30.0
    ) -> None:
        if not batch_seconds >= 0 or not max_size_mb >= 1 or not max_age_days > 0:
            raise ValueError("batch_seconds is at least 0, max_size_mb at least 1, max_age_days more than 0")
        self.path = path
        self.written = 0
        """Observations committed by this object."""
        self.dropped = 0
        """Observations lost because the disk refused them for too long."""
        self.last_error: str | None = None
        """Why the last commit failed, or None when it went well."""
        self._batch_seconds = batch_seconds
        self._max_bytes = int(max_size_mb * 1_000_000)
        self._wal_limit = min(WAL_LIMIT, self._max_bytes // 8)
        self._max_age = max_age_days * 86_400
        self._session = secrets.token_hex(6)
        self._boot_id = _boot_id()
        self._opened_monotonic = time.monotonic()
        self._opened_wall = time.time()
        self._lock = threading.RLock()
        self._pending: deque[tuple[StreamKey, Row]] = deque(maxlen=PENDING_LIMIT)
        self._batch_began = 0.0
        self._next_age_check = 0.0
        self._streams: dict[StreamKey, int] = {}
        self._data_version = -1
        self._inode = (0, 0)
        self._cap_pages = 0
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._open()

    def add(self, observation: Observation) -> None:
        """Take one observation; commits when the batch is due, and never fails for the disk's sake.

        Raises
        ------
        JournalError
            The journal was closed.
        ValueError
            A time or a probability is not a finite number.
        """
        encoded = encode(observation)
        with self._lock:
            if self._closed:
                raise JournalError(f"{self.path}: the journal was closed")
            if not self._pending:
                self._batch_began = time.monotonic()
            if len(self._pending) == self._pending.maxlen:
                self.dropped += 1  # appending to a full deque drops its oldest
            self._pending.append(encoded)
            self.flush_if_due()

    def flush_if_due(self) -> None:
        """Commit when `batch_seconds` have passed; call it in a loop that may go long without an observation."""
        with self._lock:
            full = len(self._pending) >= BATCH_LIMIT and self.last_error is None
            if full or (self._pending and time.monotonic() - self._batch_began >= self._batch_seconds):
                self.flush()

    def flush(self) -> None:
        """Commit what was added.

        When the disk refuses, the reason is logged once and kept in `last_error`, and the observations are kept for the
        next attempt, `batch_seconds` later.
        """
        with self._lock:
            if not self._pending or self._closed:
                return
            try:
                self._write()
            except (sqlite3.Error, OSError, JournalError) as error:
                mended = error if isinstance(error, JournalError) else explain(self.path, error)
                if self.last_error is None:
                    _log.error("%s; observations are kept in memory and tried again", mended)
                self.last_error = str(mended)
                self._batch_began = time.monotonic()
                return
            if self.last_error is not None:
                _log.warning("%s: writing again; %d observations were dropped so far", self.path, self.dropped)
                self.last_error = None
            self.written += len(self._pending)
            self._pending.clear()

    def close(self) -> None:
        """Commit what was added and close the file; observations that the disk still refuses count as dropped."""
        with self._lock:
            if self._closed:
                return
            self.flush()
            self._closed = True
            if self._pending:
                self.dropped += len(self._pending)
                _log.error("%s: closed with %d observations not written", self.path, len(self._pending))
                self._pending.clear()
            self._disconnect()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, "create")
        try:
            connection.execute("BEGIN IMMEDIATE")  # tells now whether the file can be written
            connection.execute("ROLLBACK")
            page_size = pragma(connection, "page_size")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST")  # zeroes what it deletes where that costs no write
            connection.execute(f"PRAGMA wal_autocheckpoint = {self._wal_limit // page_size}")
            connection.execute(f"PRAGMA journal_size_limit = {self._wal_limit}")
            self._cap_pages = (self._max_bytes - self._wal_limit) // page_size
            self._shrink(connection)
            connection.execute(f"PRAGMA busy_timeout = {int(_FLUSH_TIMEOUT * 1000)}")
            status = self.path.stat()
        except (sqlite3.Error, OSError) as error:
            connection.close()
            raise explain(self.path, error) from None
        except BaseException:
            connection.close()
            raise
        self._inode = (status.st_dev, status.st_ino)
        self._streams.clear()
        self._data_version = -1
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _removed(self) -> bool:
        """Whether somebody deleted or replaced the file; SQLite would go on writing to what nobody can see."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != self._inode

    def _write(self) -> None:
        if self._connection is not None and self._removed():
            _log.warning("%s: the journal was removed or replaced; opening it anew", self.path)
            self._disconnect()
        connection = self._connection or self._open()
        try:
            with _transaction(connection):
                version = pragma(connection, "data_version")
                if version != self._data_version:  # another process changed the file: an erasure may have taken streams
                    self._streams.clear()
                    self._data_version = version
                self._follow_clock(connection)
                if time.monotonic() >= self._next_age_check:
                    self._delete_aged(connection)
                self._make_room(connection, len(self._pending))
                connection.executemany(
                    _INSERT, ((self._stream_id(connection, key), *row) for key, row in self._pending)
                )
        except BaseException:
            self._streams.clear()  # those added in this transaction are gone
            raise

    def _stream_id(self, connection: sqlite3.Connection, key: StreamKey) -> int:
        if key not in self._streams:
            found = connection.execute(
                "SELECT id FROM stream WHERE session = ? AND modality = ? AND source = ? AND labels = ?",
                (self._session, *key),
            ).fetchone()
            if found is None:
                cursor = connection.execute(
                    "INSERT INTO stream (session, boot_id, opened_wall, opened_monotonic, modality, source, labels)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (self._session, self._boot_id, self._opened_wall, self._opened_monotonic, *key),
                )
                found = (cursor.lastrowid,)
            self._streams[key] = found[0]
        return self._streams[key]

    def _follow_clock(self, connection: sqlite3.Connection) -> None:
        """Put the session's beginning right when the system's clock was set."""
        opened = time.time() - (time.monotonic() - self._opened_monotonic)
        if abs(opened - self._opened_wall) > _CLOCK_STEP_SECONDS:
            self._opened_wall = opened
            connection.execute("UPDATE stream SET opened_wall = ? WHERE session = ?", (opened, self._session))

    def _delete_aged(self, connection: sqlite3.Connection) -> None:
        """Delete from the oldest on, in the order of recording, what is older than `max_age_days`.

        It stops at the first record that is not. Records from the future, written while the clock was wrong, neither
        stop it nor are deleted before an aged one that was recorded after them: a clock set back costs nothing.
        """
        now = time.time()
        times = {"cutoff": now - self._max_age, "now": now + _FUTURE_SECONDS}
        joined = "FROM observation AS o CROSS JOIN stream AS s ON s.id = o.stream"
        (cut,) = connection.execute(
            f"SELECT MAX(o.id) {joined} WHERE {_AGED_TIME} < :cutoff AND o.id < COALESCE((SELECT o.id {joined}"
            f" WHERE {_AGED_TIME} BETWEEN :cutoff AND :now ORDER BY o.id LIMIT 1), 9223372036854775807)",
            times,
        ).fetchone()
        self._next_age_check = time.monotonic() + _AGE_CHECK_SECONDS
        if cut is not None:
            first, _ = _extent(connection)
            if cut - first >= _AGED_AT_ONCE:  # keeps the pause short; the rest goes with the next commits
                cut = first + _AGED_AT_ONCE
                self._next_age_check = 0.0
            self._delete_through(connection, cut)

    def _make_room(self, connection: sqlite3.Connection, rows: int) -> None:
        """Delete the oldest records until `rows` more fit; SQLite reuses their pages, so the file does not grow."""
        needed = rows // 16 + 8  # pages of 4096 bytes: a row takes 75 to 150 bytes, 8 are for the trees above them
        while self._cap_pages - pragma(connection, "page_count") + pragma(connection, "freelist_count") < needed:
            first, last = _extent(connection)
            if last < first:
                return
            self._delete_through(connection, first + (last - first) // 64)

    def _delete_through(self, connection: sqlite3.Connection, last: int) -> None:
        connection.execute("DELETE FROM observation WHERE id <= ?", (last,))
        # Streams follow their last record. Asking only for those begun before the oldest record's seldom needs a scan.
        orphan = connection.execute(
            "SELECT 1 FROM stream AS s WHERE NOT EXISTS (SELECT 1 FROM observation WHERE stream = s.id)"
            " AND s.id < COALESCE((SELECT stream FROM observation ORDER BY id LIMIT 1), 9223372036854775807) LIMIT 1"
        )
        if orphan.fetchone():
            connection.execute("DELETE FROM stream WHERE id NOT IN (SELECT stream FROM observation)")
            self._streams.clear()

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Give space back after the size was set lower than the file is."""
        if pragma(connection, "page_count") <= self._cap_pages:
            return
        with _transaction(connection):
            self._make_room(connection, 0)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            _log.warning("%s: larger than max_size_mb and cannot be shrunk now: %s", self.path, error)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")
        raise


def _extent(connection: sqlite3.Connection) -> tuple[int, int]:
    """First and last id, or (1, 0) when there is none."""
    # Two selects: with both aggregates in one SQLite scans the whole table.
    first, last = connection.execute(
        "SELECT (SELECT MIN(id) FROM observation), (SELECT MAX(id) FROM observation)"
    ).fetchone()
    return (1, 0) if first is None else (first, last)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"
