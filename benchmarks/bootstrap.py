"""How far the figures of a detector would move if the photographs had been others: the percentile bootstrap.

Photographs, not faces, are drawn anew, with replacement (Efron 1979): faces of one photograph are found or missed
together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.detection import Found, Marked, judge, summarise

Interval = tuple[float, float]


def intervals(
    marked: Sequence[Marked], found: Sequence[Found], *, least_width: float, resamples: int
) -> tuple[Interval, Interval]:
    """The 95 % intervals of average precision and of recall, as `score_detections` defines them."""
    # Each photograph is judged once: that takes nearly all the time.
    judged = [judge(truth, answer, least_width=least_width) for truth, answer in zip(marked, found, strict=True)]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        figures = summarise([judged[at] for at in random.integers(len(judged), size=len(judged))])
        drawn.append((figures.average_precision, figures.recall))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0).tolist()
    return (low[0], high[0]), (low[1], high[1])
