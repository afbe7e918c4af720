"""What is read of a damaged journal: all but what stands on the damaged pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal_query import JournalReader, Selection
from edge.journal_salvage import SalvagingReader
from tests.edge.journal_helpers import fill, numbers, observation, read

PAGE = 4096
COUNT = 5000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    fill(path, [observation(number, label="sad" if number % 10 == 0 else "happy") for number in range(COUNT)])
    return path


def leaves(path: Path) -> list[int]:
    """Offsets of the pages that hold nothing but observations: leaves of a table, with many rows."""
    data = path.read_bytes()
    return [start for start in range(PAGE, len(data), PAGE) if data[start] == 13 and rows_on(path, start) > 10]


def overwrite(path: Path, start: int, size: int = PAGE, fill: bytes = b"\xa5") -> None:
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(fill * size)


def salvage(path: Path, selection: Selection | None = None, latest: int | None = None) -> tuple[list[int], int]:
    with SalvagingReader(path) as reader:
        found = [
            round(each.observation.monotonic_time / 0.2)
            for each in reader.records(selection or Selection(), latest=latest)
        ]
        return found, reader.gaps


def rows_on(path: Path, start: int) -> int:
    return int.from_bytes(path.read_bytes()[start + 3 : start + 5], "big")


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(label="happy", source="video", since=0.0), Selection(label="sad")]
)
@pytest.mark.parametrize("latest", [None, 7, 100_000])
def test_of_a_whole_journal_it_gives_the_same(path: Path, selection: Selection, latest: int | None) -> None:
    expected = [round(each.observation.monotonic_time / 0.2) for each in read(path, selection, latest=latest)]
    assert salvage(path, selection, latest) == (expected, 0)


@pytest.mark.parametrize("which", [0, 1, 20, -2, -1])
@pytest.mark.parametrize("fill", [b"\xa5", b"\0"])
def test_a_damaged_page_costs_its_records_only(path: Path, which: int, fill: bytes) -> None:
    lost = rows_on(path, leaves(path)[which])
    overwrite(path, leaves(path)[which], fill=fill)
    with pytest.raises(JournalError, match="damaged"):
        numbers(path)
    found, gaps = salvage(path)
    assert (len(found), gaps) == (COUNT - lost, 1)
    assert found == sorted(set(found))
    last = found[-3:]
    assert salvage(path, latest=3)[0] == last


def test_several_places(path: Path) -> None:
    chosen = [leaves(path)[which] for which in (3, 4, 5, 30, 60)]
    lost = sum(rows_on(path, start) for start in chosen)
    for start in chosen:
        overwrite(path, start)
    found, gaps = salvage(path)
    assert (len(found), gaps) == (COUNT - lost, 3)
    only_sad, _ = salvage(path, Selection(label="sad"))
    assert only_sad == [number for number in found if number % 10 == 0]
    some, _ = salvage(path, Selection(source="nowhere"))
    assert some == []


def test_the_root_of_the_tree(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'observation'").fetchone()
    overwrite(path, (root - 1) * PAGE)
    assert salvage(path) == ([], 1)


def test_records_that_make_no_sense(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE observation SET probabilities = x'00' WHERE id = 100")
        connection.execute("UPDATE observation SET confidence = 7 WHERE id = 101")
        connection.execute("UPDATE observation SET label = CAST(x'ff' AS TEXT) WHERE id = 102")
    found, gaps = salvage(path)
    assert found == [number for number in range(COUNT) if number not in (99, 100, 101)]
    assert gaps == 3


def test_too_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal_salvage._GAPS_LIMIT", 3)
    for start in leaves(path)[::2]:
        overwrite(path, start)
    with pytest.raises(JournalError, match=r"too much of it is damaged; try sqlite3 .*journal\.db \.recover"):
        salvage(path)


def in_header(path: Path) -> None:
    overwrite(path, 0, 16)


def not_sqlite(path: Path) -> None:
    path.write_text("a diary\n" * 1000)


@pytest.mark.parametrize("damage", [in_header, not_sqlite])
@pytest.mark.parametrize("reader", [JournalReader, SalvagingReader])
def test_where_nothing_can_be_read_the_mend_is_told(
    path: Path, damage: Callable[[Path], None], reader: type[JournalReader]
) -> None:
    aside = path.with_name("journal.db.corrupt-20261101-143000")
    path.rename(aside)
    damage(aside)
    with pytest.raises(JournalError, match=r"too damaged for this; sqlite3 '.*143000' \.recover may find more"):
        reader(aside)
