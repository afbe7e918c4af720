"""The face detector for the time being: the Haar cascade that OpenCV 4 carries (Viola and Jones 2001).

It finds upright frontal faces, takes most of the camera loop's time, and leaves with OpenCV 5.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.errors import ModelError
from edge.features.face import to_gray
from edge.observation import Box, Face, Image

_CASCADE = "haarcascade_frontalface_default.xml"

SEARCH_HEIGHT = 240
"""Pictures are searched at this height in pixels: a face of the least size is still 24 pixels wide, the cascade's own
smallest, and the search costs a quarter of what it does at 480."""


class HaarFaceDetector:
    """Finds faces in a frame.

    Parameters
    ----------
    min_size
        Least side of a face, as a part of the frame's height.
    """

    def __init__(self, *, min_size: float = 0.15) -> None:
        if not hasattr(cv2, "CascadeClassifier"):
            raise ModelError(
                f"OpenCV {cv2.__version__} has no Haar cascades; install one below 5:  "
                "pip install 'opencv-python-headless<5'"
            )
        path = Path(cv2.data.haarcascades) / _CASCADE
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path}: OpenCV's face cascade is missing; install opencv-python-headless again")
        self._min_size = min_size

    def __call__(self, image: Image) -> list[Face]:
        """Faces in a picture, largest first; none in a picture smaller than the least face.

        Parameters
        ----------
        image
            (height, width) or (height, width, 3) BGR, uint8.
        """
        gray = to_gray(image)
        height, width = gray.shape
        scale = min(1.0, SEARCH_HEIGHT / height)
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        least = max(24, round(self._min_size * gray.shape[0]))
        if min(gray.shape) < least:
            return []
        boxes, _, weights = self._cascade.detectMultiScale3(
            cv2.equalizeHist(gray), scaleFactor=1.1, minNeighbors=5, minSize=(least, least), outputRejectLevels=True
        )
        faces = [
            Face(Box(*(round(float(value) / scale) for value in box)), float(weight))
            for box, weight in zip(boxes, weights, strict=True)
        ]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)
