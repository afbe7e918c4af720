"""From a frame and a face box to the numbers that the expression model takes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.inference.manifest import ImageInput
from edge.observation import Box, Image

FACE_SIZE = 48
"""Side of a face crop in pixels, as in FER-2013."""


def to_gray(image: Image) -> Image:
    """Luma (ITU-R BT.601) of a BGR picture; a grey one is returned as it is."""
    if image.ndim == 2:
        return image
    gray: Image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return gray


def crop_face(image: Image, box: Box, *, size: int = FACE_SIZE, margin: float = 0.0) -> Image:
    """Cut a square around a face box and scale it to `size` x `size` grey pixels.

    Parameters
    ----------
    image
        (height, width) or (height, width, 3) BGR, uint8.
    box
        The detector's box in pixels; it may reach beyond the picture, whose border is then repeated outwards.
    size
        Side of the result in pixels.
    margin
        Widens the square by this part of its side (negative: narrows it).

    Returns
    -------
    (size, size) uint8
    """
    side = max(1, round(max(box.width, box.height) * (1.0 + margin)))
    # OpenCV averages whole blocks of pixels several times faster than parts of them: large faces are shrunk by a whole
    # factor first, for which their side may lose a pixel or two.
    factor = max(1, side // size)
    side -= side % factor
    x0 = round(box.x + (box.width - side) / 2)
    y0 = round(box.y + (box.height - side) / 2)
    x1, y1 = x0 + side, y0 + side
    height, width = image.shape[:2]
    inside = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if inside.size == 0:
        raise ValueError(f"the box {box.as_list()} lies outside the {width}x{height} picture")
    gray = to_gray(inside)
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        gray = cv2.copyMakeBorder(
            gray, max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0), cv2.BORDER_REPLICATE
        )
    if factor > 1:
        gray = cv2.resize(gray, (side // factor, side // factor), interpolation=cv2.INTER_AREA)
    # Less than a factor of 2 is left, which linear interpolation shrinks without losing lines; or the face is enlarged.
    face: Image = cv2.resize(gray, (size, size), interpolation=cv2.INTER_LINEAR)
    return face


def pixel_table(spec: ImageInput) -> npt.NDArray[np.generic]:
    """The model's input number for each of the 256 pixel values: normalisation and quantisation in one look-up.

    Returns
    -------
    (256,) of the input's dtype
    """
    low, high = spec.pixel_range
    real = low + (high - low) * np.arange(256, dtype=np.float64) / 255.0
    if spec.dtype == "float32":
        return real.astype(np.float32)
    limits = np.iinfo(spec.dtype)
    stored = np.clip(np.rint(real / spec.scale) + spec.zero_point, limits.min, limits.max)
    table: npt.NDArray[np.generic] = stored.astype(spec.dtype)
    return table
