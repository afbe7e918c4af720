from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.camera_loop import NOISE, Loop, static_frames
from edge.observation import Frame, Observation


def test_a_loop_goes_forth_and_back_and_its_clock_on() -> None:
    seen: list[tuple[int, float]] = []

    def look(frame: Frame) -> list[Observation]:
        seen.append((int(frame.image[0, 0]), frame.monotonic_time))
        return []

    loop = Loop(look, [np.full((2, 2), value, np.uint8) for value in range(4)])
    for turn in (3, 2, 1, 0, 1, 2, 3, 4):  # as a warm-up and its rounds count
        loop.step(turn)
    assert [value for value, _ in seen] == [0, 1, 2, 3, 2, 1, 0, 1]
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(seen))
    assert (loop.frames, loop.observed) == (8, 0)


def test_a_static_scene_has_a_cameras_noise() -> None:
    first, second = static_frames(2)
    difference = first.astype(np.int16) - second
    assert 1.0 * NOISE < difference.std() < 2.0 * NOISE
    assert abs(difference.mean()) < 0.1
