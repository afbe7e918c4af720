"""How well faces are found: average precision, and recall at a rate of false alarms.

Matching follows Pascal VOC (Everingham et al. 2010): the surest detection first, each marked face once, at an
intersection over union of 0.5. Faces below the least width count for nothing, as do detections on them, on regions
that are left out, and, as in COCO, unmatched detections that are themselves below that width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LEAST_OVERLAP = 0.5
IGNORED_PART = 0.5
"""A detection with this part of its area in a region to be left out counts for nothing."""
FALSE_ALARMS_PER_IMAGE = 0.1


@dataclass(frozen=True)
class Marked:
    """What is known of one picture."""

    width: int
    """Of the picture, pixels."""
    boxes: FloatArray
    """(faces, 4) x, y, width, height."""
    ignored: FloatArray
    """(regions, 4)."""
    landmarks: FloatArray | None = None
    """(faces, 5, 2) x, y; NaN where a face has none."""


@dataclass(frozen=True)
class Found:
    """What a detector said of one picture."""

    boxes: FloatArray
    """(n, 4) x, y, width, height in pixels of the picture."""
    scores: FloatArray
    """(n,) higher is surer."""
    landmarks: FloatArray | None = None
    """(n, 5, 2) in pixels of the picture, from a detector that gives them."""


@dataclass(frozen=True)
class DetectionFigures:
    """How a detector did."""

    images: int
    faces: int
    """Marked faces of at least the least width."""
    average_precision: float
    """Area under precision over recall, every point counted."""
    recall: float
    """At no more than `FALSE_ALARMS_PER_IMAGE`."""
    threshold: float
    """The score at which that recall is reached."""

    def as_dict(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


def score_detections(
    marked: Sequence[Marked],
    found: Sequence[Found],
    *,
    least_width: float,
    false_alarms_per_image: float = FALSE_ALARMS_PER_IMAGE,
) -> DetectionFigures:
    """Score a detector's answers to some pictures.

    Parameters
    ----------
    least_width
        Least width of a face that counts, as a part of the picture's.
    false_alarms_per_image
        At which recall is told.
    """
    judged = [judge(truth, answer, least_width=least_width) for truth, answer in zip(marked, found, strict=True)]
    return summarise(judged, false_alarms_per_image=false_alarms_per_image)


@dataclass(frozen=True)
class Judged:
    """What the answers to one picture are worth."""

    faces: int
    """Marked faces that count."""
    scores: npt.NDArray[np.float64]
    """(n,) of the answers that count."""
    hits: npt.NDArray[np.bool_]
    """(n,) whether each one is a face."""


def judge(truth: Marked, answer: Found, *, least_width: float) -> Judged:
    """Match the answers to one picture with its faces, the surest answer first."""
    least = least_width * truth.width
    counts = truth.boxes[:, 2] >= least
    overlap = overlaps(answer.boxes, truth.boxes)
    free = np.ones(len(truth.boxes), bool)
    scores, hits = [], []
    for index in np.argsort(-answer.scores, kind="stable"):
        row = np.where(free, overlap[index], -1.0)
        # A face that counts goes before one that does not.
        best = max(
            range(len(row)), key=lambda face: (row[face] >= LEAST_OVERLAP, counts[face], row[face]), default=None
        )
        is_hit = best is not None and row[best] >= LEAST_OVERLAP
        if best is not None and is_hit:
            free[best] = False
            if not counts[best]:
                continue
        elif answer.boxes[index][2] < least or (parts_within(answer.boxes[index], truth.ignored) >= IGNORED_PART).any():
            continue
        scores.append(float(answer.scores[index]))
        hits.append(is_hit)
    return Judged(int(counts.sum()), np.asarray(scores, np.float64), np.asarray(hits, bool))


def summarise(judged: Sequence[Judged], *, false_alarms_per_image: float = FALSE_ALARMS_PER_IMAGE) -> DetectionFigures:
    """The figures of several pictures; answers of equal score come together or not at all."""
    faces = sum(each.faces for each in judged)
    scores = np.concatenate([each.scores for each in judged])
    order = np.argsort(-scores, kind="stable")
    ranked, is_hit = scores[order], np.concatenate([each.hits for each in judged])[order]
    ends = np.flatnonzero(np.diff(ranked, append=-np.inf))
    right, wrong = np.cumsum(is_hit)[ends], np.cumsum(~is_hit)[ends]
    recall = right / max(faces, 1)
    allowed = np.flatnonzero(wrong <= false_alarms_per_image * len(judged))
    # Precision at a recall is the best that is reached at that recall or beyond.
    precision = np.maximum.accumulate((right / np.maximum(right + wrong, 1))[::-1])[::-1]
    return DetectionFigures(
        images=len(judged),
        faces=faces,
        average_precision=float(np.sum(np.diff(recall, prepend=0.0) * precision)),
        recall=float(recall[allowed[-1]]) if allowed.size else 0.0,
        threshold=float(ranked[ends[allowed[-1]]]) if allowed.size else float("inf"),
    )


def landmark_error(marked: Sequence[Marked], found: Sequence[Found], *, threshold: float) -> float | None:
    """Mean distance of the landmarks of faces that are found, in distances between the marked eyes.

    None where nothing can be compared.
    """
    errors: list[float] = []
    for truth, answer in zip(marked, found, strict=True):
        if truth.landmarks is None or answer.landmarks is None or not len(truth.boxes):
            continue
        overlap = overlaps(answer.boxes, truth.boxes)
        for index in np.flatnonzero(answer.scores >= threshold):
            face = int(overlap[index].argmax())
            points = truth.landmarks[face]
            if overlap[index, face] >= LEAST_OVERLAP and np.isfinite(points).all():
                apart = np.linalg.norm(points - answer.landmarks[index], axis=1).mean()
                errors.append(float(apart / max(np.linalg.norm(points[0] - points[1]), 1.0)))
    return float(np.mean(errors)) if errors else None


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of each box, (n, 4), with each other one, (m, 4): (n, m)."""
    shared = _shared(boxes, others)
    area, other = np.prod(boxes[:, 2:], axis=1), np.prod(others[:, 2:], axis=1)
    result: FloatArray = shared / np.maximum(area[:, None] + other - shared, 1e-6)
    return result


def parts_within(box: FloatArray, regions: FloatArray) -> FloatArray:
    """Which part of a box, (4,), lies in each region, (n, 4): (n,)."""
    result: FloatArray = _shared(box[None], regions)[0] / max(float(box[2] * box[3]), 1e-6)
    return result


def _shared(boxes: FloatArray, others: FloatArray) -> FloatArray:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    result: FloatArray = np.prod(np.maximum(high - low, 0), axis=2)
    return result
