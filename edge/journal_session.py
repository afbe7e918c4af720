"""One run of the program as the journal knows it: what its observations and events are written with."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from edge.journal_clock import SessionClock
from edge.journal_rows import EventRow, Row, StreamKey
from edge.journal_schema import pragma

_INSERT = (
    "INSERT INTO observation (stream, wall_time, monotonic_time, label, confidence, track, x, y, width, height,"
    " changed, probabilities) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_STREAM = (
    "INSERT INTO stream (session, boot_id, opened_wall, opened_monotonic, clock_set, modality, source, labels)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_EVENT = (
    "INSERT INTO event (session, boot_id, wall_time, monotonic_time, kind, detail) VALUES (?, ?, ?, ?, ?, ?)"
)


class Session:
    """Writes within transactions that the journal begins and ends."""

    def __init__(self) -> None:
        self.clock = SessionClock()
        self._name = secrets.token_hex(6)
        self._boot_id = _boot_id()
        self._streams: dict[StreamKey, int] = {}
        self._data_version = -1
        self._told_wall = self.clock.opened_wall  # what the file knows of the session's beginning

    def forget(self) -> None:
        """The streams' numbers are to be looked up again: a transaction failed, or streams were deleted."""
        self._streams.clear()
        self._data_version = -1

    def begin(self, connection: sqlite3.Connection) -> None:
        """First thing in a transaction: notice what other processes did to the file, and a system clock that was set.

        Then the times of the session's events and its beginning are put right; its observations stay as they were told.
        """
        version = pragma(connection, "data_version")
        if version != self._data_version:  # another process changed the file: an erasure may have taken streams
            self._streams.clear()
            self._data_version = version
        self.clock.follow()
        step = self.clock.opened_wall - self._told_wall
        if not step:
            return
        connection.execute(
            "UPDATE stream SET opened_wall = ?, clock_set = 1 WHERE session = ?", (self.clock.opened_wall, self._name)
        )
        connection.execute("UPDATE event SET wall_time = wall_time + ? WHERE session = ?", (step, self._name))
        detail = f"the system's clock was set {'forward' if step > 0 else 'back'} by {abs(step):.1f} s"
        self._insert_event(connection, time.monotonic(), "clock", detail)

    def insert(
        self, connection: sqlite3.Connection, observations: Iterable[tuple[StreamKey, Row]], events: Iterable[EventRow]
    ) -> None:
        """Write rows, each kind in its order."""
        connection.executemany(_INSERT, ((self._stream_id(connection, key), *row) for key, row in observations))
        for event in events:
            self._insert_event(connection, *event)

    def committed(self) -> None:
        """The transaction ended well."""
        self._told_wall = self.clock.opened_wall

    def _stream_id(self, connection: sqlite3.Connection, key: StreamKey) -> int:
        if key not in self._streams:
            found = connection.execute(
                "SELECT id FROM stream WHERE session = ? AND modality = ? AND source = ? AND labels = ?",
                (self._name, *key),
            ).fetchone()
            if found is None:
                clock = self.clock
                opening = (clock.opened_wall, clock.opened_monotonic, clock.was_set)
                found = (connection.execute(_INSERT_STREAM, (self._name, self._boot_id, *opening, *key)).lastrowid,)
            self._streams[key] = found[0]
        return self._streams[key]

    def _insert_event(self, connection: sqlite3.Connection, monotonic: float, kind: str, detail: str) -> None:
        wall = self.clock.wall_at(monotonic)
        connection.execute(_INSERT_EVENT, (self._name, self._boot_id, wall, monotonic, kind, detail))


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"
