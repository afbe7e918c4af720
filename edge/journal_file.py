"""The journal's file: what is in it, where it lies, and how it is opened.

It is an SQLite file in WAL mode, so any SQLite tool reads it. Two tables:

``stream``       one row for each source of each session: a run of the program. Session and boot id keep the records of
                 different runs and boots apart, whatever the clock said at the time.
``observation``  one row for each observation, in the order of recording (`id`), about 75 bytes. Probabilities are
                 unsigned 16-bit little-endian numbers in the order of the stream's labels; 65535 stands for 1, so they
                 are kept to within 0.00001.

There is no index on the time: a scan of a full journal takes about a second, and an index would cost an SD card one
page more with each commit.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sqlite3
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from edge.errors import JournalError
from edge.observation import Box, Modality, Observation

APPLICATION_ID = 0x41664564
"""'AfEd', in the file's header: tells a journal from the SQLite files of other programs."""

SCHEMA_VERSION = 1
"""In the header as user_version."""

_SCHEMA = (
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


StreamKey = tuple[str, str, str]
"""Modality, source, and labels as JSON."""

Row = tuple[object, ...]
"""The columns of `observation` from wall_time on."""


def default_journal_path() -> Path:
    """Where the journal lies when nobody says otherwise.

    `$STATE_DIRECTORY` (set by systemd; the first where it names several), else `$XDG_STATE_HOME/affect-edge`, else
    `~/.local/state/affect-edge`; the file is `journal.db`.

    Raises
    ------
    JournalError
        None of them is set and the user has no home folder.
    """
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if state:
        return Path(state) / "journal.db"
    xdg = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not xdg.is_absolute():  # the XDG specification has relative paths ignored
        try:
            xdg = Path.home() / ".local" / "state"
        except RuntimeError:
            raise JournalError("this user has no home folder to keep a journal in; name its path") from None
    return xdg / "affect-edge" / "journal.db"


def explain(path: Path, error: sqlite3.Error | OSError) -> JournalError:
    """One line that names the journal, what is wrong with it, and the mend."""
    text = str(error)
    if isinstance(error, OSError) and error.errno != errno.ENOSPC:
        reason = f"cannot be opened: {error.strerror or error}; mend owner and mode of its folder, or name another path"
        return JournalError(f"{path}: {reason}")
    # By message, because Python 3.10 has no sqlite_errorcode; the messages are sqlite3_errstr's and do not change.
    if "disk is full" in text or "No space left" in text:
        reason = "the disk is full; free some space or choose a smaller journal"
    elif "not a database" in text:
        reason = "not an affect-edge journal, or damaged; name another path, or move it aside and a new one is begun"
    elif "malformed" in text:
        reason = "the journal is damaged; move it and its -wal file aside and a new one is begun"
    elif "locked" in text:
        reason = "another process keeps the journal locked; wait for it, stop it, or name another path"
    elif "readonly" in text or "unable to open" in text:
        reason = "the journal or its folder is not writable for this user; mend owner and mode, or name another path"
    elif "disk I/O" in text:
        reason = "the disk refuses (full, at a limit, read-only or failing); see df and dmesg"
    else:
        reason = f"the journal cannot be used: {text}"
    return JournalError(f"{path}: {reason}")


def connect(path: Path, mode: Literal["read", "write", "create"], *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a journal and check that it is one.

    Parameters
    ----------
    path
        The file. With `create` it is made where absent, readable by its owner alone, as is its folder.
    mode
        `read` never changes the file and may run beside a writer.
    timeout
        Seconds to wait for a lock that another process holds, now and in each later transaction.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode: transactions are begun by hand. Usable from any thread, by one at a time.

    Raises
    ------
    JournalError
        The file is missing (unless created), not a journal, of a newer version, damaged, locked or not accessible.
    """
    try:
        if path.is_dir():
            raise JournalError(f"{path}: a folder, not a journal; name a file in it")
        if mode == "create":
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the -wal and -shm files beside it the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif not path.exists():
            raise JournalError(f"{path}: no journal here; `affect-edge run` writes one, or name another with --journal")
    except OSError as error:
        raise explain(path, error) from None
    uri = path.absolute().as_uri()
    try:
        if mode != "read":
            return _open(path, f"{uri}?mode=rw", timeout, create=mode == "create")
        try:
            return _open(path, f"{uri}?mode=ro", timeout, create=False)
        except sqlite3.OperationalError:
            # A reader needs the -shm file, which cannot be made in a folder that is not writable (a card mounted read
            # only, somebody else's journal). Where there is no -wal nobody writes, and it can be read as it is.
            if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-wal").exists():
                raise
            return _open(path, f"{uri}?mode=ro&immutable=1", timeout, create=False)
    except sqlite3.Error as error:
        raise explain(path, error) from None


def _open(path: Path, uri: str, timeout: float, *, create: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        if _is_empty(connection) and create:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if _is_empty(connection):  # else another process was faster
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        if pragma(connection, "application_id") != APPLICATION_ID:
            raise JournalError(f"{path}: an SQLite file, but not a journal of affect-edge; name another path")
        version = pragma(connection, "user_version")
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"{path}: written by a newer affect-edge (form {version}, this one knows {SCHEMA_VERSION}); "
                "update affect-edge or name another path"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    return not tables and not pragma(connection, "application_id") and not pragma(connection, "user_version")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a pragma that is a number."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def encode(observation: Observation) -> tuple[StreamKey, Row]:
    """What is stored of an observation.

    Raises
    ------
    ValueError
        A time or a probability is not a finite number.
    """
    # Numbers become plain ones, for SQLite refuses NumPy's.
    wall, monotonic = float(observation.wall_time), float(observation.monotonic_time)
    if not math.isfinite(wall) or not math.isfinite(monotonic):
        raise ValueError(f"the times of an observation are finite, not {wall} and {monotonic}")
    probabilities = [round(min(max(float(p), 0.0), 1.0) * 65535) for p in observation.probabilities.values()]
    box = tuple(int(side) for side in observation.box.as_list()) if observation.box else (None,) * 4
    # A file name that is not UTF-8 holds lone surrogates, which SQLite cannot store.
    source = observation.source.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    labels = json.dumps(list(observation.probabilities), separators=(",", ":"))
    return (observation.modality, source, labels), (
        wall,
        monotonic,
        observation.label,
        float(observation.confidence),
        None if observation.track is None else int(observation.track),
        *box,
        int(observation.changed),
        struct.pack(f"<{len(probabilities)}H", *probabilities),
    )


def decode(key: StreamKey, row: Sequence[Any]) -> Observation:
    """The observation that `encode` stored.

    Raises
    ------
    ValueError, TypeError, struct.error
        The row is damaged.
    """
    modality, source, names = key
    wall_time, monotonic_time, label, confidence, track, x, y, width, height, changed, blob = row
    labels = _labels(names)
    shares = struct.unpack(f"<{len(labels)}H", blob)
    return Observation(
        modality=cast(Modality, modality),
        source=source,
        wall_time=wall_time,
        monotonic_time=monotonic_time,
        label=label,
        confidence=confidence,
        probabilities={name: share / 65535 for name, share in zip(labels, shares, strict=True)},
        track=track,
        box=None if x is None else Box(x, y, width, height),
        changed=bool(changed),
    )


@lru_cache(maxsize=64)
def _labels(names: str) -> tuple[str, ...]:
    return tuple(json.loads(names))
