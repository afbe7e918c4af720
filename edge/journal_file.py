"""The journal's file: where it lies, and how it is opened.

It is an SQLite file in WAL mode, so any SQLite tool reads it; `edge.journal_schema` says what is in it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Literal

from edge.errors import JournalError
from edge.journal_schema import APPLICATION_ID, SCHEMA_VERSION, migrate, pragma

_DAMAGE = (
    *("malformed", "not a database", "unsupported file format"),
    # What comes of names in the schema that are no longer what they were.
    *("no such table", "no such column", "no column named"),
)


class DamagedJournalError(JournalError):
    """What lies there is no SQLite file, or no longer a whole one."""


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


def explain(path: Path, error: sqlite3.Error | OSError | UnicodeDecodeError) -> JournalError:
    """One line that names the journal, what is wrong with it, and the mend."""
    text = str(error)
    if isinstance(error, OSError) and error.errno != errno.ENOSPC:
        reason = f"cannot be opened: {error.strerror or error}; mend owner and mode of its folder, or name another path"
        return JournalError(f"{path}: {reason}")
    if is_damage(error):
        reason = "the journal is damaged; move it and its -wal file aside and a new one is begun"
        if ".corrupt-" in path.name:
            reason = f"too damaged for this; sqlite3 '{path}' .recover may find more in it"
        elif "not a database" in text:
            reason = (
                "not an affect-edge journal, or damaged; name another path, or move it aside and a new one is begun"
            )
        return DamagedJournalError(f"{path}: {reason}")
    # By message, because Python 3.10 has no sqlite_errorcode; the messages are sqlite3_errstr's and do not change.
    if "disk is full" in text or "No space left" in text:
        reason = "the disk is full; free some space or choose a smaller journal"
    elif "locked" in text:
        reason = "another process keeps the journal locked; wait for it, stop it, or name another path"
    elif "readonly" in text or "unable to open" in text:
        reason = "the journal or its folder is not writable for this user; mend owner and mode, or name another path"
    elif "disk I/O" in text:
        reason = "the disk refuses (full, at a limit, read-only or failing); see df and dmesg"
    else:
        reason = f"the journal cannot be used: {text}"
    return JournalError(f"{path}: {reason}")


def is_damage(error: BaseException) -> bool:
    """Whether an error tells of a damaged file, and not of a disk or a folder that refuses."""
    if isinstance(error, (DamagedJournalError, UnicodeDecodeError)):  # the latter is a message with bytes of the file
        return True
    return isinstance(error, sqlite3.DatabaseError) and any(words in str(error) for words in _DAMAGE)


def connect(path: Path, mode: Literal["read", "write", "create"], *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a journal and check that it is one.

    Parameters
    ----------
    path
        The file. With `create` it is made where absent, readable by its owner alone, as is its folder.
    mode
        `read` never changes the file and may run beside a writer; the others bring a journal of an earlier version to
        this one's tables.
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
            wal = path.with_name(path.name + "-wal")
            if path.exists() and not path.stat().st_size and wal.exists() and wal.stat().st_size:
                # SQLite would take it for a new journal and delete the -wal file, which may hold all there is.
                raise explain(path, sqlite3.DatabaseError("malformed: empty, but its -wal file is not"))
            # SQLite gives the -wal and -shm files beside it the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif not path.exists():
            raise JournalError(f"{path}: no journal here; `affect-edge run` writes one, or name another with --journal")
    except OSError as error:
        raise explain(path, error) from None
    uri = path.absolute().as_uri()
    try:
        if mode != "read":
            return _open(path, f"{uri}?mode=rw", timeout, create=mode == "create", writable=True)
        try:
            return _open(path, f"{uri}?mode=ro", timeout)
        except sqlite3.OperationalError:
            # A reader needs the -shm file, which cannot be made in a folder that is not writable (a card mounted read
            # only, somebody else's journal). Where there is no -wal nobody writes, and it can be read as it is.
            if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-wal").exists():
                raise
            return _open(path, f"{uri}?mode=ro&immutable=1", timeout)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(path, error) from None


def _open(path: Path, uri: str, timeout: float, *, create: bool = False, writable: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        is_empty = _is_empty(connection)  # reads all of the first page, which finds much of what can be wrong
        if create and is_empty:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection)
        if pragma(connection, "application_id") != APPLICATION_ID:
            raise JournalError(f"{path}: an SQLite file, but not a journal of affect-edge; name another path")
        version = pragma(connection, "user_version")
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"{path}: written by a newer affect-edge (form {version}, this one knows {SCHEMA_VERSION}); "
                "update affect-edge or name another path"
            )
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")  # which a restored backup is not in
            if version < SCHEMA_VERSION:
                migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    return not tables and not pragma(connection, "application_id") and not pragma(connection, "user_version")
