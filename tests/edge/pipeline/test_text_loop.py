from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge.config import Config
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from edge.observation import Observation
from edge.pipeline.text import TextPipeline
from edge.pipeline.text_loop import TextLoop
from tests.edge.pipeline.players import Written, text

pytestmark = pytest.mark.usefixtures("text_model")


def test_every_observation_goes_to_every_sink_and_none_holds_the_text() -> None:
    first: list[Observation] = []
    second: list[Observation] = []
    threads: set[str] = set()
    source = Written("zanzibar i am happy", "", "i am sad")
    loop = text(source, first.append, second.append, lambda _: threads.add(threading.current_thread().name))
    loop.start()
    loop.wait()
    loop.close()
    assert first == second
    assert [one.label for one in first] == ["happy", "sad"]
    assert (loop.pipeline.figures.lines, loop.pipeline.figures.observations) == (3, 2)
    assert threads == {"text"}
    assert source.closed.is_set()
    assert loop.error is None
    assert "zanzibar" not in repr(first)


def test_the_text_is_shown_where_it_is_asked_for() -> None:
    shown: list[tuple[str, str]] = []
    source = Written("i am happy", "i am happy. " * 5)
    loop = TextLoop(
        source,
        TextPipeline.from_config(Config()),
        [],
        show=lambda observation, words: shown.append((observation.label, words)),
    )
    loop.start()
    loop.wait()
    assert shown == [("happy", "i am happy")] + [("happy", "i am happy.")] * 5


def test_the_journal_keeps_the_probabilities_and_nothing_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    seen: list[Observation] = []
    with Journal(path) as journal:
        loop = text(Written("zanzibar i am happy and wow", "i am sad"), journal.add, seen.append)
        loop.start()
        loop.wait()
        loop.close()
    with JournalReader(path) as reader:
        kept = [record.observation for record in reader.records(Selection())]
    assert [(one.modality, one.label, one.changed, one.track) for one in kept] == [
        ("text", "happy", True, None),
        ("text", "sad", True, None),
    ]
    for one, other in zip(kept, seen, strict=True):
        assert dict(one.probabilities) == pytest.approx(dict(other.probabilities), abs=1e-5)
    assert sum(kept[0].probabilities.values()) > 1.5
    assert not any(b"zanzibar" in file.read_bytes() for file in tmp_path.glob("journal.db*"))


def test_a_long_line_can_be_stopped_within() -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: list[Observation] = []

    def slow(observation: Observation) -> None:
        seen.append(observation)
        begun.set()
        go_on.wait(30)

    loop = text(Written("i am happy. " * 1000, "i am sad"), slow)
    loop.start()
    begun.wait(30)
    loop.stop()
    go_on.set()
    loop.close()
    assert loop.ended
    assert len(seen) == 1


def test_what_has_to_happen_in_time_does_so_without_a_line_too() -> None:
    happened = threading.Event()
    loop = TextLoop(Written(live=True), TextPipeline.from_config(Config()), [], after_line=happened.set)
    loop.start()
    loop.wait(duration=1)
    loop.close()
    assert happened.is_set()
    assert loop.ended
