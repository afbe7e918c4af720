from __future__ import annotations

import numpy as np
import pytest

from edge.features.face import crop_face, pixel_table, to_gray
from edge.inference.manifest import ImageInput
from edge.observation import Box


def test_grey_is_bt601_luma() -> None:
    blue, green, red = (np.full((2, 2), value, np.uint8) for value in (200, 100, 50))
    expected = round(0.114 * 200 + 0.587 * 100 + 0.299 * 50)
    assert abs(int(to_gray(np.dstack([blue, green, red]))[0, 0]) - expected) <= 1


def test_a_crop_of_the_right_size_is_the_pixels_themselves() -> None:
    image = np.arange(100 * 100, dtype=np.uint32).reshape(100, 100).astype(np.uint8)
    assert np.array_equal(crop_face(image, Box(10, 20, 48, 48)), image[20:68, 10:58])


def test_an_oblong_box_gets_the_square_about_its_middle() -> None:
    image = np.zeros((200, 200), np.uint8)
    image[50:146, 52:148] = 255
    assert crop_face(image, Box(70, 50, 60, 96)).min() == 255


def test_the_margin_widens_about_the_middle() -> None:
    image = np.zeros((200, 200), np.uint8)
    image[60:140, 60:140] = 255
    inner = crop_face(image, Box(60, 60, 80, 80))
    outer = crop_face(image, Box(60, 60, 80, 80), margin=0.5)
    assert inner.min() == 255
    assert outer[0].max() == 0
    assert outer[24, 24] == 255
    assert np.array_equal(outer, outer[::-1, ::-1])


@pytest.mark.parametrize("box", [Box(-20, -20, 60, 60), Box(80, 80, 60, 60), Box(-50, -50, 300, 300)])
def test_a_box_over_the_border_repeats_the_border(box: Box) -> None:
    face = crop_face(np.full((100, 100, 3), 77, np.uint8), box)
    assert face.shape == (48, 48)
    assert set(np.unique(face)) == {77}


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the 100x100 picture"):
        crop_face(np.zeros((100, 100), np.uint8), Box(200, 0, 10, 10))


@pytest.mark.parametrize("side", [1, 3, 47, 48, 49, 500])
def test_faces_of_any_size_give_48_pixels(side: int) -> None:
    assert crop_face(np.zeros((500, 500, 3), np.uint8), Box(0, 0, side, side)).shape == (48, 48)


def test_pixels_map_exactly_to_int8() -> None:
    table = pixel_table(ImageInput(shape=(1, 48, 48, 1), dtype="int8", scale=1 / 255, zero_point=-128))
    assert table.dtype == np.int8
    assert np.array_equal(table, np.arange(-128, 128))


def test_pixels_are_clipped_to_what_the_type_holds() -> None:
    table = pixel_table(ImageInput(shape=(1, 48, 48, 1), dtype="int8", scale=1 / 300, zero_point=0))
    assert (table[0], table[255]) == (0, 127)


def test_float_pixels_take_the_manifests_range() -> None:
    table = pixel_table(ImageInput(shape=(1, 48, 48, 1), dtype="float32", pixel_range=(-1.0, 1.0)))
    assert (table[0], table[255]) == (-1.0, 1.0)


@pytest.mark.parametrize("side", [47, 60, 95, 96, 97, 150, 199, 333, 480])
def test_a_face_shrunk_or_enlarged_keeps_its_light_and_its_shape(side: int) -> None:
    """A grey ramp stays the same ramp, whatever the side, but for rounding: no shift, no darkening."""
    ramp = np.linspace(20, 235, 500).astype(np.uint8)
    image = np.repeat(ramp[None, :], 500, axis=0)
    face = crop_face(image, Box(10, 5, side, side)).astype(float)
    expected = np.interp(10 + (np.arange(48) + 0.5) * side / 48 - 0.5, np.arange(500), ramp)
    assert np.abs(face - expected).max() <= 2
    assert np.ptp(face, axis=0).max() <= 1
