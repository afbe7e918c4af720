"""From a frame and a face to the numbers that the expression model takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.inference.manifest import ImageInput
from edge.observation import Box, Face, Image

FACE_SIZE = 48
"""Side of a face crop in pixels, as in FER-2013."""

LIKELY_SIDES = (0.5, 2.0)
"""Least and most side of an aligned crop, in longer sides of the box: landmarks that ask for another are wrong."""


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Where a face comes to lie in its crop. Lengths are parts of the crop's side; y is counted from its top."""

    eye_distance: float = 0.337
    """From one eye's middle to the other's."""
    eyes_y: float = 0.392
    mouth_y: float = 0.738
    """Of the middle between the mouth's corners."""
    scale: float = 1.0
    """Enlarges the face about the crop's middle."""
    offset: float = 0.0
    """Moves the face down."""
    rotate: bool = True
    """Whether a tilted face is turned upright."""

    def points(self) -> tuple[complex, complex, complex]:
        """Right eye, left eye and mouth as x + iy; the person's right eye is on the left."""
        half = self.eye_distance / 2
        middle = 0.5 + 0.5j
        right, left, mouth = (
            middle + self.scale * (point - middle) + 1j * self.offset
            for point in (0.5 - half + 1j * self.eyes_y, 0.5 + half + 1j * self.eyes_y, 0.5 + 1j * self.mouth_y)
        )
        return right, left, mouth


DEFAULT_GEOMETRY = CropGeometry()
"""As the detector finds faces in FER-2013's crops: of the ways that `affect-edge measure-crop` tried, the
most accurate."""


def to_gray(image: Image) -> Image:
    """Luma (ITU-R BT.601) of a BGR picture; a grey one is returned as it is."""
    if image.ndim == 2:
        return image
    gray: Image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return gray


def crop_face(image: Image, face: Face, *, size: int = FACE_SIZE, geometry: CropGeometry = DEFAULT_GEOMETRY) -> Image:
    """Cut a face out and scale it to `size` x `size` grey pixels, upright and at its place by its landmarks.

    Parameters
    ----------
    image
        (height, width) or (height, width, 3) BGR, uint8.
    face
        Box and landmarks in pixels. Without landmarks, or where they make no face or none that fits the box, the crop
        is the square around the box. It may reach beyond the picture, whose border is then repeated outwards.
    size
        Side of the result in pixels.
    geometry
        Where the landmarks come to lie.

    Returns
    -------
    (size, size) uint8

    Raises
    ------
    ValueError
        The crop shares no pixel with the picture.
    """
    placed = _alignment(face, size, geometry)
    crop = None if placed is None else _warp(image, *placed, size)
    return _crop_box(image, face.box, size) if crop is None else crop


def _alignment(face: Face, size: int, geometry: CropGeometry) -> tuple[complex, complex] | None:
    """Turn and shift, (a, b), that take a place p = x + iy of the picture to a * p + b in the crop; None where the
    landmarks are missing or wrong.

    The least-squares similarity of Umeyama (1991), which in the plane is a division of complex numbers, over the eyes
    and the middle between the mouth's corners: the corners themselves move apart in a smile.
    """
    if face.landmarks is None:
        return None
    right_eye, left_eye, _, *corners = (complex(x, y) for x, y in face.landmarks)
    points = (right_eye, left_eye, sum(corners) / 2)
    box, longer = face.box, max(face.box.width, face.box.height)
    center = complex(box.x + box.width / 2, box.y + box.height / 2)
    # NaN is within nothing.
    if not all(abs(off.real) <= longer and abs(off.imag) <= longer for off in (point - center for point in points)):
        return None
    across, down = left_eye - right_eye, points[2] - (left_eye + right_eye) / 2
    # Mirrored, or all on one line: no face seen from the front.
    if (across.conjugate() * down).imag <= 0:
        return None
    targets, target_middle = _targets(size, geometry)
    middle = sum(points) / 3
    spread, turn = 0.0, 0j
    for point, target in zip(points, targets, strict=True):
        off = point - middle
        spread += off.real * off.real + off.imag * off.imag
        turn += off.conjugate() * target
    if not geometry.rotate:
        turn = complex(abs(turn))
    turn /= spread
    least, most = LIKELY_SIDES
    if not least * longer * abs(turn) <= size <= most * longer * abs(turn):
        return None
    return turn, target_middle - turn * middle


@lru_cache(maxsize=8)
def _targets(size: int, geometry: CropGeometry) -> tuple[tuple[complex, ...], complex]:
    """Where the three points come to lie in the crop, from their middle; and their middle."""
    targets = [size * point for point in geometry.points()]
    middle = sum(targets) / 3
    return tuple(target - middle for target in targets), middle


def _warp(image: Image, turn: complex, shift: complex, size: int) -> Image | None:
    """The crop that `_alignment` describes; None where it shares no pixel with the picture."""
    corners = [(corner - shift) / turn for corner in (0, size, 1j * size, size * (1 + 1j))]
    height, width = image.shape[:2]
    # A pixel more on each side, for linear interpolation.
    x0 = max(0, math.floor(min(corner.real for corner in corners)) - 1)
    y0 = max(0, math.floor(min(corner.imag for corner in corners)) - 1)
    x1 = min(width, math.ceil(max(corner.real for corner in corners)) + 1)
    y1 = min(height, math.ceil(max(corner.imag for corner in corners)) + 1)
    if x0 >= x1 or y0 >= y1:
        return None
    # As for boxes: a large face is averaged over whole blocks of pixels first, against aliasing.
    factor = min(max(1, int(1 / abs(turn))), x1 - x0, y1 - y0)
    columns, rows = (x1 - x0) // factor, (y1 - y0) // factor
    gray = to_gray(image[y0 : y0 + rows * factor, x0 : x0 + columns * factor])
    if factor > 1:
        gray = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA)
    shift += turn * complex(x0, y0)
    turn *= factor
    # OpenCV counts from the middle of the first pixel.
    half = 0.5 + 0.5j
    shift += turn * half - half
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    crop: Image = cv2.warpAffine(gray, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop


def _crop_box(image: Image, box: Box, size: int) -> Image:
    """The square around a box, scaled to `size` x `size`."""
    side = max(box.width, box.height)
    # OpenCV averages whole blocks of pixels several times faster than parts of them: large faces are shrunk by a whole
    # factor first, for which their side may lose a pixel or two. (Powers of two alone, which it averages fastest, cost
    # 0.4 points of accuracy.)
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
    crop: Image = cv2.resize(gray, (size, size), interpolation=cv2.INTER_LINEAR)
    return crop


class PixelInput:
    """Turns pixels into the stored numbers of a model's input.

    Parameters
    ----------
    spec
        Of the model's manifest.
    """

    def __init__(self, spec: ImageInput) -> None:
        self._table = pixel_table(spec)
        # The usual quantisation of pixels turns their first bit over, which takes a part of a look-up's time.
        self._turns_bit = self._table.dtype == np.int8 and np.array_equal(self._table, np.arange(-128, 128))

    def __call__(self, pixels: Image) -> npt.NDArray[np.generic]:
        """(rows, columns) uint8 as (1, rows, columns, 1) of the input's dtype."""
        stored = (pixels ^ np.uint8(128)).view(np.int8) if self._turns_bit else self._table[pixels]
        return stored[None, :, :, None]


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
