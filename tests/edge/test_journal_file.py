"""What the journal meets on a disk: full and read-only ones, and files that are no journal or no longer one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.errors import JournalError
from edge.journal import PENDING_LIMIT, Journal
from edge.journal_query import JournalReader
from edge.journal_schema import SCHEMA_VERSION
from tests.edge.journal_helpers import fill, integrity, numbers, observation, read, run_child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that a process of another user can reach: pytest's own parents are closed to it."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


# Disks that refuse


def test_a_disk_limit_keeps_a_bounded_batch_and_writes_it_later(path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel refuse the writes as a full disk would, for any user."""
    output = run_child(
        f"""
        import logging, resource
        logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(levelname)s %(message)s")
        with Journal(path, batch_seconds=0) as journal:
            journal.add(observation(0))
            size = path.with_name(path.name + "-wal").stat().st_size
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            for number in range(1, {PENDING_LIMIT} + 11):
                if number == 5:
                    journal._batch_seconds = 1000  # no attempt for each of them, or the test takes minutes
                journal.add(observation(number))
            print(journal.written, journal.dropped, journal.last_error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            journal.flush()
            print(journal.written, journal.dropped, journal.last_error)
        """,
        path,
    )
    error, refused, warning, mended = output.splitlines()
    assert error.startswith("ERROR")
    assert str(path) in error
    assert refused.startswith("1 10 ")
    assert "the disk refuses" in refused
    assert warning.startswith("WARNING")
    assert mended == f"{PENDING_LIMIT + 1} 10 None"
    assert numbers(path) == [0, *range(11, PENDING_LIMIT + 11)]
    assert integrity(path) == "ok"


def test_a_really_full_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = small_disk / "journal.db"
    with Journal(path, batch_seconds=1000) as journal:
        journal.add(observation(0))
        journal.flush()
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
            while True:
                stream.write(bytes(4096))
        for number in range(1, 400):
            journal.add(observation(number))
        journal.flush()
        journal.flush()
        assert (journal.written, journal.dropped) == (1, 0)
        assert "the disk is full" in str(journal.last_error)
        assert len(caplog.records) == 1, "told more than once"
        with pytest.raises(JournalError, match=r"new\.db: the disk is full"):
            Journal(small_disk / "new.db")
        ballast.unlink()
        journal.flush()
        assert (journal.written, journal.last_error) == (400, None)
    assert numbers(path) == list(range(400))
    assert integrity(path) == "ok"


def test_closing_on_a_full_disk_counts_what_is_lost(small_disk: Path) -> None:
    with Journal(small_disk / "journal.db", batch_seconds=1000) as journal:
        journal.add(observation(0))
        journal.flush()
        with (small_disk / "ballast").open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
            while True:
                stream.write(bytes(4096))
        for number in range(1, 100):
            journal.add(observation(number))
    assert (journal.written, journal.dropped) == (1, 99)
    assert integrity(small_disk / "journal.db") == "ok"
    assert numbers(small_disk / "journal.db") == [0]


AS_NOBODY = """
    import urllib.parse  # while this user may still read Python's own folder
    from edge.errors import JournalError
    from edge.journal_query import JournalReader, Selection
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        {action}
    except JournalError as error:
        print(error)
"""


def test_a_folder_that_is_read_only(open_folder: Path) -> None:
    folder = open_folder / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    output = run_child(AS_NOBODY.format(action="Journal(path)"), folder / "journal.db")
    assert output.startswith(f"{folder / 'journal.db'}: cannot be opened: Permission denied; mend owner and mode")
    assert output.count("\n") == 1
    output = run_child(AS_NOBODY.format(action="Journal(path)"), folder / "deeper" / "journal.db")
    assert "Permission denied" in output


def test_a_journal_that_is_read_only_can_be_read_but_not_written(open_folder: Path) -> None:
    path = open_folder / "journal.db"
    fill(path, [observation(5)])
    path.chmod(0o444)
    open_folder.chmod(0o555)
    refused = run_child(AS_NOBODY.format(action="Journal(path)"), path)
    assert refused.startswith(f"{path}: ")
    assert "mend owner and mode" in refused
    reading = "with JournalReader(path) as reader: print(*[r.observation.box for r in reader.records(Selection())])"
    assert run_child(AS_NOBODY.format(action=reading), path) == "Box(x=5, y=20, width=96, height=96)\n"


# Files that are no journal, or no longer


def make_newer(path: Path) -> None:
    fill(path, [observation()])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def make_foreign(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmark (url TEXT)")


def make_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a diary\n" * 1000)


def make_truncated(path: Path) -> None:
    fill(path, [observation(number) for number in range(2000)])
    os.truncate(path, 5000)


def make_overwritten(path: Path) -> None:
    fill(path, [observation(number) for number in range(2000)])
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\xa5" * 60_000)


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_newer, "newer affect-edge .*update"),
        (make_foreign, "not a journal of affect-edge; name another"),
        (make_text, "not an affect-edge journal, or damaged; .*move it aside"),
        (make_truncated, "damaged; move it"),
        (make_overwritten, "damaged; move it"),
        (make_folder, "a folder, not a journal"),
    ],
)
@pytest.mark.parametrize("reader", [Journal, JournalReader])
def test_what_is_no_journal_is_refused_and_left_alone(
    path: Path, make: Callable[[Path], None], message: str, reader: type[Journal] | type[JournalReader]
) -> None:
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(JournalError, match=message) as caught, reader(path):
        pass
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert before is None or path.read_bytes() == before


def test_damage_further_in_is_told_while_reading_and_while_writing(path: Path) -> None:
    fill(path, [observation(number) for number in range(5000)])
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(3 * 4096)
        stream.write(b"\xa5" * (size - 3 * 4096))
    with pytest.raises(JournalError, match="damaged; move it"):
        read(path)
    with Journal(path) as journal:
        journal.add(observation())
        journal.flush()
        assert "damaged" in str(journal.last_error)
        assert journal.written == 0


def test_a_file_that_was_left_empty_becomes_a_journal(path: Path) -> None:
    """What a power cut between making the file and filling it leaves."""
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalError, match="not a journal"):
        JournalReader(path)
    fill(path, [observation(1)])
    assert numbers(path) == [1]


def test_no_journal_to_read(path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        JournalReader(path)
    assert not path.parent.exists()


@pytest.mark.parametrize("wrong", [{"batch_seconds": -1}, {"max_size_mb": 0.5}, {"max_age_days": 0}])
def test_parameters_out_of_range(path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Journal(path, **wrong)
    assert not path.exists()
