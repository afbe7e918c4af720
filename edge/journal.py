"""Writing the journal: observations go into an SQLite file on the device, in batches, within bounds.

What can be lost: a killed process (`kill -9`, out of memory) loses the batch in its memory, the observations of the
last `batch_seconds`. A power cut also loses what the kernel had not yet written to the card, usually the last half
minute: commits are not forced to the disk one by one (`synchronous=NORMAL`), which would wear an SD card out. The file
stays whole in both cases.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from edge.errors import JournalError
from edge.journal_bounds import Bounds, transaction
from edge.journal_damage import connect_whole, set_aside, set_wal_aside
from edge.journal_file import DamagedJournalError, connect, default_journal_path, explain, is_damage
from edge.journal_rows import EventRow, Row, StreamKey, encode, encode_event
from edge.journal_session import Session
from edge.observation import Observation

__all__ = ["Journal", "default_journal_path"]

_log = logging.getLogger(__name__)

BATCH_LIMIT = 500
"""Observations that are committed at once even before `batch_seconds` have passed."""

PENDING_LIMIT = 10_000
"""Observations kept in memory while the disk refuses them (some 5 MB); beyond it the oldest are dropped."""

ASIDE_LIMIT = 3
"""Journals that one run sets aside: a card on which that is not enough is at its end, and is not to be filled."""

EVENTS_LIMIT = 1000
"""Events kept in memory while the disk refuses them; beyond it the oldest are dropped."""

_FLUSH_TIMEOUT = 1.0


class Journal:
    """A sink for observations and for what the program did: a `with` block around the loop that makes them.

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
        Days after which records are deleted, checked every ten minutes by the system's clock, where that is confirmed
        (see `edge.journal_clock`).
    set_aside
        For a service that nobody looks after: check the file as a whole now, and begin a new one in place of a damaged
        one, now or whenever it is met; see `edge.journal_damage`. That is told in the log and as an event.

    Raises
    ------
    JournalError
        The file cannot be opened for writing, with the reason and the mend.
    ValueError
        A parameter is out of range.
    """

    def __init__(
        self,
        path: Path,
        *,
        batch_seconds: float = 5.0,
        max_size_mb: float = 64.0,
        max_age_days: float = 30.0,
        set_aside: bool = False,
    ) -> None:
        if not batch_seconds >= 0 or not max_size_mb >= 1 or not max_age_days > 0:
            raise ValueError("batch_seconds is at least 0, max_size_mb at least 1, max_age_days more than 0")
        self.path = path
        self.written = 0
        """Observations committed by this object."""
        self.dropped = 0
        """Observations and events lost because the disk refused them for too long."""
        self.last_error: str | None = None
        """Why the last commit failed, or None when it went well."""
        self._batch_seconds = batch_seconds
        self._session = Session()
        self._bounds = Bounds(
            path, max_bytes=int(max_size_mb * 1_000_000), max_age=max_age_days * 86_400, clock=self._session.clock
        )
        self._lock = threading.RLock()
        self._pending: deque[tuple[StreamKey, Row]] = deque(maxlen=PENDING_LIMIT)
        self._events: deque[EventRow] = deque(maxlen=EVENTS_LIMIT)
        self._batch_began = 0.0
        self._inode = (0, 0)
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._may_set_aside = ASIDE_LIMIT if set_aside else 0
        if set_aside:
            self._open_whole()
        else:
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
            if not self._pending and not self._events:
                self._batch_began = time.monotonic()
            if len(self._pending) == self._pending.maxlen:
                self.dropped += 1  # appending to a full deque drops its oldest
            self._pending.append(encoded)
            self.flush_if_due()

    def event(self, kind: str, detail: str = "") -> None:
        """Take down what the program did, and commit it at once with what else is waiting: events are rare.

        Never fails for the disk's sake: while the disk refuses, events are kept for the next attempt as observations
        are. Its time is that of the call.

        Parameters
        ----------
        kind
            One word in lower case: start, stop, pause, resume, restart, backoff, slower, faster, reload, fault. The
            journal itself writes `clock` when the system's clock was set.
        detail
            One line for the user; cut after 500 characters.

        Raises
        ------
        JournalError
            The journal was closed.
        ValueError
            The kind is no such word.
        """
        row = encode_event(time.monotonic(), kind, detail)
        with self._lock:
            if self._closed:
                raise JournalError(f"{self.path}: the journal was closed")
            if not self._pending and not self._events:
                self._batch_began = time.monotonic()
            if len(self._events) == self._events.maxlen:
                self.dropped += 1
            self._events.append(row)
            if self.last_error is None:
                self.flush()
            else:
                self.flush_if_due()

    def flush_if_due(self) -> None:
        """Commit when `batch_seconds` have passed; call it in a loop that may go long without an observation."""
        with self._lock:
            full = len(self._pending) >= BATCH_LIMIT and self.last_error is None
            waiting = bool(self._pending or self._events)
            if full or (waiting and time.monotonic() - self._batch_began >= self._batch_seconds):
                self.flush()

    def flush(self) -> None:
        """Commit what was added.

        When the disk refuses, the reason is logged once and kept in `last_error`, and the observations are kept for the
        next attempt, `batch_seconds` later.
        """
        with self._lock:
            if self._closed or not (self._pending or self._events):
                return
            try:
                self._write_beyond_damage()
            except (sqlite3.Error, OSError, UnicodeDecodeError, JournalError) as error:
                mended = error if isinstance(error, JournalError) else explain(self.path, error)
                if self.last_error is None:
                    _log.error("%s; observations are kept in memory and tried again", mended)
                self.last_error = str(mended)
                self._batch_began = time.monotonic()
                return
            if self.last_error is not None:
                _log.warning("%s: writing again; %d records were dropped so far", self.path, self.dropped)
                self.last_error = None
            self.written += len(self._pending)
            self._pending.clear()
            self._events.clear()
            if self._connection is not None:
                self._bounds.write_back(self._connection)

    def close(self) -> None:
        """Commit what was added and close the file; records that the disk still refuses count as dropped."""
        with self._lock:
            if self._closed:
                return
            self.flush()
            self._closed = True
            if lost := len(self._pending) + len(self._events):
                self.dropped += lost
                _log.error("%s: closed with %d records not written", self.path, lost)
                self._pending.clear()
                self._events.clear()
            self._disconnect()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_whole(self) -> None:
        """Open it after a check of all of it, or a new one in its place."""
        try:
            if moved := set_wal_aside(self.path):
                self._tell(f"the journal's -wal file was damaged and set aside as {moved.name}: its records are lost")
            try:
                self._open(connect_whole(self.path))
            except DamagedJournalError as error:
                self._begin_anew(error)
                self._open()
        except OSError as error:
            raise explain(self.path, error) from None
        self.flush()

    def _write_beyond_damage(self) -> None:
        """Commit; where the file turns out to be damaged, into a new one."""
        while True:
            try:
                return self._write()
            except (sqlite3.DatabaseError, UnicodeDecodeError, DamagedJournalError) as error:
                if not is_damage(error) or not self._may_set_aside:
                    raise
                self._begin_anew(error)

    def _begin_anew(self, error: Exception) -> None:
        """Set the file aside; the next opening begins a new one."""
        self._may_set_aside -= 1
        self._disconnect()
        _log.error("%s", error)
        moved = set_aside(self.path)
        self._tell(
            f"the journal was damaged and set aside as {moved.name}, a new one begun; what can still be read of it: "
            f"affect-edge log --journal {moved}"
        )

    def _tell(self, detail: str) -> None:
        _log.error("%s: %s", self.path, detail)
        self._events.append(encode_event(time.monotonic(), "fault", detail))

    def _open(self, connection: sqlite3.Connection | None = None) -> sqlite3.Connection:
        connection = connection or connect(self.path, "create")
        try:
            connection.execute("BEGIN IMMEDIATE")  # tells now whether the file can be written
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST")  # zeroes what it deletes where that costs no write
            self._bounds.set_up(connection)
            connection.execute(f"PRAGMA busy_timeout = {int(_FLUSH_TIMEOUT * 1000)}")
            status = self.path.stat()
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            connection.close()
            raise explain(self.path, error) from None
        except BaseException:
            connection.close()
            raise
        self._inode = (status.st_dev, status.st_ino)
        self._session.forget()
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
            with transaction(connection):
                self._session.begin(connection)
                if self._bounds.apply(connection, len(self._pending) + len(self._events)):
                    self._session.forget()
                self._session.insert(connection, self._pending, self._events)
        except BaseException:
            self._session.forget()  # streams added in this transaction are gone
            raise
        self._session.committed()
