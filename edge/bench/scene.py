"""The pictures that the camera's path is measured on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from typing import cast

import cv2
import numpy as np

from edge.errors import MissingDependencyError
from edge.observation import Image
from edge.sources.demo import DemoSource

FACE = "the built-in demonstration: one face, moving"
NO_FACE = (
    "no portrait is installed (pip install 'affect-edge[demo]'): a moving pattern without a face, so that faces are "
    "only searched for"
)


def scene(width: int, height: int, fps: float) -> tuple[str, Iterator[Image]]:
    """What is seen, and its pictures without end, (height, width, 3) uint8, one for each frame of a camera."""
    if why_no_face() is None:
        demo = DemoSource(paced=False, width=width, height=height, fps=fps)
        return FACE, (frame.image for frame in demo)
    return NO_FACE, _pattern(width, height, fps)


def why_no_face() -> str | None:
    """Why there is no demonstration; None where there is one."""
    try:
        DemoSource(paced=False).close()
    except MissingDependencyError as error:
        return str(error)
    return None


def _pattern(width: int, height: int, fps: float) -> Iterator[Image]:
    """Soft blots that drift by as a hand-held camera would show them."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    wide = cast(Image, cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC))
    for index in count():
        turn = 2 * math.pi * index / fps
        x, y = round(width * (0.5 + 0.4 * math.sin(turn / 7))), round(height * (0.5 + 0.4 * math.sin(turn / 5)))
        yield wide[y : y + height, x : x + width].copy()
