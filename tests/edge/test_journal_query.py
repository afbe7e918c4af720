"""Asking the journal, and erasing from it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.journal import Journal
from edge.journal_file import connect
from edge.journal_query import GAP_SECONDS, JournalReader, Selection
from edge.journal_upkeep import erase
from edge.observation import UNSURE, Observation
from tests.edge.journal_helpers import LABELS, fill, integrity, numbers, observation, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


# Asking


@pytest.fixture
def varied(path: Path) -> Path:
    fill(
        path,
        [
            observation(0, wall_time=1000.0, label="happy", changed=True),
            observation(1, wall_time=1001.0, label="sad", source="rtsp://garden", changed=True),
            observation(2, wall_time=1002.0, label="happy"),
            observation(3, wall_time=1003.0, label=UNSURE, changed=True),
            Observation("speech", "mic", 1004.0, 0.8, "calm", 0.9, {"calm": 0.9, "happy": 0.1}),
        ],
    )
    return path


@pytest.mark.parametrize(
    ("selection", "latest", "expected"),
    [
        (Selection(), None, [0, 1, 2, 3, 4]),
        (Selection(), 2, [3, 4]),
        (Selection(), 99, [0, 1, 2, 3, 4]),
        (Selection(since=1001.0, until=1003.0), None, [1, 2]),
        (Selection(label="happy"), None, [0, 2]),
        (Selection(label="happy"), 1, [2]),
        (Selection(label=UNSURE), None, [3]),
        (Selection(modality="speech"), None, [4]),
        (Selection(source="garden"), None, [1]),
        (Selection(source="%"), None, []),
        (Selection(source="%"), 3, []),
        (Selection(changes=True), None, [0, 1, 3]),
        (Selection(changes=True, label="sad", since=1002.0), None, []),
    ],
)
def test_selections(varied: Path, selection: Selection, latest: int | None, expected: list[int]) -> None:
    found = [record.observation.wall_time - 1000 for record in read(varied, selection, latest=latest)]
    assert found == expected


def test_reading_page_after_page_leaves_nothing_out(path: Path) -> None:
    fill(path, [observation(n, label="sad" if n % 3 else "happy") for n in range(4500)])
    assert numbers(path) == list(range(4500))
    found = [round(each.observation.monotonic_time / 0.2) for each in read(path, Selection(label="happy"))]
    assert found == list(range(0, 4500, 3))


def test_the_summary_measures_to_the_next_observation_of_the_track(path: Path) -> None:
    def at(moment: float, label: str, track: int) -> Observation:
        probabilities = {name: 0.7 if name == label else 0.05 for name in LABELS}
        return Observation("face", "c", 7200 + moment, moment, label, 0.7, probabilities, track=track)

    fill(path, [at(0.0, "happy", 1), at(0.5, "sad", 1), at(0.6, "happy", 2), at(1.5, "sad", 1), at(60.0, "sad", 1)])
    with JournalReader(path) as reader:
        shares = reader.summary(Selection())
        only_happy = reader.summary(Selection(label="happy"))
    assert [(share.label, share.observations, round(share.seconds, 6)) for share in shares] == [
        ("happy", 2, 0.5),  # 0.5 s of track 1; track 2 has no next one
        ("sad", 3, 1.0 + GAP_SECONDS),
    ]
    assert only_happy == shares[:1]


# Erasing


def test_erased_text_is_in_no_file_any_more(path: Path) -> None:
    secret = "camera-in-the-bedroom"
    with Journal(path, batch_seconds=1000) as journal:  # a writer that stays, as a service does
        for number in range(2000):
            journal.add(observation(number, source=secret, wall_time=5000.0 + number))
        journal.flush()

        def places() -> list[str]:
            return [each.name for each in path.parent.iterdir() if secret.encode() in each.read_bytes()]

        assert places(), "the text was never there: the test tests nothing"
        journal.add(observation(3000, source="hall", wall_time=9000.0))
        journal.flush()
        assert erase(path, until=8000.0) == 2000
        assert places() == []
        assert numbers(path) == [3000]
        before = path.stat().st_size
        assert before < 40_000, "the space was not given back"
        assert erase(path, since=9000.5) == 0
        assert erase(path) == 1
        assert read(path) == []
    assert integrity(path) == "ok"


def test_erasing_beside_a_reader_that_holds_the_old_state_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.journal_upkeep.connect", lambda path, mode, timeout: connect(path, mode, timeout=0.1))
    fill(path, [observation(number) for number in range(10)])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM observation").fetchone()
        with pytest.raises(JournalError, match="erase again"):
            erase(path)
        reader.execute("COMMIT")
        assert erase(path) == 0
    assert b"/dev/video0" not in path.read_bytes()


def test_open_files_stay_few(path: Path) -> None:
    """Files opened anew and erasures beside the writer leave no descriptors behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        fill(path, [observation()])
        erase(path)
        read(path)
        with pytest.raises(JournalError):
            JournalReader(path.parent)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
