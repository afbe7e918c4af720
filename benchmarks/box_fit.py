"""One constant change of a detector's boxes, so that detectors are compared by what they find and not by how they
frame it: one draws from brow to chin, another around the whole head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from training.evaluation.detection import FloatArray, Found, Marked, overlaps

LEAST_OVERLAP = 0.3
"""Boxes that are drawn differently around one face still overlap by so much."""
LEAST_WIDTH = 0.05
"""Faces of at least this part of the picture's width are fitted to."""


@dataclass(frozen=True)
class BoxFit:
    """How boxes are changed, in parts of their own sides."""

    x: float = 0.0
    """The middle moves to the right by this part of the width."""
    y: float = 0.0
    """The middle moves down by this part of the height."""
    width: float = 1.0
    """Factor on the width."""
    height: float = 1.0

    def apply(self, found: Found) -> Found:
        """The same detections with their boxes changed."""
        middle = found.boxes[:, :2] + found.boxes[:, 2:] * np.array([0.5 + self.x, 0.5 + self.y], np.float32)
        size = found.boxes[:, 2:] * np.array([self.width, self.height], np.float32)
        return Found(np.concatenate([middle - size / 2, size], axis=1), found.scores)

    def as_dict(self) -> dict[str, float]:
        return {key: round(value, 3) for key, value in asdict(self).items()}


def fit_boxes(marked: Sequence[Marked], found: Sequence[Found]) -> BoxFit:
    """The median change from a detector's boxes to the marked ones; none where nothing was found."""
    changes: list[FloatArray] = []
    for truth, answer in zip(marked, found, strict=True):
        faces = truth.boxes[truth.boxes[:, 2] >= LEAST_WIDTH * truth.width]
        if not len(faces) or not len(answer.boxes):
            continue
        overlap = overlaps(faces, answer.boxes)
        best = overlap.argmax(axis=1)
        met = overlap.max(axis=1) >= LEAST_OVERLAP
        theirs, labels = answer.boxes[best[met]], faces[met]
        moved = labels[:, :2] + labels[:, 2:] / 2 - theirs[:, :2] - theirs[:, 2:] / 2
        changes.append(np.concatenate([moved / theirs[:, 2:], labels[:, 2:] / theirs[:, 2:]], axis=1))
    if not changes:
        return BoxFit()
    return BoxFit(*np.median(np.concatenate(changes), axis=0).tolist())
