from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.features.face import DEFAULT_GEOMETRY, FACE_SIZE, CropGeometry, PixelInput, crop_face, pixel_table, to_gray
from edge.inference.manifest import ImageInput
from edge.observation import Box, Face, Landmarks

UPRIGHT = np.array([[-0.5, 0.0], [0.5, 0.0], [0.05, 0.5], [-0.35, 1.0], [0.35, 1.0]])
"""Landmarks of a face whose eyes are 1 apart, with the middle between them at 0, 0."""


def placed(
    eye_distance: float, *, degrees: float = 0.0, middle: tuple[float, float] = (320.0, 240.0)
) -> tuple[np.ndarray, Face]:
    """Landmarks, (5, 2), of a face turned by so much about `middle`, and the face with a box as a detector draws it."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (UPRIGHT - (0.0, 0.5)) @ turn * eye_distance + middle
    x, y = points.mean(axis=0)
    side = round(2.4 * eye_distance)
    return points, Face(Box(round(x - side / 2), round(y - side / 2), side, side), 1.0, landmarks(points))


def landmarks(points: np.ndarray) -> Landmarks:
    return tuple((float(x), float(y)) for x, y in points)


def spots(points: np.ndarray, radius: float, height: int, width: int) -> np.ndarray:
    """A black picture with a soft bright spot at each point; the first pixel's middle is at 0.5, 0.5."""
    down, across = np.mgrid[:height, :width] + 0.5
    light = sum(np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * radius**2)) for x, y in points)
    return np.asarray(np.minimum(255 * np.asarray(light), 255), np.uint8)


def brightest_near(crop: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """The middle of the light within 4 pixels of a place, where the light should be."""
    down, across = np.mgrid[: crop.shape[0], : crop.shape[1]] + 0.5
    weights = crop.astype(float) * ((across - x) ** 2 + (down - y) ** 2 <= 16)
    return float((weights * across).sum() / weights.sum()), float((weights * down).sum() / weights.sum())


def box_only(x: int, y: int, width: int, height: int) -> Face:
    return Face(Box(x, y, width, height), 1.0)


def test_grey_is_bt601_luma() -> None:
    blue, green, red = (np.full((2, 2), value, np.uint8) for value in (200, 100, 50))
    expected = round(0.114 * 200 + 0.587 * 100 + 0.299 * 50)
    assert abs(int(to_gray(np.dstack([blue, green, red]))[0, 0]) - expected) <= 1


def test_a_crop_of_the_right_size_is_the_pixels_themselves() -> None:
    image = np.arange(100 * 100, dtype=np.uint32).reshape(100, 100).astype(np.uint8)
    assert np.array_equal(crop_face(image, box_only(10, 20, 48, 48)), image[20:68, 10:58])


def test_an_oblong_box_gets_the_square_about_its_middle() -> None:
    image = np.zeros((200, 200), np.uint8)
    image[50:146, 52:148] = 255
    assert crop_face(image, box_only(70, 50, 60, 96)).min() == 255


@pytest.mark.parametrize("box", [Box(-20, -20, 60, 60), Box(80, 80, 60, 60), Box(-50, -50, 300, 300)])
def test_a_box_over_the_border_repeats_the_border(box: Box) -> None:
    face = crop_face(np.full((100, 100, 3), 77, np.uint8), Face(box, 1.0))
    assert face.shape == (48, 48)
    assert set(np.unique(face)) == {77}


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the 100x100 picture"):
        crop_face(np.zeros((100, 100), np.uint8), box_only(200, 0, 10, 10))


@pytest.mark.parametrize("side", [1, 3, 47, 48, 49, 500])
def test_faces_of_any_size_give_48_pixels(side: int) -> None:
    assert crop_face(np.zeros((500, 500, 3), np.uint8), box_only(0, 0, side, side)).shape == (48, 48)


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


@pytest.mark.parametrize(
    "spec",
    [
        ImageInput(shape=(1, 4, 64, 1), dtype="int8", scale=1 / 255, zero_point=-128),
        ImageInput(shape=(1, 4, 64, 1), dtype="int8", scale=1 / 300, zero_point=0),
        ImageInput(shape=(1, 4, 64, 1), dtype="float32", pixel_range=(-1.0, 1.0)),
    ],
)
def test_a_picture_becomes_what_the_table_says(spec: ImageInput) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 64)
    stored, table = PixelInput(spec)(pixels), pixel_table(spec)
    assert (stored.shape, stored.dtype) == ((1, 4, 64, 1), table.dtype)
    assert np.array_equal(stored.ravel(), table)


