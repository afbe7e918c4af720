"""The tables of the journal, and the way from an earlier form of them to this one.

``stream``       one row for each source of each session: a run of the program. Session and boot id keep the records of
                 different runs and boots apart, whatever the clock said at the time.
``observation``  one row for each observation, in the order of recording (`id`), about 75 bytes. Probabilities are
                 unsigned 16-bit little-endian numbers in the order of the stream's labels; 65535 stands for 1, so they
                 are kept to within 0.00001.
``event``        what the program did, in the order in which it did it: started, paused, restarted a loop.
``clock``        one row: until when the system's clock is known to have been right; see `edge.journal_clock`.

There is no index on the time: a scan of a full journal takes about a second, and an index would cost an SD card one
page more with each commit.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x41664564
"""'AfEd', in the file's header: tells a journal from the SQLite files of other programs."""

SCHEMA_VERSION = 2
"""In the header as user_version."""

RECORD_TIME = (
    "CASE WHEN NOT s.clock_set THEN o.wall_time WHEN o.monotonic_time >= s.opened_monotonic"
    " THEN s.opened_wall + o.monotonic_time - s.opened_monotonic ELSE MAX(o.wall_time, s.opened_wall) END"
)
"""When an observation `o` of a stream `s` was made, by the latest clock of its session: SQL. Where the system's clock
was set meanwhile, the steady clock tells how long after the session's beginning it was; that of a file is its own."""

_FIRST = (
    """\
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,           -- one run of the program, random
    boot_id TEXT NOT NULL,           -- the kernel's
    opened_wall REAL NOT NULL,       -- when the session began: seconds since 1970 UTC, by the session's latest clock
    opened_monotonic REAL NOT NULL,  -- the same moment in seconds of the boot's steady clock
    modality TEXT NOT NULL,
    source TEXT NOT NULL,
    labels TEXT NOT NULL,            -- JSON array: the order of the probabilities
    UNIQUE (session, modality, source, labels)
)""",
    """\
CREATE TABLE observation (
    id INTEGER PRIMARY KEY,          -- order of recording
    stream INTEGER NOT NULL REFERENCES stream (id),
    wall_time REAL NOT NULL,         -- seconds since 1970, UTC
    monotonic_time REAL NOT NULL,    -- seconds of the source's steady clock
    label TEXT NOT NULL,
    confidence REAL NOT NULL,
    track INTEGER,
    x INTEGER, y INTEGER, width INTEGER, height INTEGER,  -- face box in pixels
    changed INTEGER NOT NULL,        -- 1: the label differs from the track's previous one
    probabilities BLOB NOT NULL      -- uint16 little-endian, 65535 is 1, in the order of stream.labels
)""",
)

_SECOND = (
    # 1: the system's clock was set while the session ran, so that wall times before it are to be put right
    "ALTER TABLE stream ADD COLUMN clock_set INTEGER NOT NULL DEFAULT 0",
    """\
CREATE TABLE event (
    id INTEGER PRIMARY KEY,          -- order of recording
    session TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    wall_time REAL NOT NULL,         -- seconds since 1970 UTC, by the session's latest clock
    monotonic_time REAL NOT NULL,    -- seconds of the boot's steady clock
    kind TEXT NOT NULL,              -- one word: start, stop, pause, fault ...
    detail TEXT NOT NULL             -- one line, maybe empty
)""",
    """\
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    confirmed REAL NOT NULL          -- seconds since 1970 UTC
)""",
)

_STEPS = (_FIRST, _SECOND)
"""What leads from the version of that number to the next, beginning with the empty file."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an empty file, or a journal of an earlier version, to `SCHEMA_VERSION`: wholly or not at all.

    A program of version 1 that still writes is not disturbed: what was added has default values.

    Raises
    ------
    sqlite3.Error
        The file cannot be written, or is damaged.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked within the transaction: another process may have been faster.
        for statements in _STEPS[pragma(connection, "user_version") :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself after some errors
            connection.execute("ROLLBACK")
        raise


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a pragma that is a number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
