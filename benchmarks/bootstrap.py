"""How far the figures of a detector would move if the photographs had been others: the percentile bootstrap.

Photographs, not faces, are drawn anew, with replacement (Efron 1979): faces of one photograph are found or missed
together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.evaluation.detection import (
    FALSE_ALARMS_PER_IMAGE,
    Found,
    Marked,
    _average_precision,
    _judge,
)

Interval = tuple[float, float]


def intervals(
    marked: Sequence[Marked], found: Sequence[Found], *, least_width: float, resamples: int
) -> tuple[Interval, Interval]:
    """The 95 % intervals of average precision and of recall, as `score_detections` defines them."""
    # Each photograph is judged once: that takes nearly all the time.
    scores, hits, faces = [], [], []
    for truth, answer in zip(marked, found, strict=True):
        counts = truth.boxes[:, 2] >= least_width * truth.width
        verdicts = _judge(truth, answer, counts, least_width * truth.width)
        scores.append(np.array([score for score, _ in verdicts], np.float64))
        hits.append(np.array([hit for _, hit in verdicts], bool))
        faces.append(int(counts.sum()))
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        picked = random.integers(len(marked), size=len(marked))
        drawn.append(
            _figures(
                np.concatenate([scores[at] for at in picked]),
                np.concatenate([hits[at] for at in picked]),
                sum(faces[at] for at in picked),
                len(marked),
            )
        )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0).tolist()
    return (low[0], high[0]), (low[1], high[1])


def _figures(
    scores: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_], faces: int, photographs: int
) -> tuple[float, float]:
    """Average precision and recall."""
    order = np.argsort(-scores, kind="stable")
    ranked, is_hit = scores[order], hits[order]
    right, wrong = np.cumsum(is_hit, dtype=np.int64), np.cumsum(~is_hit, dtype=np.int64)
    recall = right / max(faces, 1)
    # The last of those with one score stands for them all: they come together or not at all.
    ends = np.flatnonzero(np.diff(ranked, append=-np.inf))
    allowed = ends[wrong[ends] <= FALSE_ALARMS_PER_IMAGE * photographs]
    return _average_precision(right, wrong, recall), float(recall[allowed[-1]]) if allowed.size else 0.0
