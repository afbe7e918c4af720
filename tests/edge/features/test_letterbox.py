from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.features.letterbox import PADDING, letterbox

EXACT = [(480, 640), (120, 160), (240, 320), (720, 1280), (1080, 1920), (2160, 3840), (600, 800), (128, 160)]
OTHER = [(768, 1024), (481, 641), (1944, 2592), (640, 480), (300, 127)]


def picture(rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Blurred noise: coarse and fine, dark and bright."""
    rng = np.random.default_rng(rows + columns)
    noise = cv2.GaussianBlur(rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8), (0, 0), 1.5)
    return np.asarray(cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def averaged(gray: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.float64]:
    """The mean over each of rows x columns equal areas, borders of areas weighed by what lies inside."""

    def weights(count: int, areas: int) -> npt.NDArray[np.float64]:
        edges = np.arange(areas + 1)[:, None] * count / areas
        reach: npt.NDArray[np.float64] = np.clip(edges - np.arange(count), 0, 1)
        parts: npt.NDArray[np.float64] = (reach[1:] - reach[:-1]) * areas / count
        return parts

    means: npt.NDArray[np.float64] = (
        weights(gray.shape[0], rows) @ gray.astype(np.float64) @ weights(gray.shape[1], columns).T
    )
    return means


@pytest.mark.parametrize("shape", EXACT)
@pytest.mark.parametrize("color", [True, False])
def test_shrinking_by_whole_factors_averages_to_a_grey_level(shape: tuple[int, int], color: bool) -> None:
    image = picture(*shape)
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    canvas, scale = letterbox(image if color else gray, 128, 160)
    rows, columns = round(shape[0] * scale), round(shape[1] * scale)
    error = canvas[:rows, :columns] - averaged(gray, rows, columns)
    # Each halving rounds by half a level at most, and up.
    assert np.abs(error).max() <= 1.5
    assert abs(error.mean()) <= 0.5
    assert (canvas[rows:] == PADDING).all()
    assert (canvas[:, columns:] == PADDING).all()


@pytest.mark.parametrize("shape", OTHER)
def test_shrinking_by_other_factors_averages_nearly(shape: tuple[int, int]) -> None:
    gray = cv2.cvtColor(picture(*shape), cv2.COLOR_BGR2GRAY)
    canvas, scale = letterbox(gray, 128, 160)
    rows, columns = round(shape[0] * scale), round(shape[1] * scale)
    assert np.abs(canvas[:rows, :columns] - averaged(gray, rows, columns)).mean() <= 1.5


@pytest.mark.parametrize("shape", [*EXACT, *OTHER, (60, 80), (15, 20)])
def test_places_go_to_the_canvas_and_back(shape: tuple[int, int]) -> None:
    """The middle of a bright spot on the canvas, divided by the scale, is its middle in the picture."""
    rows, columns = shape
    x, y, radius = columns * 0.7, rows * 0.4, min(rows, columns) / 8
    across, down = np.meshgrid(np.arange(columns) + 0.5 - x, np.arange(rows) + 0.5 - y)
    spot = (255 * np.exp(-(across**2 + down**2) / (2 * radius**2))).astype(np.uint8)
    canvas, scale = letterbox(spot, 128, 160)
    assert canvas.shape == (128, 160)
    weights = canvas.astype(np.float64)
    down_canvas, across_canvas = np.mgrid[:128, :160] + 0.5
    found = np.array([(weights * across_canvas).sum(), (weights * down_canvas).sum()]) / weights.sum()
    assert found / scale == pytest.approx([x, y], abs=0.6 / scale)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 5000), (5000, 1, 3), (2, 3)])
def test_any_shape_is_taken(shape: tuple[int, ...]) -> None:
    canvas, scale = letterbox(np.full(shape, 200, np.uint8), 128, 160)
    assert canvas.shape == (128, 160)
    assert canvas.dtype == np.uint8
    assert scale == min(128 / shape[0], 160 / shape[1])
    assert canvas[0, 0] == 200


def test_the_picture_is_left_as_it_is_and_the_canvas_is_new() -> None:
    image = picture(128, 160)[..., 0]
    before = image.copy()
    first, _ = letterbox(image, 128, 160)
    second, _ = letterbox(image, 128, 160)
    first[:] = 7
    assert np.array_equal(image, before)
    assert np.array_equal(second, before)
