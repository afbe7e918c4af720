"""Erasing from the journal, and copying it, while a service goes on writing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from edge.errors import JournalError
from edge.journal_file import connect, explain
from edge.journal_query import Selection, explained

_BACKUP_PAGES = 256
"""Pages that are copied at once: a megabyte."""

_BACKUP_PAUSE = 0.01
"""Seconds between them, in which the card is the service's."""


def erase(path: Path, *, since: float | None = None, until: float | None = None) -> int:
    """Erase observations, and the events of that time, for good; a running service may go on writing meanwhile.

    What is deleted is overwritten with zeros, the file is rebuilt without the freed space and the -wal file is emptied.
    Blocks that the file system or the card's wear levelling gave up on the way are beyond a program's reach. A running
    service still holds its last batch in memory and writes it afterwards.

    Parameters
    ----------
    path
        The journal.
    since, until
        Wall time from which and before which they are erased, seconds since the Unix epoch; None leaves that end open.

    Returns
    -------
    int
        How many observations were erased.

    Raises
    ------
    JournalError
        The journal cannot be opened, written or rebuilt, or another program's reading keeps its old state alive; to
        erase again completes what was begun.
    """
    where, values = Selection(since=since, until=until).where()
    ends = [f"wall_time {sign} :{name}" for name, sign in (("since", ">="), ("until", "<")) if name in values]
    with closing(connect(path, "write", timeout=10.0)) as connection, explained(path):
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        chosen = f"EXISTS (SELECT 1 FROM stream AS s WHERE s.id = o.stream AND {where})" if values else "TRUE"
        count = connection.execute(f"DELETE FROM observation AS o WHERE {chosen}", values).rowcount
        connection.execute(f"DELETE FROM event WHERE {' AND '.join(ends) or 'TRUE'}", values)
        connection.execute("DELETE FROM stream WHERE id NOT IN (SELECT stream FROM observation)")
        connection.execute("COMMIT")
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise JournalError(f"{path}: erased, but another program still reads the old state; end it and erase again")
    return count


def backup(path: Path, target: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy a journal as it is at one moment, also while a service writes; the copy is checked, then put in place.

    The copy is one file, a journal itself: for its owner alone, whole or not there at all, on the disk when this
    returns. It takes the place of a file that bore its name.

    Parameters
    ----------
    path
        The journal.
    target
        The copy.
    progress
        Is told after each megabyte how many pages are copied, and of how many.

    Raises
    ------
    JournalError
        The journal cannot be read or is damaged, or the copy cannot be written.
    """
    partial = target.with_name(target.name + ".partial")
    with closing(connect(path, "read")) as source:
        try:
            if target.is_dir() or (target.exists() and not target.is_file()):
                raise JournalError(f"{target}: not a file; name one for the copy")
            if any(target.absolute() == path.absolute().with_name(path.name + end) for end in ("", "-wal", "-shm")) or (
                target.exists() and target.samefile(path)
            ):
                raise JournalError(f"{target}: this is the journal itself; name another file")
            partial.unlink(missing_ok=True)  # of a backup that was killed
            os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            _copy(source, path, partial, progress)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(target)
            _sync_folder(target.absolute().parent)
        except OSError as error:
            raise JournalError(f"{target}: cannot be written: {error.strerror or error}; name another file") from None
        finally:
            for ending in ("", "-journal", "-wal", "-shm"):
                with suppress(OSError):
                    partial.with_name(partial.name + ending).unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, path: Path, target: Path, progress: Callable[[int, int], None] | None) -> None:
    def tell(_: int, left: int, pages: int) -> None:
        if progress is not None:
            progress(pages - left, pages)

    with explained(path):
        # An open read transaction pins the moment: without it each commit of the service would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        try:
            source.backup(copy, pages=_BACKUP_PAGES, progress=tell, sleep=_BACKUP_PAUSE)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file; a journal that is opened has WAL again
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            # Both ends raise the same errors; only what is damaged can be told from what cannot be written.
            damaged = "malformed" in str(error) or "not a database" in str(error)
            raise explain(path if damaged else target, error) from None
    if found != "ok":
        raise explain(path, sqlite3.DatabaseError("malformed"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