@pytest.mark.parametrize("side", [47, 60, 95, 96, 97, 150, 199, 333, 480])
def test_a_face_shrunk_or_enlarged_keeps_its_light_and_its_shape(side: int) -> None:
    """A grey ramp stays the same ramp, whatever the side, but for rounding: no shift, no darkening."""
    ramp = np.linspace(20, 235, 500).astype(np.uint8)
    image = np.repeat(ramp[None, :], 500, axis=0)
    face = crop_face(image, box_only(10, 5, side, side)).astype(float)
    expected = np.interp(10 + (np.arange(48) + 0.5) * side / 48 - 0.5, np.arange(500), ramp)
    assert np.abs(face - expected).max() <= 2
    assert np.ptp(face, axis=0).max() <= 1


@pytest.mark.parametrize("size", [48, 64])
@pytest.mark.parametrize("degrees", [-30, -12, 0, 30])
@pytest.mark.parametrize("eye_distance", [9, 20, 47.3, 90, 180])
def test_a_face_lands_at_its_place_whatever_its_size_and_tilt(eye_distance: float, degrees: float, size: int) -> None:
    geometry = CropGeometry(eye_distance=0.36, eyes_y=0.35, mouth_y=0.71)
    points, face = placed(eye_distance, degrees=degrees, middle=(321.7, 238.4))
    crop = crop_face(spots(points[:2], 0.07 * eye_distance, 480, 640), face, size=size, geometry=geometry)
    assert crop.shape == (size, size)
    for x in (0.32 * size, 0.68 * size):
        assert brightest_near(crop, x, 0.35 * size) == pytest.approx((x, 0.35 * size), abs=0.7)


@pytest.mark.parametrize("degrees", [-30, 0, 15])
def test_a_face_of_other_proportions_is_fitted_between(degrees: float) -> None:
    """Eyes nearer together than the geometry has them: by least squares, eyes and mouth are off a little each."""
    points, _ = placed(60, degrees=degrees)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    points[:2] = eyes + (points[:2] - eyes) * 0.8
    _, face = placed(60, degrees=degrees)
    face = Face(face.box, 1.0, landmarks(points))
    crop = crop_face(spots(np.array([*points[:2], mouth]), 4, 480, 640), face)
    across, eyes_y, mouth_y = (
        FACE_SIZE * part for part in (DEFAULT_GEOMETRY.eye_distance, DEFAULT_GEOMETRY.eyes_y, DEFAULT_GEOMETRY.mouth_y)
    )
    right, left = (brightest_near(crop, FACE_SIZE / 2 + side * across / 2, eyes_y) for side in (-1, 1))
    x, y = brightest_near(crop, FACE_SIZE / 2, mouth_y)
    assert right[0] + left[0] == pytest.approx(FACE_SIZE, abs=1)
    assert left[0] - right[0] < across - 1
    assert right[1] < eyes_y < left[1] + 1
    assert x == pytest.approx(FACE_SIZE / 2, abs=0.7)
    assert y > mouth_y


def test_scale_and_offset_move_the_face_in_the_crop() -> None:
    points, face = placed(60)
    image = spots(points[:2], 4, 480, 640)
    plain = CropGeometry(eye_distance=0.38, eyes_y=0.40, mouth_y=0.78)
    fitting = Face(face.box, 1.0, _of_proportions(points, plain))
    for geometry, apart, y in (
        (replace(plain, scale=0.8), 0.38 * 0.8, 0.5 - 0.1 * 0.8),
        (replace(plain, offset=0.1), 0.38, 0.5),
        (replace(plain, scale=1.2, offset=-0.05), 0.38 * 1.2, 0.5 - 0.1 * 1.2 - 0.05),
    ):
        crop = crop_face(image, fitting, geometry=geometry)
        for x in ((0.5 - apart / 2) * FACE_SIZE, (0.5 + apart / 2) * FACE_SIZE):
            assert brightest_near(crop, x, y * FACE_SIZE) == pytest.approx((x, y * FACE_SIZE), abs=0.7)


