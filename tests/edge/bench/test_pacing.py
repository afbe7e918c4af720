from __future__ import annotations

import time

import numpy as np
import pytest

from edge.bench.pacing import PacedFrames, PacedSound, Turns, paced_figures, to_and_fro
from edge.bench.timing import repeat, times


def test_to_and_fro_never_jumps() -> None:
    assert [to_and_fro(turn, 4) for turn in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [to_and_fro(turn, 1) for turn in range(3)] == [0, 0, 0]


def test_the_lead_in_does_not_count() -> None:
    began: list[int] = []
    numbers: list[int | None] = []
    turns = Turns(3, 60.0, lead_in=2, begin=lambda: began.append(len(numbers)))
    while not numbers or numbers[-1] is not None:
        numbers.append(turns.next())
    assert numbers == [0, 1, 2, 3, 4, None]
    assert began == [2]
    assert len(turns.seconds) == 3


def test_turns_end_with_their_time_but_not_before_three() -> None:
    turns = Turns(1000, 0.0, lead_in=0, begin=lambda: None)
    given = 0
    while turns.next() is not None:
        time.sleep(0.001)
        given += 1
    assert given == 3
    assert all(seconds >= 0.001 for seconds in turns.seconds)


def test_a_late_reader_has_lost_frames() -> None:
    images = [np.zeros((4, 4), np.uint8)] * 3
    with PacedFrames(images, fps=200.0) as source:
        first = source.read()
        time.sleep(0.05)
        second = source.read()
    assert first is not None
    assert second is not None
    assert first.index == 0
    assert second.index >= 9
    assert source.read() is None


def test_sound_comes_when_it_would_have_been_heard() -> None:
    began = time.monotonic()
    source = PacedSound(np.zeros(4000, np.float32), 16000)
    blocks = list(source)
    assert [block.position for block in blocks] == [0, 800, 1600, 2400, 3200]
    assert time.monotonic() - began >= 0.25
    assert blocks[-1].monotonic_time - blocks[0].monotonic_time == pytest.approx(0.2)


def test_answers_that_are_late_or_never_come_have_missed() -> None:
    found = paced_figures([0.01, 0.2, 0.01], period=0.1, due=5, seconds=0.5, cpu_ms_a_second=3.0, observations=2)
    assert (found["due"], found["missed"], found["a_second"]) == (5, 3, 6.0)


def test_percentiles() -> None:
    assert times(np.arange(101) / 1e3) == {"min_ms": 0.0, "p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0}


def test_repeats_are_bounded_by_number_and_by_time() -> None:
    given: list[int] = []
    assert len(repeat(given.append, repeats=4, seconds=60.0)) == 4
    assert given == [0, 1, 2, 3]
    assert len(repeat(lambda turn: None, repeats=1000, seconds=0.0, at_least=2)) == 2
