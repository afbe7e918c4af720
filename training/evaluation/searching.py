"""Photographs searched with a face detector, as the device searches its frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from edge.features.cells import CellGrid, FloatArray, read_faces
from edge.features.letterbox import letterbox
from training.datasets.face_batches import as_input
from training.datasets.face_photos import Photo
from training.evaluation.detection import Found, Marked

LEAST_LOGIT = -4.0
"""Cells below it are not read when a detector is scored: a face is all but ruled out there."""
OVERLAP_LIMIT = 0.4
"""Of two boxes of one face; two faces of two persons seldom overlap by more."""
BATCH = 32


def mark(photo: Photo) -> Marked:
    """What a scorer needs to know of a photograph."""
    return Marked(photo.image.shape[1], photo.boxes, photo.ignored, photo.landmarks)


def detect(
    photos: Sequence[Photo],
    grid: CellGrid,
    answer: Callable[[FloatArray], FloatArray],
    *,
    overlap_limit: float = OVERLAP_LIMIT,
    progress: bool = False,
) -> list[Found]:
    """Find the faces of photographs.

    Parameters
    ----------
    photos
        Scaled to the model's input as the device does it.
    grid
        The model's cells.
    answer
        (n, height, width, 1) from 0 to 1 -> (n, cells, 15).
    """
    found: list[Found] = []
    for start in tqdm(range(0, len(photos), BATCH), desc="detect", unit="batch", disable=not progress, leave=False):
        group = photos[start : start + BATCH]
        boxed = [letterbox(photo.image, grid.height, grid.width) for photo in group]
        inputs = as_input(np.stack([canvas for canvas, _ in boxed]))
        for photo, values, (_, scale) in zip(group, answer(inputs), boxed, strict=True):
            found.append(_found(values, grid, scale, photo, overlap_limit))
    return found


def _found(values: FloatArray, grid: CellGrid, scale: float, photo: Photo, overlap_limit: float) -> Found:
    picked = np.flatnonzero(values[:, 0] >= LEAST_LOGIT)
    boxes, landmarks, scores = read_faces(
        values[picked], grid.centers[picked], grid.lengths[picked], unit=grid.unit, overlap_limit=overlap_limit
    )
    return Found(clip(boxes / scale, photo), scores, landmarks / scale)


def clip(boxes: FloatArray, photo: Photo) -> FloatArray:
    """Boxes, (n, 4), cut at the borders of a photograph, as its marked ones are."""
    height, width = photo.image.shape[:2]
    low = np.clip(boxes[:, :2], 0, (width, height))
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, (width, height))
    return np.concatenate([low, high - low], axis=1)
