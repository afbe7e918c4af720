"""Valence, arousal and dominance measured on EmoBank: a text emotion model's further outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import verify
from edge.errors import ModelError
from edge.features.token_ids import TokenIds
from edge.features.words import tokenise
from edge.inference.manifest import Manifest
from edge.recognizers.text_model import RATING_MIDDLE
from training.datasets import emobank
from training.evaluation.intervals import Estimate, drawn_anew, percentiles
from training.evaluation.metrics import Floats


@dataclass(frozen=True)
class RatingFigures:
    """One rating's figures, with 95 % bootstrap intervals over texts."""

    pearson: Estimate | None
    """Correlation of answers and mean ratings, -1 to 1; None where one of both never changes."""
    mean_absolute_error: Estimate
    """On the scale from 1 to 5."""


@dataclass(frozen=True)
class RatingReport:
    """All ratings of one model on one split."""

    texts: int
    per_rating: dict[str, RatingFigures]
    protocol: dict[str, Any]


def evaluate_ratings(path: Path, manifest: Manifest, folder: Path, split: str, *, progress: bool) -> RatingReport:
    """Measure an int8 file's ratings on EmoBank's split of the same name, as the device reads them.

    Raises
    ------
    DataError
        EmoBank is not in the folder or below, or damaged.
    ModelError
        The ratings are not EmoBank's.
    """
    texts = emobank.read(folder)[split]
    if manifest.ratings != texts.labels:
        raise ModelError(
            f"{path}: rates {', '.join(manifest.ratings)[:100]} where EmoBank has {', '.join(texts.labels)}"
        )
    number = TokenIds(manifest.text_input.text)
    ids = np.stack([number(tokenise(text)) for text in texts.texts])
    outputs = verify.logits(path, ids, progress=progress)[:, len(manifest.labels) :]
    return RatingReport(
        texts=len(texts),
        per_rating=measure_ratings(np.clip(RATING_MIDDLE + outputs, 1, 5), texts.targets, texts.labels),
        protocol={
            "source": f"EmoBank, {'dev' if split == 'validation' else split}",
            "sha256": texts.digest(),
            "sha256_of": "the texts (UTF-8, each with a line feed behind) and then their ratings (float32, "
            "little-endian), in order",
            "scored": "these texts were not trained on and chose nothing",
        },
    )


def measure_ratings(answers: Floats, targets: Floats, names: tuple[str, ...]) -> dict[str, RatingFigures]:
    """Compare (n, ratings) answers with mean ratings, both from 1 to 5."""
    return {name: _measure(answers[:, place], targets[:, place]) for place, name in enumerate(names)}


def rating_lines(report: RatingReport) -> Iterator[str]:
    """What is printed for people."""
    yield f"{report.protocol['source']}: {report.texts:,} texts"
    width = max(map(len, report.per_rating)) + 2
    yield f"{'rating':<{width}}{'Pearson r':>10}   {'95 % interval':<18}{'mean error':>10}   95 % interval (1 to 5)"
    for name, figures in report.per_rating.items():
        r, error = figures.pearson, figures.mean_absolute_error
        correlation = f"{'-':>10}   {'':<18}" if r is None else f"{r.value:>10.3f}   {_between(r):<18}"
        yield f"{name:<{width}}{correlation}{error.value:>10.3f}   {_between(error)}"


def _measure(answers: Floats, targets: Floats) -> RatingFigures:
    errors = np.abs(answers.astype(np.float64) - targets)
    # Around their means, so that sums of squares lose nothing.
    x, y = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (answers, targets))
    columns = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, errors], axis=1)
    drawn = drawn_anew(columns)
    pearson = None
    if np.ptp(answers) > 0 and np.ptp(targets) > 0:
        rounds = _correlations(drawn)
        value = float(_correlations(columns.sum(axis=0, keepdims=True))[0])
        pearson = Estimate(value, percentiles(rounds[np.isfinite(rounds)]))
    return RatingFigures(pearson, Estimate(float(errors.mean()), percentiles(drawn[:, 6] / drawn[:, 0])))


def _correlations(sums: Floats) -> Floats:
    """Pearson's r from the sums of 1, x, y, xx, yy, xy; NaN where something never changes."""
    n, x, y, xx, yy, xy, _ = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y))
    return found


def _between(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{low:.3f} to {high:.3f}"
