"""The cells of the face detector: where each one stands, and how its 15 numbers become a box and five landmarks.

A cell of stride s answers for the place in its middle. Its numbers are, in this order: the face logit; the box's middle
relative to the cell's (x, y) and the logarithms of its sides (width, height), as in Faster R-CNN (Ren et al. 2015,
equation 2); the landmarks relative to the cell's middle (x, y each): right eye, left eye, nose, right and left corner
of the mouth, right and left being the person's own. Lengths are in units of the cell's face size, and everything but
the logit is divided by `unit` at last, so that one int8 scale serves all fifteen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
"""In the order of the detector's numbers; right and left are the person's own."""

VALUES = 15
"""Numbers per cell."""


@dataclass(frozen=True)
class CellGrid:
    """The cells of one input size; finest map first, each row by row."""

    height: int
    """Of the detector's input, pixels."""
    width: int
    strides: tuple[int, ...] = (8, 16, 32)
    """Pixels from one cell of a map to the next."""
    sizes: tuple[float, ...] = (16.0, 40.0, 100.0)
    """The face size of each map in pixels: the unit of its lengths."""
    unit: float = 0.125
    """What one step of a number other than the logit stands for."""

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.sizes):
            raise ValueError(f"{len(self.strides)} strides for {len(self.sizes)} face sizes")
        for stride in self.strides:
            if self.height % stride or self.width % stride:
                raise ValueError(f"the input, {self.width}x{self.height}, is no multiple of the stride {stride}")

    @property
    def counts(self) -> tuple[int, ...]:
        """Cells of each map."""
        return tuple((self.height // stride) * (self.width // stride) for stride in self.strides)

    @cached_property
    def centers(self) -> FloatArray:
        """(cells, 2) x and y of each cell's middle in pixels of the input."""
        maps = []
        for stride in self.strides:
            rows, columns = self.height // stride, self.width // stride
            y, x = np.mgrid[:rows, :columns]
            maps.append((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride)
        return np.concatenate(maps).astype(np.float32)

    @cached_property
    def lengths(self) -> FloatArray:
        """(cells, 1) the face size of each cell in pixels."""
        return np.repeat(np.asarray(self.sizes, np.float32), self.counts)[:, None]


def decode(values: FloatArray, centers: FloatArray, lengths: FloatArray, unit: float) -> tuple[FloatArray, FloatArray]:
    """Boxes and landmarks of some cells.

    Parameters
    ----------
    values
        (n, 14) the cells' numbers without the logit.
    centers, lengths
        (n, 2) and (n, 1) of the same cells.
    unit
        As in `CellGrid`.

    Returns
    -------
    boxes
        (n, 4) x and y of the top left corner, width, height; pixels of the input.
    landmarks
        (n, 5, 2) x and y; pixels of the input.
    """
    scaled = values * (lengths * np.float32(unit))
    # The bound only keeps what an untrained network may say from overflowing.
    size = np.exp(np.minimum(values[:, 2:4] * np.float32(unit), 4.0)) * lengths
    boxes = np.concatenate([centers + scaled[:, :2] - size / 2, size], axis=1)
    landmarks = scaled[:, 4:].reshape(-1, 5, 2) + centers[:, None]
    return boxes, landmarks


def encode(
    boxes: FloatArray, landmarks: FloatArray, centers: FloatArray, lengths: FloatArray, unit: float
) -> FloatArray:
    """The numbers, (n, 14), that `decode` would make these boxes and landmarks of; its shapes."""
    middle = (boxes[:, :2] + boxes[:, 2:] / 2 - centers) / lengths
    size = np.log(boxes[:, 2:] / lengths)
    points = ((landmarks - centers[:, None]) / lengths[:, None]).reshape(len(boxes), 10)
    encoded: FloatArray = (np.concatenate([middle, size, points], axis=1) / unit).astype(np.float32)
    return encoded


def suppress(boxes: FloatArray, scores: FloatArray, limit: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: of boxes that overlap by more than `limit`, the surest stays.

    Parameters
    ----------
    boxes
        (n, 4) x, y, width, height.
    scores
        (n,) higher is surer.
    limit
        Intersection over union, 0 to 1.

    Returns
    -------
    Indices of those that stay, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    low, size = np.ascontiguousarray(boxes[order].T).reshape(2, 2, -1)
    high = low + size
    # Every box with every other one, and x and y, in one array: with few boxes it is the calls that cost.
    shared = np.minimum(high[:, :, None], high[:, None])
    shared -= np.maximum(low[:, :, None], low[:, None])
    np.maximum(shared, 0, out=shared)
    overlap = shared[0] * shared[1]
    area = size[0] * size[1]
    crowded = overlap * (1 + limit) > limit * (area[:, None] + area)
    stays: list[int] = []
    gone = np.zeros(len(order), bool)
    for index in range(len(order)):
        if not gone[index]:
            stays.append(index)
            gone |= crowded[index]
    kept: npt.NDArray[np.intp] = order[stays]
    return kept


def read_faces(
    values: FloatArray, centers: FloatArray, lengths: FloatArray, *, unit: float, overlap_limit: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The faces that some cells tell of, each face once.

    Parameters
    ----------
    values
        (n, 15) numbers of the cells whose logit is high enough.
    centers, lengths, unit
        As in `decode`.
    overlap_limit
        As in `suppress`.

    Returns
    -------
    boxes, landmarks, scores
        (m, 4), (m, 5, 2) and (m,), the surest first; pixels of the input, scores 0 to 1.
    """
    boxes, landmarks = decode(values[:, 1:], centers, lengths, unit)
    kept = suppress(boxes, values[:, 0], overlap_limit)
    scores = 1 / (1 + np.exp(-values[kept, 0]))
    return boxes[kept], landmarks[kept], scores
