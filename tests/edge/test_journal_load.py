"""The journal under load: writers that are killed, several processes at once, a state folder that turns read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from tests.edge.journal_helpers import (
    MARGIN,
    integrity,
    numbers,
    observation,
    read,
    run_child,
    size_on_disk,
    start_child,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def test_many_kills_at_random_moments_lose_nothing_committed(path: Path) -> None:
    """Forty writers, one after the other, on one journal that is full; each is killed in the middle of something."""
    output = run_child(
        """
        import random, signal, sqlite3, time
        from tests.edge.journal_helpers import integrity, numbers

        chance = random.Random(5)
        start, kills_in_work = 0, 0
        for turn in range(40):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                journal = Journal(path, batch_seconds=1000, max_size_mb=1, set_aside=True)
                journal.event("start", str(turn))
                number = start
                while True:
                    for _ in range(50):
                        journal.add(observation(number))
                        number += 1
                    journal.flush()
                    if journal.last_error is not None:
                        os._exit(3)
                    os.write(writing, b"%d\\n" % (number - 1))
            os.close(writing)
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), status
            with open(reading) as pipe:
                told = [int(line) for line in pipe]
            with Journal(path, max_size_mb=1):
                pass
            kept = numbers(path)
            assert kept == list(range(kept[0], kept[-1] + 1)) if kept else start == 0, "a gap, or out of order"
            last = kept[-1] if kept else -1
            committed = told[-1] if told else start - 1
            assert committed <= last <= committed + 50, (committed, last)
            assert integrity(path) == "ok"
            assert not list(path.parent.glob("*corrupt*")), "a kill is no damage"
            kills_in_work += bool(told)
            start = last + 1
        print(kills_in_work, start)
        """,
        path,
    )
    kills, written = map(int, output.split())
    assert kills >= 10, "most were killed before they wrote: the test tests nothing"
    assert written > 1000
    with JournalReader(path) as reader:
        turns = [int(event.detail) for event in reader.events(kind="start")]
    assert turns == sorted(set(turns))


WRITER = """
    source, count = sys.argv[2], int(sys.argv[3])
    with Journal(path, batch_seconds=0.01, max_size_mb=1) as journal:
        for number in range(count):
            journal.add(observation(number, source=source))
            if number % 1000 == 0:
                journal.event("fault", source)
    print(journal.written, journal.dropped)
"""


def test_two_writers_and_a_reader_at_once(path: Path) -> None:
    with Journal(path, max_size_mb=1):
        pass
    count, largest, looks = 15_000, 0, 0
    with start_child(WRITER, path, "one", count) as one, start_child(WRITER, path, "other", count) as other:
        while one.poll() is None or other.poll() is None:
            with JournalReader(path) as reader:
                ids = [record.id for record in reader.records(Selection())]
                assert ids == sorted(set(ids))
                reader.summary(Selection())
            largest = max(largest, size_on_disk(path))
            looks += 1
        for child in (one, other):
            output, errors = child.communicate(timeout=60)
            assert (child.returncode, output) == (0, f"{count} 0\n"), errors
    assert looks > 1
    assert largest <= 1_000_000 + 2 * MARGIN, "one batch of each"
    records = read(path)
    for source in ("one", "other"):
        kept = [round(each.observation.monotonic_time / 0.2) for each in records if each.observation.source == source]
        assert kept == list(range(count - len(kept), count)), "a gap, or not the newest"
    assert integrity(path) == "ok"


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system that turns read-only at an error, as a card's does."""
    image, folder = tmp_path / "image", tmp_path / "card"
    folder.mkdir()
    image.touch()
    os.truncate(image, 8_000_000)
    commands = (f"mkfs.ext4 -q {image}".split(), f"mount -o loop,errors=remount-ro {image} {folder}".split())
    for command in commands:
        if (
            os.geteuid() != 0
            or not shutil.which("mkfs.ext4")
            or subprocess.run(command, capture_output=True).returncode
        ):
            pytest.skip("mounting an ext4 file system needs root, mkfs.ext4 and a loop device")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_card_that_turns_read_only_while_running(card: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = card / "journal.db"
    with Journal(path, batch_seconds=1000, set_aside=True) as journal:
        journal.add(observation(0))
        journal.flush()
        os.sync()
        device = subprocess.run(["findmnt", "-no", "SOURCE", card], capture_output=True, text=True, check=True).stdout
        Path("/sys/fs/ext4", Path(device.strip()).name, "trigger_fs_error").write_text("test")
        for number in (1, 2):
            journal.add(observation(number))
            journal.flush()
        journal.event("fault", "the card")
        assert "the disk refuses" in str(journal.last_error) or "not writable" in str(journal.last_error)
        assert (journal.written, journal.dropped) == (1, 0)
        assert len(caplog.records) == 1, "told once"
        with JournalReader(path) as reader:
            assert len(list(reader.records(Selection()))) == 1, "what was committed can still be read"
    assert journal.dropped == 3
    assert not list(card.glob("*corrupt*")), "a disk that refuses is no damage"


def test_a_read_only_state_folder_at_the_start(card: Path) -> None:
    path = card / "journal.db"
    with Journal(path) as journal:
        journal.add(observation(0))
    subprocess.run(["mount", "-o", "remount,ro", str(card)], check=True)
    try:
        with pytest.raises(JournalError, match=r"Read-only file system|not writable"):
            Journal(path, set_aside=True)
        with pytest.raises(JournalError, match="Read-only file system"):
            Journal(card / "new.db", set_aside=True)
        assert numbers(path) == [0]
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(card)], check=True)
    assert not list(card.glob("*corrupt*"))
