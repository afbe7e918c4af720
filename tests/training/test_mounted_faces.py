"""Crops mounted into photographs: where they lie, that they come back, and that it is always the same."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import DataError
from training.datasets.face_photos import Photo
from training.datasets.mounted_faces import HEIGHT, SIDE, WIDTH, MountedFaces, Place, mount

DARK = np.full((HEIGHT, WIDTH), 10, np.uint8)


def photo(boxes: int = 0, ignored: int = 0, level: int = 90) -> Photo:
    image = np.full((60, 90, 3), level, np.uint8)
    return Photo(
        "made_1.jpg",
        image,
        np.ones((boxes, 4), np.float32),
        np.ones((boxes, 5, 2), np.float32),
        np.ones((ignored, 4), np.float32),
    )


def smooth_crop(seed: int = 0) -> npt.NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 1, (48, 48))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    stretched: npt.NDArray[np.uint8] = cv2.normalize(smooth, None, 60, 240, cv2.NORM_MINMAX).astype(np.uint8)
    return stretched


def test_upright_and_not_enlarged_each_pixel_comes_to_its_place() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (48, 48), dtype=np.uint8)
    image = mount(crop, DARK, Place(48, 0.0, (100.0, 200.0)))
    # The corners are rounded off; what lies well within is the crop itself.
    assert np.array_equal(image[176:224, 76:124][12:-12], crop[12:-12])
    far = np.ones_like(DARK, bool)
    far[160:240, 60:140] = False
    assert np.array_equal(image[far], DARK[far])
    assert (DARK == 10).all()


@pytest.mark.parametrize("place", [Place(150.3, 23.0, (300.3, 222.2)), Place(61.0, -30.0, (500.0, 100.5))])
def test_what_is_cut_at_the_place_is_the_crop(place: Place) -> None:
    crop = smooth_crop()
    again = place.cut(mount(crop, DARK, place), 48)
    difference = np.abs(again.astype(int) - crop)[8:-8, 8:-8]
    assert difference.mean() < 2
    elsewhere = Place(place.side, place.angle, (place.middle[0] + place.side / 12, place.middle[1]))
    moved = elsewhere.cut(mount(crop, DARK, place), 48)
    assert np.abs(moved.astype(int) - crop)[8:-8, 8:-8].mean() > 5 * difference.mean()


def test_an_angle_is_clockwise_as_seen() -> None:
    place = Place(100, 30.0, (200.0, 200.0))
    right_of_middle = place.linear @ (0.5, 0.0) + place.middle
    assert right_of_middle == pytest.approx((200 + 50 * np.cos(np.pi / 6), 200 + 25))
    assert place.in_crop(np.array([right_of_middle, place.middle])) == pytest.approx(np.array([[1.0, 0.5], [0.5, 0.5]]))
    assert place.box.as_list() == [150, 150, 100, 100]


def test_beyond_the_picture() -> None:
    image = mount(smooth_crop(), DARK, Place(120, 10.0, (0.0, HEIGHT - 1.0)))
    assert image[-20:, :20].min() > 50
    assert np.array_equal(image[:200], DARK[:200])


def test_frames_are_the_same_each_time_and_hold_the_whole_crop() -> None:
    crops = np.stack([smooth_crop(seed) for seed in range(30)])
    frames, again = (MountedFaces(crops, [photo(), photo(boxes=1, level=200)], seed=3) for _ in range(2))
    assert frames.places == again.places
    assert np.array_equal(frames.frame(4), again.frame(4))
    assert frames.places != MountedFaces(crops, [photo()], seed=4).places
    # A frame does not depend on how many there are.
    assert MountedFaces(crops[:5], [photo()], seed=3).places == frames.places[:5]
    assert len(frames.backdrops) == 1
    angles = [place.angle for place in frames.places]
    assert 0 < angles.count(0) < len(angles)
    for place in frames.places:
        assert SIDE[0] <= place.side <= SIDE[1]
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) @ place.linear.T + place.middle
        assert corners.min() >= 0
        assert (corners <= (WIDTH, HEIGHT)).all()
    frame, place = frames.frame(0), frames.places[0]
    assert frame.shape == (HEIGHT, WIDTH)
    found = place.cut(frame, 48).astype(float)[8:-8, 8:-8]
    assert np.corrcoef(found.ravel(), crops[0].astype(float)[8:-8, 8:-8].ravel())[0, 1] > 0.95


def test_no_photograph_without_a_face() -> None:
    with pytest.raises(DataError, match="none of the 2 photographs is without a face"):
        MountedFaces(smooth_crop()[None], [photo(boxes=1), photo(ignored=1)], seed=1)
