"""What each cell of the face detector is asked to answer for one scene."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.features.cells import CellGrid, encode
from training.datasets.face_scenes import Scene
from training.recipe_parts import DetectorTargets

FloatArray = npt.NDArray[np.float32]

STATE, LANDMARKS_KNOWN, NUMBERS = 0, 1, slice(2, 16)
"""Columns: the state; whether the landmarks are known, 0 or 1; the numbers that `encode` gives."""
FACE, EMPTY, LEFT_OUT = 1.0, 0.0, -1.0
"""The states of a cell."""
COLUMNS = 16
MAP_SLACK = 0.7
"""Cells of a map next to a face's own are left out of the loss, not told that there is no face, within this factor."""


def assign(scene: Scene, grid: CellGrid, options: DetectorTargets) -> FloatArray:
    """Give each face the cells around its middle, on the maps for its size, as FCOS does (Tian et al. 2019).

    A cell that several faces want goes to the smallest. Cells inside a face that are not asked for it, on maps that
    could well see it, and cells in regions to be left out, are left out of the loss.

    Returns
    -------
    (cells, 16) float32, columns as above
    """
    targets = np.zeros((len(grid.centers), COLUMNS), np.float32)
    least, most, strides = (
        np.repeat(np.asarray(values, np.float32), grid.counts)
        for values in ([low for low, _ in options.ranges], [high for _, high in options.ranges], grid.strides)
    )
    for box in scene.ignored:
        targets[_near(grid.centers, box, 0.5 * box[2:] + 2)[0], STATE] = LEFT_OUT
    sides = scene.boxes[:, 2:].max(axis=1, initial=0)
    # The largest first, so that a smaller one takes its cells over.
    for index in np.argsort(-sides):
        box, side = scene.boxes[index], sides[index]
        inside, distance = _near(grid.centers, box, 0.5 * box[2:])
        fits = (least * MAP_SLACK <= side) & (side <= most / MAP_SLACK)
        targets[inside & fits & (targets[:, STATE] == EMPTY), STATE] = LEFT_OUT
        if side < options.least_pixels:
            continue
        reach = np.maximum(options.radius * box[2:], options.radius_cells * strides[:, None])
        asked = (distance <= reach).all(axis=1) & (least <= side) & (side <= most)
        count = int(asked.sum())
        points = scene.landmarks[index]
        known = bool(np.isfinite(points).all())
        targets[asked, STATE] = FACE
        targets[asked, LANDMARKS_KNOWN] = known
        targets[asked, NUMBERS] = encode(
            np.repeat(box[None], count, axis=0),
            np.repeat((points if known else np.zeros_like(points))[None], count, axis=0),
            grid.centers[asked],
            grid.lengths[asked],
            grid.unit,
        )
    return targets


def _near(centers: FloatArray, box: FloatArray, reach: FloatArray) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Which cells lie within `reach` (x, y) of a box's middle, and how far, (cells, 2), each one does."""
    distance: FloatArray = np.abs(centers - (box[:2] + box[2:] / 2))
    within: npt.NDArray[np.bool_] = np.all(distance <= reach, axis=1)
    return within, distance
