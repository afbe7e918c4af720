"""What counts as progress of a camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge.observation import Frame, Image
from edge.service.loops import WatchedFrames
from edge.sources.base import FrameSource, live_frame

RNG = np.random.default_rng(1)


def noisy() -> Image:
    return RNG.integers(90, 110, (480, 640, 3), dtype=np.uint8)


class Pictures(FrameSource):
    name = "pictures"

    def __init__(self, images: Sequence[Image], *, live: bool = True) -> None:
        self.live = live
        self.closed = False
        self._images = list(images)

    def read(self) -> Frame | None:
        return live_frame(self._images.pop(0), 0, self.name) if self._images else None

    def close(self) -> None:
        self.closed = True


def different(images: Sequence[Image], *, live: bool = True) -> int:
    watched = WatchedFrames(Pictures(images, live=live))
    assert len(list(watched)) == len(images)
    return watched.different


FROZEN = noisy()
DARK = np.full((480, 640, 3), 16, np.uint8)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([noisy(), noisy(), noisy()], 3),
        ([FROZEN] * 5, 1),
        ([FROZEN, FROZEN, noisy(), FROZEN], 3),
        ([DARK] * 5, 5),
        ([FROZEN, DARK, DARK], 3),
        ([FROZEN, FROZEN[:240]], 2),
    ],
    ids=["noise", "frozen", "again", "dark", "lights out", "another size"],
)
def test_a_frozen_picture_is_no_progress_and_the_dark_is(images: list[Image], expected: int) -> None:
    assert different(images) == expected


def test_a_recording_may_stand_still() -> None:
    assert different([FROZEN] * 5, live=False) == 5


def test_one_pixel_of_the_sample_is_enough() -> None:
    other = FROZEN.copy()
    other[160, 320, 1] += 1
    assert different([FROZEN, other]) == 2


def test_a_buffer_that_the_driver_uses_again_is_seen_to_change() -> None:
    buffer = FROZEN.copy()
    source = WatchedFrames(Pictures([buffer, buffer]))
    source.read()
    buffer[:] = noisy()
    source.read()
    assert source.different == 2


def test_closing_closes_the_source() -> None:
    pictures = Pictures([])
    WatchedFrames(pictures).close()
    assert pictures.closed