def _of_proportions(points: np.ndarray, geometry: CropGeometry) -> Landmarks:
    """The mouth moved to where a geometry has it for eyes that far apart."""
    eyes = points[:2].mean(axis=0)
    mouth = eyes + (points[3:].mean(axis=0) - eyes) * (geometry.mouth_y - geometry.eyes_y) / geometry.eye_distance
    return landmarks(np.array([*points[:3], mouth, mouth]))


def test_without_rotation_a_tilted_face_stays_tilted() -> None:
    points, face = placed(60, degrees=20)
    image = spots(points[:2], 4, 480, 640)
    upright, tilted = (crop_face(image, face, geometry=CropGeometry(rotate=rotate)) for rotate in (True, False))
    half = FACE_SIZE // 2

    def tilt(crop: np.ndarray) -> float:
        (y0, x0), (y1, x1) = (
            np.unravel_index(crop[:, part].argmax(), (FACE_SIZE, half)) for part in (slice(half), slice(half, None))
        )
        return float(np.rad2deg(np.arctan2(int(y1) - int(y0), int(x1) + half - int(x0))))

    assert abs(tilt(upright)) < 4
    assert tilt(tilted) == pytest.approx(20, abs=4)


@pytest.mark.parametrize("middle", [(0, 240), (640, 240), (320, 0), (320, 480), (0, 0), (640, 480)])
@pytest.mark.parametrize("eye_distance", [12, 60, 200])
def test_a_face_over_the_border_repeats_the_border(eye_distance: float, middle: tuple[float, float]) -> None:
    _, face = placed(eye_distance, degrees=20, middle=middle)
    assert set(np.unique(crop_face(np.full((480, 640, 3), 77, np.uint8), face))) == {77}


def test_grey_and_coloured_frames_give_the_same_crop() -> None:
    _, face = placed(70, degrees=-10)
    gray = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    assert np.array_equal(crop_face(gray, face), crop_face(np.dstack([gray] * 3), face))


UPRIGHT_POINTS = placed(60)[0]


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 320.0),
        np.full((5, 2), np.nan),
        UPRIGHT_POINTS * (1, np.nan),
        UPRIGHT_POINTS * np.inf,
        UPRIGHT_POINTS * 1e300,
        (UPRIGHT_POINTS - (320, 240)) * 10 + (320, 240),
        (UPRIGHT_POINTS - (320, 240)) * 0.1 + (320, 240),
        placed(60, middle=(520, 240))[0],
        UPRIGHT_POINTS * (-1, 1) + (640, 0),
        UPRIGHT_POINTS * (1, -1) + (0, 480),
        UPRIGHT_POINTS * (1, 0) + (0, 240),
    ],
    ids=[
        "equal",
        "NaN",
        "partly NaN",
        "infinite",
        "beyond float",
        "huge",
        "tiny",
        "elsewhere",
        "mirrored",
        "mirrored up",
        "on a line",
    ],
)
def test_landmarks_that_are_no_face_leave_the_box(points: np.ndarray) -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    box = placed(60)[1].box
    with np.errstate(all="ignore"):
        assert np.array_equal(crop_face(image, Face(box, 1.0, landmarks(points))), crop_face(image, Face(box, 1.0)))


def test_random_landmarks_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for spread in (1.0, 30.0, 1e3, 1e6, 1e18):
        for _ in range(100):
            face = Face(Box(40, 30, 50, 60), 1.0, landmarks(rng.normal(60, spread, (5, 2))))
            assert crop_face(image, face).shape == (FACE_SIZE, FACE_SIZE)
