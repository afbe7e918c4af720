from __future__ import annotations

import itertools
from collections.abc import Container

import pytest

from edge.observation import Box
from edge.pipeline.schedule import SearchSchedule, person

ALWAYS = range(10_000)


def searched(
    schedule: SearchSchedule,
    frames: int,
    *,
    fps: float,
    start: float = 0.0,
    moved: Container[int] = (),
    waiting: Container[int] = (),
) -> list[int]:
    """The frames, of so many, that were searched."""
    found = []
    for index in range(frames):
        time = start + index / fps
        if schedule.due(time, moved=index in moved, waiting=index in waiting):
            schedule.searched(time)
            found.append(index)
    return found


@pytest.mark.parametrize("fps", [1, 4, 5, 6.5, 7.3, 10, 12, 15, 24, 25, 29.97, 30, 60])
def test_at_rest_searches_are_as_far_apart_as_the_interval_lets_them(fps: float) -> None:
    interval = 0.25
    frames = searched(SearchSchedule(every=1, interval=interval), int(10 * fps), fps=fps)
    gaps = {later - earlier for earlier, later in itertools.pairwise(frames)}
    assert frames[0] == 0
    assert len(gaps) <= 2
    # A frame rate below the interval's is searched in every frame.
    assert max(gaps) / fps <= max(interval, 1 / fps) + 1e-9
    assert min(gaps) / fps > interval - 1 / fps - 1e-6


@pytest.mark.parametrize(
    ("every", "moved", "waiting", "expected"),
    [
        pytest.param(1, ALWAYS, (), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], id="motion in every frame"),
        pytest.param(1, {3, 4}, (), [0, 3, 4], id="motion is searched at once"),
        pytest.param(5, ALWAYS, (), [0, 5], id="every fifth frame while something moves"),
        pytest.param(5, {2, 3}, (), [0], id="motion that is over before its turn"),
        pytest.param(5, {7}, (), [0, 7], id="motion after its turn"),
        pytest.param(5, (), {1}, [0, 1], id="a face that waits for its confirmation is not put off"),
        pytest.param(5, ALWAYS, {2}, [0, 2, 7], id="from any search the frames are counted"),
    ],
)
def test_what_asks_for_a_search(
    every: int, moved: Container[int], waiting: Container[int], expected: list[int]
) -> None:
    schedule = SearchSchedule(every=every, interval=10.0)
    assert searched(schedule, 10, fps=30, moved=moved, waiting=waiting) == expected


def test_the_interval_goes_before_every() -> None:
    schedule = SearchSchedule(every=100, interval=0.25)
    assert searched(schedule, 30, fps=30, moved=ALWAYS) == searched(SearchSchedule(every=1, interval=0.25), 30, fps=30)


def test_an_interval_of_nothing_searches_every_frame() -> None:
    assert searched(SearchSchedule(every=100, interval=0.0), 5, fps=30) == [0, 1, 2, 3, 4]


def test_a_stall_is_followed_by_a_search_and_then_by_rest() -> None:
    schedule = SearchSchedule(every=1, interval=0.25)
    searched(schedule, 4, fps=30)
    assert searched(schedule, 6, fps=30, start=60.0) == [0]


def test_a_clock_that_jumps_back_is_followed_by_a_search_and_then_by_rest() -> None:
    schedule = SearchSchedule(every=1, interval=0.25)
    searched(schedule, 4, fps=30, start=60.0)
    assert searched(schedule, 6, fps=30) == [0]


def test_a_person_is_head_and_shoulders_and_all_below() -> None:
    body = person(Box(300, 100, 80, 100))
    assert (body.x, body.x + body.width) == (180, 500)
    assert body.y == 0
    assert body.y + body.height > 2160
