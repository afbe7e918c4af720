from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import ModelError
from edge.features.cells import CellGrid, encode
from edge.inference.manifest import Manifest, manifest_path, read_manifest
from edge.observation import Box, Image
from edge.recognizers.face_detector import MOST_CELLS, FaceDetector
from edge.sources.demo import DemoSource

GRID = CellGrid(128, 160)
UNIT_LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.78], [0.65, 0.78]], np.float32)
"""As parts of the box."""


@pytest.fixture(scope="module")
def demonstration() -> tuple[Image, Box]:
    """A frame, 640x480, with one face and where it is."""
    pytest.importorskip("matplotlib", reason="the portrait is in matplotlib's wheel (extra 'demo')")
    with DemoSource(width=640, height=480, fps=15, paced=False, frames=9) as demo:
        frames = list(demo)
        return frames[8].image, demo.face_box(8)


@pytest.fixture
def copied(face_model: Path, tmp_path: Path) -> Path:
    """The shipped detector in a folder of its own."""
    for path in (face_model, manifest_path(face_model)):
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path / face_model.name


def rewrite(model: Path, **changes: Any) -> Manifest:
    manifest = read_manifest(manifest_path(model)).model_copy(update=changes)
    manifest.write(manifest_path(model))
    return manifest


class Answering:
    """In place of the network: always the same numbers, so that what is made of them can be told by hand."""

    def __init__(self, detector: FaceDetector, real: npt.NDArray[np.float64]) -> None:
        self.input, self.output = detector._interpreter.input, detector._interpreter.output
        stored = np.rint(real / self.output.scale + self.output.zero_point)
        self.cells = np.clip(stored, -128, 127).astype(np.int8)

    def run(self, x: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        assert x.shape == self.input.shape
        assert x.dtype == self.input.dtype
        return self.cells[None]


def answering(detector: FaceDetector, faces: Sequence[tuple[Sequence[float], float]]) -> FaceDetector:
    """A detector whose network finds these (box in pixels of the input, logit), each in the cell nearest its middle."""
    real = np.zeros((420, 15))
    real[:, 0] = -8
    for box, logit in faces:
        boxes = np.array([box], np.float32)
        landmarks = boxes[:, None, :2] + UNIT_LANDMARKS * boxes[:, None, 2:]
        level = int(np.argmin(np.abs(np.log(max(box[2:]) / np.array(GRID.sizes)))))
        first = sum(GRID.counts[:level])
        centers = GRID.centers[first : first + GRID.counts[level]]
        cell = first + int(np.argmin(np.hypot(*(centers - (boxes[0, :2] + boxes[0, 2:] / 2)).T)))
        real[cell] = [
            logit,
            *encode(boxes, landmarks, GRID.centers[[cell]], GRID.lengths[[cell]], GRID.unit)[0],
        ]
    detector._interpreter = Answering(detector, real)  # type: ignore[assignment]
    return detector


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("height", [120, 240, 480, 1080, 2160])
def test_finds_the_portraits_face_at_any_frame_size(
    face_model: Path, demonstration: tuple[Image, Box], height: int, gray: bool
) -> None:
    image, truth = demonstration
    scale = height / 480
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if gray:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    (face,) = FaceDetector(face_model)(image)
    assert face.box.iou(Box(*(round(value * scale) for value in truth.as_list()))) > 0.5
    assert 0 < face.score <= 1
    assert face.landmarks is not None
    right_eye, left_eye, nose, mouth_right, mouth_left = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(mouth_right[1], mouth_left[1])


def test_finds_a_face_cut_by_the_border(face_model: Path, demonstration: tuple[Image, Box]) -> None:
    image, truth = demonstration
    cut = image[:, truth.x + truth.width // 4 :]
    (face,) = FaceDetector(face_model)(cut)
    assert face.box.iou(Box(-(truth.width // 4), truth.y, truth.width, truth.height)) > 0.4


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_finds_a_tilted_face(face_model: Path, demonstration: tuple[Image, Box], degrees: float) -> None:
    image, truth = demonstration
    middle = (truth.x + truth.width / 2, truth.y + truth.height / 2)
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, degrees, 1.0), (640, 480))
    faces = FaceDetector(face_model)(turned)
    assert faces
    assert faces[0].landmarks is not None
    (x0, y0), (x1, y1) = faces[0].landmarks[:2]
    assert math.degrees(math.atan2(y0 - y1, x1 - x0)) == pytest.approx(degrees, abs=12)


@pytest.mark.parametrize("shape", [(480, 640, 3), (2160, 3840), (120, 160), (1, 1), (1, 5000, 3), (5000, 1), (7, 3, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_finds_nothing_where_nothing_is(face_model: Path, shape: tuple[int, ...], value: int) -> None:
    assert FaceDetector(face_model)(np.full(shape, value, np.uint8)) == []


def test_the_numbers_of_a_cell_become_a_face(face_model: Path) -> None:
    detector = answering(FaceDetector(face_model), [([60, 40, 32, 40], 2.0)])
    for factor, shape in ((1, (128, 160)), (4, (512, 640, 3)), (4, (480, 640)), (0.5, (64, 80, 3))):
        (face,) = detector(np.zeros(shape, np.uint8))
        # The output's step is a part of a pixel; boxes are rounded to whole ones.
        assert face.box.as_list() == pytest.approx(
            [60 * factor, 40 * factor, 32 * factor, 40 * factor], abs=0.8 * factor + 0.5
        )
        assert face.score == pytest.approx(1 / (1 + math.exp(-2)), abs=0.01)
        assert face.landmarks is not None
        expected = (np.array([60, 40]) + UNIT_LANDMARKS * (32, 40)) * factor
        assert np.array(face.landmarks) == pytest.approx(expected, abs=0.4 * factor)
        assert all(isinstance(value, float) for point in face.landmarks for value in point)


def test_faces_come_the_largest_first_each_once(face_model: Path) -> None:
    faces = [([100, 80, 14, 16], 3.0), ([10, 10, 60, 70], 1.0), ([96, 20, 30, 36], 2.0), ([99, 21, 31, 36], 2.5)]
    found = answering(FaceDetector(face_model), faces)(np.zeros((128, 160), np.uint8))
    assert [face.box.width for face in found] == pytest.approx([60, 31, 14], abs=1.5)
    assert all(one.box.width * one.box.height >= two.box.width * two.box.height for one, two in pairwise(found))


def test_faces_below_the_least_size_are_dropped(face_model: Path) -> None:
    faces = [([20, 20, 12, 10], 3.0), ([90, 40, 20, 25], 3.0)]
    frame = np.zeros((480, 640), np.uint8)  # four times the input's scale
    for min_size, count in ((0.0, 2), (0.08, 2), (0.12, 1), (0.19, 1), (0.25, 0)):
        assert len(answering(FaceDetector(face_model, min_size=min_size), faces)(frame)) == count


def test_boxes_reach_beyond_the_frame_but_not_away_from_it(face_model: Path) -> None:
    frame = np.zeros((96, 160), np.uint8)
    (face,) = answering(FaceDetector(face_model), [([-12, 60, 40, 50], 3.0)])(frame)
    assert face.box.x < 0
    assert face.box.y + face.box.height > 96
    # The canvas's last rows are padding: nothing that lies in them alone is a face.
    assert answering(FaceDetector(face_model), [([60, 102, 16, 16], 3.0)])(frame) == []


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.73, 0.99])
def test_the_threshold_is_kept_to_a_step_of_the_output(face_model: Path, threshold: float) -> None:
    detector = FaceDetector(face_model, threshold=threshold)
    output = detector._interpreter.output
    least = math.log(threshold / (1 - threshold))
    highest = (127 - output.zero_point) * output.scale
    above, below = (least + step * output.scale for step in (1.01, -0.51))
    frame = np.zeros((128, 160), np.uint8)
    assert len(answering(detector, [([60, 40, 30, 40], min(above, highest))])(frame)) == 1
    assert answering(detector, [([60, 40, 30, 40], min(below, highest - output.scale))])(frame) == []


def test_the_manifest_s_threshold_holds_unless_another_is_given(copied: Path) -> None:
    detection = read_manifest(manifest_path(copied)).detection
    assert detection is not None
    rewrite(copied, detection=detection.model_copy(update={"threshold": 0.9}))
    frame, faces = np.zeros((128, 160), np.uint8), [([60.0, 40.0, 30.0, 40.0], 1.0)]
    assert answering(FaceDetector(copied), faces)(frame) == []
    assert len(answering(FaceDetector(copied, threshold=0.5), faces)(frame)) == 1


def test_the_surest_passes_any_threshold(face_model: Path) -> None:
    detector = answering(FaceDetector(face_model, threshold=0.999999), [([60, 40, 30, 40], 100.0)])
    assert len(detector(np.zeros((128, 160), np.uint8))) == 1


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, math.nan])
def test_a_threshold_that_is_no_score_is_refused(face_model: Path, threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        FaceDetector(face_model, threshold=threshold)


def test_of_too_many_cells_the_surest_are_read(face_model: Path) -> None:
    detector = FaceDetector(face_model, threshold=0.5)
    real = np.zeros((420, 15))
    real[:, 0] = np.random.default_rng(0).permutation(np.linspace(1, 4, 420))
    real[:, 3:5] = -8 * np.log(8)  # tiny boxes, of which none hides another
    detector._interpreter = Answering(detector, real)  # type: ignore[assignment]
    scores = [face.score for face in detector(np.zeros((128, 160), np.uint8))]
    assert len(scores) == MOST_CELLS
    lowest = np.sort(real[:, 0])[-MOST_CELLS]
    assert min(scores) == pytest.approx(1 / (1 + math.exp(-lowest)), abs=0.01)


def test_noise_is_searched_and_does_no_harm(face_model: Path) -> None:
    detector = FaceDetector(face_model, threshold=0.001)
    for seed in range(5):
        for face in detector(np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)):
            assert face.box.width > 0
            assert face.box.height > 0
            assert face.landmarks is not None
            assert np.isfinite(face.landmarks).all()


def test_successive_frames_do_not_disturb_each_other(face_model: Path, demonstration: tuple[Image, Box]) -> None:
    detector = FaceDetector(face_model)
    image, _ = demonstration
    first = detector(image)
    assert detector(np.zeros((480, 640, 3), np.uint8)) == []
    assert detector(image) == first


def test_other_pixel_quantisations_go_through_the_table(face_model: Path, demonstration: tuple[Image, Box]) -> None:
    detector = FaceDetector(face_model)
    image, _ = demonstration
    expected = detector(image)
    detector._stored._turns_bit = False
    assert detector(image) == expected


def test_a_model_for_another_task_is_refused(expression_model: Path) -> None:
    with pytest.raises(ModelError, match="made for the task 'expression', not for 'face-detection'"):
        FaceDetector(expression_model)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"strides": (8, 16)}, "detection: 2 strides for 3 face sizes"),
        ({"strides": (8, 16, 16)}, "output.shape: .* where detection.strides"),
        ({"threshold": 1.5}, "detection.threshold: "),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copied: Path, changes: dict[str, Any], told: str) -> None:
    detection = read_manifest(manifest_path(copied)).detection
    assert detection is not None
    rewrite(copied, detection=detection.model_copy(update=changes))
    with pytest.raises(ModelError, match=told):
        FaceDetector(copied)
