"""A frame of any size and shape, brought to the face detector's input."""

from __future__ import annotations

import cv2
import numpy as np

from edge.features.face import to_gray
from edge.observation import Image

PADDING = 0
"""The pixel value of what the frame leaves free."""

SOFT_FROM = 8
"""Pixels of an area's side, from which its border may be off by half a pixel."""


def letterbox(image: Image, height: int, width: int) -> tuple[Image, float]:
    """Scale a picture to fit, its sides in proportion, at the top left of a grey canvas.

    Parameters
    ----------
    image
        (rows, columns) or (rows, columns, 3) BGR, uint8.
    height, width
        Of the canvas in pixels.

    Returns
    -------
    canvas
        (height, width) uint8. A pixel is the mean of the picture's pixels that it covers, or lies between its
        neighbours where the picture is enlarged.
    scale
        Canvas pixels per picture pixel: divide a place on the canvas by it to have the place in the picture.
    """
    rows, columns = image.shape[:2]
    scale = min(height / rows, width / columns)
    # A picture that is extremely long and thin still leaves one row.
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    gray = _halved(to_gray(image), size)
    canvas: Image = np.full((height, width), PADDING, np.uint8)
    cv2.resize(
        gray, size, dst=canvas[: size[1], : size[0]], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return canvas, scale


def _halved(gray: Image, size: tuple[int, int]) -> Image:
    """The picture with 2x2 pixels made one as often as that leaves the means over `size` (width, height) what they are.

    OpenCV averages 2x2 pixels with vector instructions and larger areas without: from 640x480 to 160x120 (x86-64, AVX2)
    two halvings take a fifth of the time of one step, and rounding twice costs at most a grey level. Where the areas
    are not of whole pixels, they end within a pixel of the halved picture, which is let pass for large areas only.
    """
    width, height = size
    while True:
        rows, columns = gray.shape
        whole = rows % (2 * height) == columns % (2 * width) == 0
        large = rows % 2 == columns % 2 == 0 and rows >= SOFT_FROM * height and columns >= SOFT_FROM * width
        if not (whole or large):
            return gray
        gray = cv2.resize(gray, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
