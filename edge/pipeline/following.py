"""Faces between two searches: each moves as the picture inside its box does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.observation import Box, Face, Image
from edge.pipeline.motion import MotionWatch

PATTERN = 24
"""Side of a face's pattern in pixels: large faces are shrunk to it, so that all cost the same."""

REACH = 8
"""Pixels of the pattern's scale that a face may move by in one frame: a third of its side."""

LEAST_MATCH = 0.75
"""Normalised correlation below which a face counts as lost. Nods, tilts of 3 degrees and noise leave over 0.8; another
part of the picture seldom comes to 0.6."""


@dataclass(slots=True)
class _Anchor:
    """A face as the last search found it."""

    face: Face
    pattern: Image
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels of the frame that it has moved since."""


class FaceFollower:
    """Moves faces and their landmarks with the picture, always from where the last search found them.

    A face whose box shows no motion stays. Of another, the pattern is looked for around its last place by normalised
    correlation, which the light does not change, to a fraction of a pixel by a parabola through the maximum and its
    neighbours. Turns and nearing are left to the next search.
    """

    def __init__(self) -> None:
        self._anchors: list[_Anchor] = []

    def start(self, faces: Sequence[Face], motion: MotionWatch) -> None:
        """Take the faces that were found in the frame that `motion` looked at last."""
        self._anchors = [_Anchor(face, _cut(motion, face.box, (0.0, 0.0), PATTERN)) for face in faces]

    def follow(self, motion: MotionWatch) -> list[Face] | None:
        """The faces in the frame that `motion` looked at last, in the order of `start`; None if one was lost."""
        for anchor in self._anchors:
            if not motion.within(anchor.face.box):
                anchor.shift = (0.0, 0.0)
            elif (shift := _shift(anchor, motion)) is not None:
                anchor.shift = shift
            else:
                return None
        return [_moved(anchor) for anchor in self._anchors]


def _shift(anchor: _Anchor, motion: MotionWatch) -> tuple[float, float] | None:
    """How far a face has moved since the search; None if it is not found, or may be farther than the reach."""
    window = _cut(motion, anchor.face.box, anchor.shift, PATTERN + 2 * REACH)
    match = cv2.matchTemplate(window, anchor.pattern, cv2.TM_CCOEFF_NORMED)
    _, score, _, (x, y) = cv2.minMaxLoc(match)
    if score < LEAST_MATCH or not (0 < x < 2 * REACH and 0 < y < 2 * REACH):
        return None
    box, scale = anchor.face.box, _scale(anchor.face.box)
    right = anchor.shift[0] + (x - REACH + _peak(match[y, x - 1 : x + 2])) * scale
    down = anchor.shift[1] + (y - REACH + _peak(match[y - 1 : y + 2, x])) * scale
    height, width = motion.shape
    # Beyond the border the picture is repeated: a face that is half out is no longer measured.
    if not (0 <= box.x + box.width / 2 + right <= width and 0 <= box.y + box.height / 2 + down <= height):
        return None
    return right, down


def _cut(motion: MotionWatch, box: Box, shift: tuple[float, float], side: int) -> Image:
    """A square of `side` pixels around a box that moved by `shift`, at the pattern's scale; borders are repeated."""
    scale = _scale(box) / motion.stride
    # Sample i is the frame's pixel stride * i + stride // 2.
    middle_x = (box.x + box.width / 2 + shift[0] - motion.stride // 2) / motion.stride
    middle_y = (box.y + box.height / 2 + shift[1] - motion.stride // 2) / motion.stride
    half = (side - 1) / 2 * scale
    matrix = np.array([[scale, 0, middle_x - half], [0, scale, middle_y - half]], np.float32)
    cut: Image = cv2.warpAffine(
        motion.samples,
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cut


def _scale(box: Box) -> float:
    """Pixels of the frame per pixel of the face's pattern."""
    return max(box.width, box.height) / PATTERN


def _peak(values: npt.NDArray[np.float32]) -> float:
    """Where the parabola through three values has its maximum, from the middle one, which is the largest."""
    left, middle, right = values.tolist()
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0


def _moved(anchor: _Anchor) -> Face:
    face, (right, down) = anchor.face, anchor.shift
    if not (right or down):
        return face
    box = Box(round(face.box.x + right), round(face.box.y + down), face.box.width, face.box.height)
    landmarks = face.landmarks and tuple([(x + right, y + down) for x, y in face.landmarks])
    return Face(box, face.score, landmarks)
