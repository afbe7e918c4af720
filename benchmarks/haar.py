"""The face detector of before, for comparison: the Haar cascade that OpenCV 4 carries (Viola and Jones 2001)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from edge.errors import ModelError
from edge.features.face import to_gray
from edge.observation import Box, Face, Image

CASCADE = "haarcascade_frontalface_default.xml"

WINDOW = 24
"""Side in pixels of the smallest face that the cascade knows."""


class HaarFaceDetector:
    """Finds upright frontal faces.

    Parameters
    ----------
    search_height
        Larger pictures are searched at this height in pixels; None searches each at its own. 240 is what the camera
        loop used.
    enlarge
        Factor by which pictures are enlarged first: the way to faces smaller than the cascade's window.
    neighbours
        Windows that must agree on a face, OpenCV's `minNeighbors`.
    min_size
        Least side of a face, as a part of the picture's height.

    Raises
    ------
    ModelError
        OpenCV 5, which has no cascades, or an OpenCV whose cascade files are missing.
    """

    def __init__(
        self, *, search_height: int | None = 240, enlarge: int = 1, neighbours: int = 5, min_size: float = 0.15
    ) -> None:
        self.cascade = load_cascade()
        self._search_height = search_height
        self._enlarge = enlarge
        self._neighbours = neighbours
        self._min_size = min_size

    def __call__(self, image: Image) -> list[Face]:
        """Faces in a picture, the largest first; the score is the last stage's weight, which may be negative.

        Parameters
        ----------
        image
            (height, width) or (height, width, 3) BGR, uint8.
        """
        gray = to_gray(image)
        height, width = gray.shape
        scale = float(self._enlarge)
        if self._search_height is not None:
            scale *= min(1.0, self._search_height / height)
        if scale != 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            gray = cv2.resize(gray, size, interpolation=how)
        least = max(WINDOW, round(self._min_size * gray.shape[0]))
        if min(gray.shape) < least:
            return []
        boxes, _, weights = self.cascade.detectMultiScale3(
            cv2.equalizeHist(gray),
            scaleFactor=1.1,
            minNeighbors=self._neighbours,
            minSize=(least, least),
            outputRejectLevels=True,
        )
        faces = [
            Face(Box(*(round(float(value) / scale) for value in box)), float(weight))
            for box, weight in zip(boxes, weights, strict=True)
        ]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)


def load_cascade() -> Any:
    """OpenCV's cascade of frontal faces; see `HaarFaceDetector` for what is raised."""
    if not hasattr(cv2, "CascadeClassifier"):
        raise ModelError(
            f"OpenCV {cv2.__version__} has no Haar cascades; to compare with them install one below 5:  "
            "pip install 'opencv-python-headless<5'"
        )
    path = Path(cv2.data.haarcascades) / CASCADE
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ModelError(f"{path}: OpenCV's face cascade is missing; install opencv-python-headless again")
    return cascade


def cascade_bytes() -> int:
    """Size of the cascade's file."""
    return (Path(cv2.data.haarcascades) / CASCADE).stat().st_size


def usual_call(cascade: Any, image: Image) -> Any:
    """The call as OpenCV's own examples make it, on the whole frame: `detectMultiScale` on equalised grey."""
    return cascade.detectMultiScale(cv2.equalizeHist(to_gray(image)), scaleFactor=1.1, minNeighbors=5, minSize=(30, 30))
