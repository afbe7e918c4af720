"""Counting tells the time; the clocks' difference is corrected, lateness is not."""

from __future__ import annotations

import itertools
import random

import pytest

from edge.sources.sound_clock import SampleClock

RATE = 16000
BLOCK = 800


def run(seconds: float, *, crystal: float = 1.0, lateness: float = 0.0) -> tuple[SampleClock, list[float], float]:
    """An anchored clock over so many seconds; `crystal` is the card's speed, `lateness` the most of each delivery."""
    jitter = random.Random(1)
    clock = SampleClock(RATE)
    clock.set(0, 100.0)
    times: list[float] = []
    position, moment = 0, 100.0
    while moment < 100 + seconds:
        position += BLOCK
        moment += BLOCK / RATE / crystal
        clock.observe(position, moment + jitter.uniform(0, lateness))
        times.append(clock.time(position))
    return clock, times, moment


def test_counting_is_exact_while_the_crystals_agree() -> None:
    clock, times, moment = run(3600, lateness=0.4)
    assert clock.time(0) == 100.0
    assert times[-1] == pytest.approx(moment, abs=1e-6)
    assert clock.position(times[-1]) == len(times) * BLOCK


@pytest.mark.parametrize("crystal", [1 + 200e-6, 1 - 200e-6])
def test_a_crystal_that_differs_is_followed_and_no_time_jumps_back(crystal: float) -> None:
    _, times, moment = run(6 * 3600, crystal=crystal, lateness=0.2)
    # Without correction it would be four seconds off.
    assert times[-1] == pytest.approx(moment, abs=0.04)
    assert all(later - earlier > 0.02 for earlier, later in itertools.pairwise(times))


def test_what_was_lost_uncounted_is_made_up_for_within_two_minutes() -> None:
    clock = SampleClock(RATE)
    clock.set(0, 100.0)
    moment, times = 100.0, []
    for number in range(1, 4801):
        # After a minute nothing is recorded for an hour.
        moment += BLOCK / RATE + 3600 * (number == 1200)
        clock.observe(number * BLOCK, moment)
        times.append(clock.time(number * BLOCK))
    assert times[-1] == pytest.approx(moment, abs=0.04)
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_an_hour_in_a_moment_does_not_move_it() -> None:
    clock = SampleClock(RATE)
    clock.set(0, 100.0)
    for number in range(1, 72001):
        clock.observe(number * BLOCK, 100.0 + number * 1e-5)
    assert clock.time(72000 * BLOCK) == pytest.approx(3700.0, abs=1e-6)


def test_it_is_set_before_it_is_read() -> None:
    assert not SampleClock(RATE).is_set
    clock = SampleClock(RATE)
    with pytest.raises(ValueError, match="set before"):
        clock.time(0)
    clock.set(1600, 5.0)
    assert clock.is_set
    assert (clock.time(0), clock.time(3200)) == (4.9, 5.1)
    assert clock.position(5.1) == 3200
