from __future__ import annotations

import math

import numpy as np
import pytest

from edge.observation import Box, Face, Image
from edge.pipeline.following import FaceFollower
from edge.pipeline.motion import MotionWatch
from edge.sources.demo import DemoSource
from tests.edge.pipeline.scenes import in_light, room, texture, with_noise, with_patch


def face(x: int, y: int, side: int) -> Face:
    places = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return Face(Box(x, y, side, side), 0.9, tuple((x + side * u, y + side * v) for u, v in places))


def following(image: Image, *faces: Face) -> tuple[FaceFollower, MotionWatch]:
    """A follower of faces that were found in a picture, and the watch that looked at it."""
    watch = MotionWatch(image.shape[:2])
    # Long enough for the watch to know that there is no noise.
    for _ in range(70):
        watch.look(image)
        watch.remember()
    follower = FaceFollower()
    follower.start(faces, watch)
    return follower, watch


def follow(follower: FaceFollower, watch: MotionWatch, image: Image) -> list[Face] | None:
    watch.look(image)
    return follower.follow(watch)


def shift_of(moved: Face, found: Face) -> tuple[float, float]:
    """By how much the landmarks moved, which all move alike."""
    assert moved.landmarks is not None
    assert found.landmarks is not None
    shifts = np.subtract(moved.landmarks, found.landmarks)
    assert np.ptp(shifts, axis=0) == pytest.approx([0, 0], abs=1e-9)
    right, down = shifts[0].tolist()
    assert abs(moved.box.x - found.box.x - right) <= 0.5
    assert abs(moved.box.y - found.box.y - down) <= 0.5
    assert (moved.box.width, moved.box.height) == (found.box.width, found.box.height)
    return right, down


@pytest.mark.parametrize("side", [40, 100, 300])
@pytest.mark.parametrize("gain", [1.0, 0.98])
def test_a_patch_is_followed_to_a_fraction_of_a_pixel(side: int, gain: float) -> None:
    patch = texture(side, side, grain=max(6, side // 8), seed=4)
    found = face(150, 120, side)
    follower, watch = following(with_patch(room(), patch, 150, 120), found)
    for step in range(1, 6):
        right, down = step * side / 21, -step * side / 33
        moved = follow(follower, watch, in_light(with_patch(room(), patch, 150 + right, 120 + down), gain))
        assert moved is not None
        # A small face is measured in samples four pixels apart.
        assert shift_of(moved[0], found) == pytest.approx((right, down), abs=max(1.0, side / 100))


def test_the_demonstrations_face_is_followed_within_two_pixels() -> None:
    source = DemoSource(width=640, height=480, fps=15, paced=False, frames=150)
    errors = []
    with source:
        for index, frame in enumerate(source):
            image = with_noise(frame.image, 3.0, index)
            # Boxes are rounded to pixels, landmarks are not.
            middle = source._pose(index / 15)[:2]
            if index % 4 == 0:
                watch, follower = MotionWatch(image.shape[:2]), FaceFollower()
                watch.look(image)
                watch.remember()
                follower.start([Face(source.face_box(index), 0.9, (middle,))], watch)
            else:
                moved = follow(follower, watch, image)
                assert moved is not None, index
                assert moved[0].landmarks is not None
                errors.append(math.dist(moved[0].landmarks[0], middle))
    assert np.median(errors) < 1.0
    assert np.percentile(errors, 95) < 2.0


def test_a_face_without_motion_stays_and_one_that_returns_is_where_it_was() -> None:
    patch = texture(100, 100, grain=12, seed=4)
    found = face(300, 200, 100)
    start = with_patch(room(), patch, 300, 200)
    follower, watch = following(start, found)
    assert follow(follower, watch, start) == [found]
    moved = follow(follower, watch, with_patch(room(), patch, 310, 200))
    assert moved is not None
    assert moved != [found]
    assert follow(follower, watch, start) == [found]


def test_faces_are_followed_each_by_itself_in_their_order() -> None:
    one, other = texture(100, 100, grain=12, seed=4), texture(60, 60, grain=8, seed=5)
    faces = face(100, 100, 100), face(450, 300, 60)
    follower, watch = following(with_patch(with_patch(room(), one, 100, 100), other, 450, 300), *faces)
    moved = follow(follower, watch, with_patch(with_patch(room(), one, 112, 100), other, 450, 290))
    assert moved is not None
    assert shift_of(moved[0], faces[0]) == pytest.approx((12, 0), abs=1)
    assert shift_of(moved[1], faces[1]) == pytest.approx((0, -10), abs=1)


def test_a_face_without_landmarks_is_followed_too() -> None:
    patch = texture(100, 100, grain=12, seed=4)
    follower, watch = following(with_patch(room(), patch, 300, 200), Face(Box(300, 200, 100, 100), 0.9))
    moved = follow(follower, watch, with_patch(room(), patch, 310, 200))
    assert moved == [Face(Box(310, 200, 100, 100), 0.9)]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(room(), id="gone"),
        pytest.param(with_patch(room(), np.full((100, 100, 3), 90, np.uint8), 300, 200), id="covered by an even grey"),
        pytest.param(
            with_patch(room(), texture(100, 100, grain=12, seed=6), 300, 200), id="covered by another texture"
        ),
        pytest.param(with_patch(room(), texture(100, 100, grain=12, seed=4), 400, 200), id="beyond the reach"),
    ],
)
def test_a_face_is_lost(image: Image) -> None:
    patch = texture(100, 100, grain=12, seed=4)
    follower, watch = following(with_patch(room(), patch, 300, 200), face(300, 200, 100))
    assert follow(follower, watch, image) is None


def test_a_face_is_followed_to_the_border_and_not_beyond() -> None:
    patch = texture(100, 100, grain=12, seed=4)
    follower, watch = following(with_patch(room(), patch, 480, 200), face(480, 200, 100))
    lasts = []
    for x in range(500, 640, 20):
        moved = follow(follower, watch, with_patch(room(), patch, x, 200))
        if moved is None:
            break
        lasts.append(moved[0].box.x)
    assert lasts[:2] == pytest.approx([500, 520], abs=2)
    assert lasts[-1] + 50 <= 640
    assert moved is None


def test_the_last_faces_are_followed_only() -> None:
    patch = texture(100, 100, grain=12, seed=4)
    follower, watch = following(with_patch(room(), patch, 300, 200), face(300, 200, 100))
    follower.start([], watch)
    assert follow(follower, watch, room()) == []
