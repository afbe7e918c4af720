"""A damaged journal: how it is found, and how it is set aside so that a new one can be begun.

What is damaged is never deleted: it is renamed to ``NAME.corrupt-YYYYmmdd-HHMMSS``, its -wal file with it, and
`affect-edge log --journal` reads what can still be read. Files of other programs are left where they are.
"""

from __future__ import annotations

import logging
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path

from edge.journal_file import DamagedJournalError, connect

_log = logging.getLogger(__name__)

CHECKED_BYTES = 256_000_000
"""Larger journals are not checked as a whole at the start; damage is then found when it is met."""

CHECK_SECONDS = 10.0
"""After which the check is given up: it is to find damage early, and must not keep a service from starting."""

_WAL_HEADER = struct.Struct(">8I")
_WAL_MAGIC = 0x377F0682


def connect_whole(path: Path) -> sqlite3.Connection:
    """Open a journal for writing as `connect` does, after a check of all its pages.

    Raises
    ------
    DamagedJournalError
        It is damaged, and nothing was changed.
    JournalError
        As of `connect`.
    """
    if path.is_file() and path.stat().st_size:
        # Read only: as the last one to close a file that it may write, SQLite would write back the -wal file into it.
        with closing(connect(path, "read")) as connection:
            if found := _check(connection, path):
                raise DamagedJournalError(f"{path}: the journal is damaged: {found}")
    return connect(path, "create")


def _check(connection: sqlite3.Connection, path: Path) -> str | None:
    """What SQLite finds wrong, in a line."""
    if path.stat().st_size > CHECKED_BYTES:
        _log.info("%s: too large to be checked at the start", path)
        return None
    end = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            return str(error)
        _log.info("%s: not checked to its end in %.0f s", path, CHECK_SECONDS)
        return None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return str(error)
    finally:
        connection.set_progress_handler(None, 0)
    return None if found == "ok" else " ".join(str(found).replace("*** in database main ***", "").split())


def set_aside(path: Path) -> Path:
    """Rename a journal and its -wal file to a name that nothing has yet; gives the journal's new name.

    No connection to it may be open in this process.

    Raises
    ------
    OSError
        The folder is not writable.
    """
    target = _free_name(path)
    wal, shm = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    # The -wal first: beside a new journal SQLite would delete it.
    if wal.exists() and wal.stat().st_size:
        wal.rename(target.with_name(target.name + "-wal"))
    # No records are in the -shm, and a reader of the old journal that still has it open must not share it with the new.
    for left in (wal, shm):
        left.unlink(missing_ok=True)
    path.rename(target)
    return target


def set_wal_aside(path: Path) -> Path | None:
    """Rename the journal's -wal file if its beginning is damaged; its new name, or None when nothing had to be done.

    SQLite takes such a file for an empty one and overwrites it; the journal itself is whole, as of its last checkpoint.
    (Damage further in costs what follows it, as a power cut does: SQLite cannot tell the two apart.)

    Raises
    ------
    OSError
        The folder is not writable, or the file cannot be read.
    """
    wal = path.with_name(path.name + "-wal")
    if not wal.is_file() or wal.stat().st_size <= _WAL_HEADER.size:
        return None
    with wal.open("rb") as stream:
        words = _WAL_HEADER.unpack(stream.read(_WAL_HEADER.size))
    # https://www.sqlite.org/fileformat2.html#the_write_ahead_log, chapters 4.1 and 4.2
    first = second = 0
    order = ">" if words[0] & 1 else "<"
    swapped = struct.unpack(f"{order}6I", struct.pack(">6I", *words[:6]))
    for one, other in zip(swapped[::2], swapped[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    if words[0] & ~1 == _WAL_MAGIC and words[6:] == (first, second):
        return None
    target = _free_name(wal)
    wal.rename(target)
    return target


def _free_name(path: Path) -> Path:
    name = f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
    # By number where a clock that stands still, or a board that always wakes up at the same time, named one so before.
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    for each in names:
        target = path.with_name(each)
        if not any(target.with_name(each + ending).exists() for ending in ("", "-wal")):
            return target
    raise FileExistsError(17, "too many journals were set aside there", str(path.parent))
