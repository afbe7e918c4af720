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
    scores, hits = [], []
    faces = 0
    for truth, answer in zip(marked, found, strict=True):
        counts = truth.boxes[:, 2] >= least_width * truth.width
        faces += int(counts.sum())
        for score, verdict in _judge(truth, answer, counts, least_width * truth.width):
            scores.append(score)
            hits.append(verdict)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    ranked = np.asarray(scores, np.float64)[order]
    is_hit = np.asarray(hits, bool)[order]
    right, wrong = np.cumsum(is_hit), np.cumsum(~is_hit)
    recall = right / max(faces, 1)
    allowed = np.flatnonzero(wrong <= false_alarms_per_image * len(marked))
    # Detections of equal score come together or not at all.
    while allowed.size and allowed[-1] + 1 < len(ranked) and ranked[allowed[-1] + 1] == ranked[allowed[-1]]:
        allowed = allowed[:-1]
    return DetectionFigures(
        images=len(marked),
        faces=faces,
        average_precision=_average_precision(right, wrong, recall),
        recall=float(recall[allowed[-1]]) if allowed.size else 0.0,
        threshold=float(ranked[allowed[-1]]) if allowed.size else float("inf"),
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


def _judge(truth: Marked, answer: Found, counts: npt.NDArray[np.bool_], least: float) -> list[tuple[float, bool]]:
    """(score, whether it is a face) of the detections of one picture that count."""
    overlap = overlaps(answer.boxes, truth.boxes)
    free = np.ones(len(truth.boxes), bool)
    verdicts = []
    for index in np.argsort(-answer.scores, kind="stable"):
        row = np.where(free, overlap[index], -1.0)
        # A face that counts goes before one that does not.
        best = max(
            range(len(row)), key=lambda face: (row[face] >= LEAST_OVERLAP, counts[face], row[face]), default=None
        )
        if best is not None and row[best] >= LEAST_OVERLAP:
            free[best] = False
            if counts[best]:
                verdicts.append((float(answer.scores[index]), True))
            continue
        box = answer.boxes[index]
        if box[2] < least or (parts_within(box, truth.ignored) >= IGNORED_PART).any():
            continue
        verdicts.append((float(answer.scores[index]), False))
    return verdicts


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


def _average_precision(
    right: npt.NDArray[np.int64], wrong: npt.NDArray[np.int64], recall: npt.NDArray[np.float64]
) -> float:
    if not len(right):
        return 0.0
    precision = right / np.maximum(right + wrong, 1)
    # Precision at a recall is the best that is reached at that recall or beyond.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * envelope))
