from __future__ import annotations

import numpy as np
import pytest

from edge.features.cells import CellGrid, FloatArray, decode, encode, read_faces, suppress

GRID = CellGrid(128, 160)


def faces(rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
    boxes = np.concatenate([rng.uniform(-20, 140, (count, 2)), rng.uniform(5, 120, (count, 2))], axis=1)
    landmarks = boxes[:, None, :2] + rng.uniform(0, 1, (count, 5, 2)) * boxes[:, None, 2:]
    return boxes.astype(np.float32), landmarks.astype(np.float32)


def iou(a: FloatArray, b: FloatArray) -> float:
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return float(width * height / (a[2] * a[3] + b[2] * b[3] - width * height))


def test_cells_stand_row_by_row_the_finest_first() -> None:
    assert GRID.counts == (320, 80, 20)
    assert GRID.centers.shape == (420, 2)
    assert GRID.centers[:2].tolist() == [[4, 4], [12, 4]]
    assert GRID.centers[20].tolist() == [4, 12]
    assert GRID.centers[320].tolist() == [8, 8]
    assert GRID.centers[-1].tolist() == [144, 112]
    assert GRID.lengths[[0, 319, 320, 399, 400, 419], 0].tolist() == [16, 16, 40, 40, 100, 100]


@pytest.mark.parametrize(
    ("height", "strides", "told"),
    [(120, (8, 16, 32), "160x120, is no multiple of the stride 16"), (128, (8,), "sizes")],
)
def test_cells_that_do_not_fit_are_refused(height: int, strides: tuple[int, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CellGrid(height, 160, strides)


def test_what_is_encoded_is_decoded() -> None:
    rng = np.random.default_rng(0)
    boxes, landmarks = faces(rng, 300)
    cells = rng.integers(0, 420, 300)
    centers, lengths = GRID.centers[cells], GRID.lengths[cells]
    values = encode(boxes, landmarks, centers, lengths, GRID.unit)
    assert values.shape == (300, 14)
    again, points = decode(values, centers, lengths, GRID.unit)
    assert again == pytest.approx(boxes, abs=1e-3)
    assert points == pytest.approx(landmarks, abs=1e-3)


def test_one_cell_by_hand() -> None:
    values = np.zeros((1, 14), np.float32)
    values[0, :4] = 8, -8, 0, 8 * np.log(2)
    values[0, 4:6] = -2, 4
    boxes, landmarks = decode(values, GRID.centers[:1], GRID.lengths[:1], 0.125)
    # Middle (4 + 16, 4 - 16), sides 16 and 32.
    assert boxes[0].tolist() == pytest.approx([12, -28, 16, 32])
    assert landmarks[0, 0].tolist() == pytest.approx([0, 12])
    assert landmarks[0, 1:].tolist() == [[4, 4]] * 4


def test_no_number_makes_a_box_without_size_or_end() -> None:
    values = np.full((2, 14), 1e4, np.float32)
    values[1] *= -1
    boxes, landmarks = decode(values, GRID.centers[-2:], GRID.lengths[-2:], GRID.unit)
    assert np.isfinite(boxes).all()
    assert np.isfinite(landmarks).all()
    assert (boxes[:, 2:] >= 0).all()


@pytest.mark.parametrize("limit", [0.0, 0.3, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("count", [1, 2, 30, 120])
def test_suppression_is_the_greedy_one(count: int, limit: float) -> None:
    rng = np.random.default_rng(count)
    boxes, _ = faces(rng, count)
    scores = rng.permutation(count).astype(np.float32)
    expected: list[int] = []
    for index in sorted(range(count), key=lambda face: -scores[face]):
        if all(iou(boxes[index], boxes[other]) <= limit for other in expected):
            expected.append(index)
    assert suppress(boxes, scores, limit).tolist() == expected


def test_of_equal_scores_the_first_stays() -> None:
    boxes = np.tile(np.array([[10, 10, 20, 20]], np.float32), (5, 1))
    assert suppress(boxes, np.zeros(5, np.float32), 0.4).tolist() == [0]


def test_nothing_to_suppress() -> None:
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.4).tolist() == []


def test_each_face_is_read_once_the_surest_first() -> None:
    boxes = np.array([[20, 20, 30, 40], [90, 50, 20, 20]], np.float32)
    landmarks = boxes[:, None, :2] + np.linspace(0.2, 0.8, 10, dtype=np.float32).reshape(5, 2) * boxes[:, None, 2:]
    cells = np.array([62, 63, 82, 150, 151])
    owner = np.array([0, 0, 0, 1, 1])
    centers, lengths = GRID.centers[cells], GRID.lengths[cells]
    values = np.empty((5, 15), np.float32)
    values[:, 0] = 1, 2, 0.5, 0, 3
    values[:, 1:] = encode(boxes[owner], landmarks[owner], centers, lengths, GRID.unit)
    found, points, scores = read_faces(values, centers, lengths, unit=GRID.unit, overlap_limit=0.4)
    assert found == pytest.approx(boxes[[1, 0]], abs=1e-3)
    assert points == pytest.approx(landmarks[[1, 0]], abs=1e-3)
    assert scores == pytest.approx(1 / (1 + np.exp([-3.0, -2.0])))
