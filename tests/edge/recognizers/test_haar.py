from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.observation import Box
from edge.recognizers.haar import HaarFaceDetector
from edge.sources.demo import DemoSource


def demonstration_frame() -> tuple[np.ndarray, Box]:
    with DemoSource(width=640, height=480, fps=15, paced=False, frames=40) as demo:
        frames = list(demo)
        return frames[30].image, demo.face_box(30)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("gray", [False, True])
def test_finds_the_portraits_face_at_any_frame_size(scale: float, gray: bool) -> None:
    image, truth = demonstration_frame()
    image = cv2.resize(image, None, fx=scale, fy=scale)
    if gray:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    faces = HaarFaceDetector()(image)
    assert faces
    expected = Box(*(round(value * scale) for value in truth.as_list()))
    assert faces[0].box.iou(expected) > 0.4


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((480, 640, 3), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.zeros((1, 5000, 3), np.uint8),
        np.zeros((5000, 1, 3), np.uint8),
        np.zeros((120, 160), np.uint8),
        np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8),
    ],
)
def test_finds_nothing_where_nothing_is(image: np.ndarray) -> None:
    assert HaarFaceDetector()(image) == []
