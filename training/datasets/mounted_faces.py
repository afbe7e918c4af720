"""Ready-made face crops, mounted into photographs without a face: whole frames whose faces have known labels.

Public sets of expression labels hold crops, FER-2013's 48x48 ones above all, and a crop says nothing about how a device
would have cut the face out of what its camera sees. Here each crop is enlarged, turned, laid on a photograph with soft
edges and passed through what a camera does, so that the place of the crop is known and the way back can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.observation import Box, Image
from training.datasets.face_photos import Photo

Points = npt.NDArray[np.float64]
Rng = np.random.Generator

HEIGHT, WIDTH = 480, 640
"""Of a frame, pixels."""
SIDE = (60.0, 220.0)
"""Least and largest side of a mounted crop, pixels; drawn evenly over its logarithm."""
TURNED = 0.5
"""Part of the crops that are turned; the others stay as they are."""
ANGLE_MAX = 30.0
"""A turned crop is turned by up to so many degrees, either way."""
SURROUND = 0.3
"""The crop's border is drawn out by this part of half its side, and fades there: what the crop holds stays whole, and
no edge tells where it ends."""
NOISE = (1.0, 5.0)
"""Standard deviation of the camera's noise, of 255."""
QUALITY = (60, 95)
"""Of the camera's JPEG."""


@dataclass(frozen=True)
class Place:
    """Where a crop was mounted."""

    side: float
    """Of the crop in the frame, pixels."""
    angle: float
    """Degrees by which it is turned, clockwise as seen."""
    middle: tuple[float, float]
    """x and y of the crop's middle in the frame, pixels."""

    @property
    def linear(self) -> Points:
        """(2, 2) leads from parts of the crop's side, counted from its middle, to pixels of the frame."""
        turn = math.radians(self.angle)
        linear: Points = self.side * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        return linear

    @property
    def box(self) -> Box:
        """The upright square of the crop's side about its middle."""
        side = round(self.side)
        return Box(round(self.middle[0] - self.side / 2), round(self.middle[1] - self.side / 2), side, side)

    def in_crop(self, points: npt.ArrayLike) -> Points:
        """Where places of the frame, (n, 2) pixels, lie in the crop: parts of its side from its top left corner."""
        parts: Points = (np.asarray(points) - self.middle) @ np.linalg.inv(self.linear).T + 0.5
        return parts

    def cut(self, image: Image, size: int) -> Image:
        """What the frame shows at this place: (size, size) uint8, shrunk by averaging."""
        # At least as many pixels as the frame has there, a whole number of them for each of the result's.
        fine = max(1, math.ceil(self.side / size)) * size
        back = self.linear / fine
        shift = self.middle - back @ (fine / 2 - 0.5, fine / 2 - 0.5) - 0.5
        turned = cv2.warpAffine(
            image,
            np.column_stack([back, shift]),
            (fine, fine),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        face: Image = cv2.resize(turned, (size, size), interpolation=cv2.INTER_AREA)
        return face


class MountedFaces:
    """Frames for some crops, made anew whenever they are asked for, always the same.

    Parameters
    ----------
    crops
        (n, size, size) uint8.
    backdrops
        Photographs; those without a face are used, a piece of one for each frame.
    seed
        Of the places, sizes, angles, backdrops and noise.

    Raises
    ------
    DataError
        Every one of the backdrops may show a face.
    """

    def __init__(self, crops: Image, backdrops: Sequence[Photo], *, seed: int) -> None:
        self.crops = crops
        self.backdrops = [photo for photo in backdrops if not len(photo.boxes) and not len(photo.ignored)]
        if not self.backdrops:
            raise DataError(f"none of the {len(backdrops)} photographs is without a face: nothing to mount faces in")
        self.places = [_draw_place(np.random.default_rng((seed, index, 0))) for index in range(len(crops))]
        """Of each crop in its frame."""
        self._seed = seed

    def __len__(self) -> int:
        return len(self.crops)

    def frame(self, index: int) -> Image:
        """The frame of one crop, (480, 640) grey."""
        rng = np.random.default_rng((self._seed, index, 1))
        backdrop = self.backdrops[int(rng.integers(len(self.backdrops)))]
        return _photograph(mount(self.crops[index], _fill_frame(backdrop.image, rng), self.places[index]), rng)


def mount(crop: Image, backdrop: Image, place: Place) -> Image:
    """Lay a crop on a picture, enlarged and turned, with soft edges.

    Parameters
    ----------
    crop
        (size, size) uint8.
    backdrop
        (height, width) uint8; it is not changed.
    place
        Where to; what reaches beyond the picture is lost.
    """
    # All that the face may cover, however it is turned.
    middle, reach = np.array(place.middle), place.side * (1 + SURROUND) * math.sqrt(0.5)
    left, top = np.maximum(np.floor(middle - reach), 0).astype(int)
    image: Image = backdrop.copy()
    under = image[top : math.ceil(middle[1] + reach), left : math.ceil(middle[0] + reach)]
    rows, columns = under.shape
    scale = place.linear / len(crop)
    # warpAffine counts from the middle of the first pixel, a place from its corner.
    shift = middle - (left + 0.5, top + 0.5) - scale @ (len(crop) / 2 - 0.5, len(crop) / 2 - 0.5)
    face = cv2.warpAffine(
        crop, np.column_stack([scale, shift]), (columns, rows), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    off = np.stack([(x + np.float32(left + 0.5 - middle[0])).ravel(), (y + np.float32(top + 0.5 - middle[1])).ravel()])
    away = np.linalg.inv(place.linear).astype(np.float32) @ off
    # The fourth root of fourth powers: a square with round corners, 1 at the middle of the crop's borders.
    radius = 2 * np.sqrt(np.sqrt(np.sum(np.square(np.square(away)), axis=0))).reshape(rows, columns)
    cover = np.clip((1 + SURROUND - radius) / SURROUND, 0, 1)
    under[:] = np.rint(under + cover * (face.astype(np.float32) - under)).astype(np.uint8)
    return image


def _draw_place(rng: Rng) -> Place:
    side = SIDE[0] * math.exp(rng.random() * math.log(SIDE[1] / SIDE[0]))
    angle = rng.uniform(-ANGLE_MAX, ANGLE_MAX) if rng.random() < TURNED else 0.0
    # However it is turned, the crop lies within the frame.
    reach = side * math.sqrt(0.5)
    return Place(
        side, float(angle), (float(rng.uniform(reach, WIDTH - reach)), float(rng.uniform(reach, HEIGHT - reach)))
    )


def _fill_frame(photo: Image, rng: Rng) -> Image:
    """A piece of a photograph that fills the frame, grey."""
    gray = photo if photo.ndim == 2 else cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    rows, columns = gray.shape
    scale = max(HEIGHT / rows, WIDTH / columns) * rng.uniform(1.0, 1.5)
    height, width = HEIGHT / scale, WIDTH / scale
    top, left = rng.random() * (rows - height), rng.random() * (columns - width)
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    frame: Image = cv2.warpAffine(gray, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        frame = np.ascontiguousarray(frame[:, ::-1])
    return frame


def _photograph(image: Image, rng: Rng) -> Image:
    """Noise, then JPEG, as a camera adds them."""
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*NOISE))
    noisy = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    _, content = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(QUALITY[0], QUALITY[1] + 1))])
    decoded: Image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    return decoded
