"""The ways to cut a face that are measured: by landmarks on a grid of scales and offsets, and by the box."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from edge.features.face import DEFAULT_GEOMETRY, CropGeometry, crop_face
from edge.observation import Box, Face, Image
from training.evaluation.crop_geometry import Cut

SCALES = (0.9, 1.0, 1.1, 1.2, 1.3)
"""Of the face in its crop, beside the ready-made crops' own."""
OFFSETS = (-0.08, -0.04, 0.0, 0.04, 0.08)
"""By which part of the crop's side the face lies lower than in them."""
MARGINS = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
"""By which part of its longer side the box is widened."""


@dataclass(frozen=True)
class Way:
    """One way to cut."""

    name: str
    cut: Cut
    geometry: CropGeometry | None = None
    """None: by the box."""
    margin: float | None = None
    """None: by landmarks."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        geometry = None if self.geometry is None else asdict(self.geometry)
        return {"name": self.name, "geometry": geometry, "margin": self.margin}


@dataclass(frozen=True)
class Ways:
    """All that are measured."""

    installed: Way
    """As the runtime cuts."""
    estimate: Way
    """By the landmarks' places in the ready-made crops; it is the grid's middle."""
    without_turning: Way
    """As the estimate, but a tilted face stays tilted."""
    grid: tuple[tuple[Way, ...], ...]
    """By landmarks: a row for each of `SCALES`, a column for each of `OFFSETS`."""
    upright_grid: tuple[Way, ...]
    """One for each of `SCALES`, without turning."""
    boxes: tuple[Way, ...]
    """One for each of `MARGINS`."""
    box: Way
    """The box as it is."""

    def all(self) -> list[Way]:
        return list(dict.fromkeys([self.installed, *sum(self.grid, ()), *self.upright_grid, *self.boxes]))


def list_ways(estimate: CropGeometry, size: int) -> Ways:
    """The ways around an estimate of the ready-made crops' geometry.

    Parameters
    ----------
    estimate
        Where landmarks lie in ready-made crops.
    size
        Side of the crops to cut, pixels.
    """
    grid = tuple(
        tuple(_by_landmarks(replace(estimate, scale=scale, offset=offset), size) for offset in OFFSETS)
        for scale in SCALES
    )
    upright = tuple(_by_landmarks(replace(estimate, scale=scale, rotate=False), size) for scale in SCALES)
    boxes = tuple(_by_box(margin, size) for margin in MARGINS)
    return Ways(
        installed=replace(_by_landmarks(DEFAULT_GEOMETRY, size), name="landmarks, as installed"),
        estimate=grid[SCALES.index(1.0)][OFFSETS.index(0.0)],
        without_turning=upright[SCALES.index(1.0)],
        grid=grid,
        upright_grid=upright,
        boxes=boxes,
        box=boxes[MARGINS.index(0.0)],
    )


def _by_landmarks(geometry: CropGeometry, size: int) -> Way:
    name = f"landmarks, scale {geometry.scale:.1f}, offset {geometry.offset:+.2f}"
    if not geometry.rotate:
        name += ", not turned"
    return Way(name, partial(crop_face, size=size, geometry=geometry), geometry=geometry)


def _by_box(margin: float, size: int) -> Way:
    return Way(f"box, margin {margin:+.1f}", partial(_cut_box, margin=margin, size=size), margin=margin)


def _cut_box(image: Image, face: Face, *, margin: float, size: int) -> Image:
    """The square around the widened box; without landmarks there is nothing else to cut by."""
    box = face.box
    side = max(1, round(max(box.width, box.height) * (1 + margin)))
    square = Box(round(box.x + (box.width - side) / 2), round(box.y + (box.height - side) / 2), side, side)
    return crop_face(image, Face(square, face.score), size=size)
