from __future__ import annotations

import numpy as np
import pytest

from edge.observation import Box, Image
from edge.pipeline.motion import MotionWatch
from tests.edge.pipeline.scenes import HEIGHT, WIDTH, in_light, room, texture, with_noise, with_patch

PATCH = texture(40, 40, grain=10, seed=3)


def watching(image: Image, *, sigma: float = 0.0, frames: int = 90) -> MotionWatch:
    """A watch that has seen a still scene for some seconds and remembers its last frame."""
    watch = MotionWatch(image.shape[:2])
    for index in range(frames):
        watch.look(with_noise(image, sigma, index))
        watch.remember()
    return watch


def test_a_still_picture_does_not_move() -> None:
    watch = watching(room(), frames=2)
    watch.look(room())
    assert not watch.moved.any()


@pytest.mark.parametrize("sigma", [1.0, 4.0, 8.0])
def test_noise_is_learnt_and_is_no_motion(sigma: float) -> None:
    watch = watching(room(), sigma=sigma)
    # The difference of two means of 16 samples; the median of its size is 0.67 standard deviations.
    assert watch.noise == pytest.approx(0.6745 * sigma * 2**0.5 / 4, rel=0.2, abs=0.1)
    moved = 0
    for index in range(100, 130):
        watch.look(with_noise(room(), sigma, index))
        moved += watch.beyond([])
    assert moved <= 1


@pytest.mark.parametrize("sigma", [0.0, 4.0, 8.0])
def test_what_enters_moves_where_it_is_and_nowhere_else(sigma: float) -> None:
    watch = watching(room(), sigma=sigma)
    watch.look(with_noise(with_patch(room(), PATCH, 400, 200), sigma, 1000))
    assert watch.within(Box(400, 200, 40, 40))
    assert watch.beyond([])
    assert watch.beyond([Box(100, 100, 100, 100)])
    assert not watch.within(Box(100, 100, 200, 200))
    assert not watch.beyond([Box(390, 190, 60, 60)])


@pytest.mark.parametrize(("gain", "offset"), [(1.05, 0), (0.9, 0), (1.0, 8), (1.0, -8)], ids=lambda value: str(value))
def test_light_that_changes_everywhere_is_no_motion(gain: float, offset: float) -> None:
    watch = watching(room(), sigma=2.0)
    watch.look(with_noise(in_light(room(), gain, offset), 2.0, 1000))
    assert not watch.beyond([])


def test_what_enters_while_the_light_changes_is_motion() -> None:
    watch = watching(room(), sigma=2.0)
    watch.look(with_noise(in_light(with_patch(room(), PATCH, 400, 200), 1.05), 2.0, 1000))
    assert watch.within(Box(400, 200, 40, 40))
    assert not watch.within(Box(100, 100, 200, 200))


def test_slow_motion_adds_up_against_the_remembered_picture() -> None:
    watch = watching(with_patch(room(), PATCH, 400, 200), sigma=1.0)
    seen = []
    for step in range(1, 30):
        watch.look(with_noise(with_patch(room(), PATCH, 400 + step / 10, 200), 1.0, 1000 + step))
        seen.append(watch.beyond([]))
    assert not seen[0]
    assert seen[-1]


def test_a_camera_that_pans_for_long_does_not_go_blind() -> None:
    wide = texture(HEIGHT, WIDTH + 1200, grain=80, seed=1)
    watch = MotionWatch((HEIGHT, WIDTH))
    for step in range(150):
        watch.look(np.ascontiguousarray(wide[:, 8 * step : 8 * step + WIDTH]))
        watch.remember()
    still = wide[:, :WIDTH]
    watch.look(still)
    watch.remember()
    watch.look(with_patch(still, np.zeros_like(PATCH), 400, 200))
    assert watch.within(Box(400, 200, 40, 40))


@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 5), (7, 300), (121, 163, 3), (720, 1280, 3), (1080, 1920), (1920, 1080, 3)]
)
def test_pictures_of_any_shape(shape: tuple[int, ...]) -> None:
    dark, bright = np.full(shape, 50, np.uint8), np.full(shape, 50, np.uint8)
    height, width = shape[:2]
    corner = bright[height - max(1, height // 4) :, width - max(1, width // 4) :]
    corner[:] = 200
    watch = MotionWatch(shape[:2])
    watch.look(dark)
    watch.remember()
    watch.look(bright)
    assert watch.samples.size <= 4 * 240 * 240
    if min(shape[:2]) >= 120:
        assert watch.within(Box(width - width // 8, height - height // 8, width // 8, height // 8))
        assert not watch.within(Box(0, 0, width // 2, height // 2))


def test_looks_make_no_new_buffers() -> None:
    watch = watching(room(), frames=2)
    samples, moved = watch.samples, watch.moved
    watch.look(room())
    assert watch.samples is samples
    assert watch.moved is moved
