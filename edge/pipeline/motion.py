"""What moved in the picture since the last search for faces: a look that costs a small part of a search."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.observation import Box, Image

SAMPLED_LINES = 120
"""Lines that a frame is sampled at, about: a face of the least size, 8 % of the height, is ten of them wide."""

BLOCK = 4
"""Side of a block in samples: the mean of 16 samples has a quarter of one sample's noise."""

LEAST_CHANGE = 2.0
"""Grey levels that a block's mean must change by in a picture without noise: an edge that moves by half a sample
changes it by more, and coding and rounding by less."""

NOISE_FACTOR = 8.0
"""Limit over the median change: 5.4 standard deviations where the noise is Gaussian, which in 1200 blocks comes once in
ten thousand frames."""

LIGHT_FACTOR = 1.5
"""How much of a change of light adds to the limit: where the light changes by a factor, a block that is 2.5 times as
bright as the median changes by 1.5 times more, and one that is black or saturated by 1 less."""

_NOISE_STEP = 0.05
_NOISE_LIMIT = 3.0


class MotionWatch:
    """Compares each frame with one that it remembers, block by block, whatever the camera's noise and light.

    The change that the blocks have in common is the light's (automatic exposure, a cloud) and is taken off. What the
    median block still changes by is the noise. It is followed by small steps up or down, a running median (the
    sigma-delta filter of Manzanera and Richefeu 2004), and the limit with it.

    Parameters
    ----------
    shape
        (height, width) of the frames in pixels.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.stride = max(1, min(shape) // SAMPLED_LINES)
        """Pixels from one sample to the next."""
        # Whole blocks only; of a picture that is smaller than one, whatever there is.
        rows, columns = (
            samples - samples % BLOCK or samples
            for samples in (len(range(self.stride // 2, side, self.stride)) for side in shape)
        )
        self.samples: Image = np.empty((rows, columns), np.uint8)
        """(rows, columns) uint8 every `stride`-th pixel of the last frame, its green for grey. The next look writes
        over it."""
        self._exact = np.empty((rows, columns), np.float32)
        self._halves = np.empty((max(1, rows // 2), max(1, columns // 2)), np.float32)
        blocks = (max(1, rows // BLOCK), max(1, columns // BLOCK))
        self._blocks, self._remembered, self._change = (np.zeros(blocks, np.float32) for _ in range(3))
        self.moved = np.ones(blocks, np.bool_)
        """(block rows, block columns) whether a block of the last frame differs from the remembered one."""
        self.noise = _NOISE_LIMIT
        """Grey levels that the median block changes by where nothing moves; a new camera counts as a poor one."""

    def look(self, image: Image) -> None:
        """Sample a frame and compare it with the remembered one (before there is one, with black).

        Parameters
        ----------
        image
            (height, width) or (height, width, 3) BGR, uint8; of the `shape`.
        """
        plane = image if image.ndim == 2 else image[:, :, 1]
        rows, columns = self.samples.shape
        every = slice(self.stride // 2, None, self.stride)
        np.copyto(self.samples, plane[every, every][:rows, :columns])
        np.copyto(self._exact, self.samples)
        # Twice by two: OpenCV has a fast path for it, and none for four at once.
        cv2.resize(self._exact, self._halves.shape[::-1], dst=self._halves, interpolation=cv2.INTER_AREA)
        cv2.resize(self._halves, self._blocks.shape[::-1], dst=self._blocks, interpolation=cv2.INTER_AREA)
        np.subtract(self._blocks, self._remembered, out=self._change)
        light = _median(self._change)
        self._change -= light
        np.abs(self._change, out=self._change)
        limit = max(LEAST_CHANGE, NOISE_FACTOR * self.noise) + LIGHT_FACTOR * abs(light)
        np.greater(self._change, limit, out=self.moved)
        # A step that is small and a limit: a scene that moves as a whole for long does not become noise.
        step = _NOISE_STEP if _median(self._change) > self.noise else -_NOISE_STEP
        self.noise = min(max(self.noise + step, 0.0), _NOISE_LIMIT)

    def remember(self) -> None:
        """Compare later frames with the last one looked at."""
        self._blocks, self._remembered = self._remembered, self._blocks

    def within(self, box: Box) -> bool:
        """Whether anything moved inside a box, in pixels of the frame."""
        return bool(self.moved[self._cut(box)].any())

    def beyond(self, boxes: list[Box]) -> bool:
        """Whether anything moved outside all boxes: two blocks at least, for a face is never in one alone."""
        outside = self.moved.copy() if boxes else self.moved
        for box in boxes:
            outside[self._cut(box)] = False
        return int(np.count_nonzero(outside)) >= 2

    def _cut(self, box: Box) -> tuple[slice, slice]:
        """The blocks that a box touches."""
        side = BLOCK * self.stride
        return (
            slice(max(box.y // side, 0), max(-(-(box.y + box.height) // side), 0)),
            slice(max(box.x // side, 0), max(-(-(box.x + box.width) // side), 0)),
        )


def _median(values: npt.NDArray[np.float32]) -> float:
    """The upper median; `numpy.median` takes several times as long for so few values."""
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])
