"""Data for a conversion: samples to measure ranges on (and for QAT to learn from), and others to judge by.

What each kind of source gives is read by `converter.sources`; here it is checked against the model and divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.sources import Raw, Wanted, read_source
from converter.subject import Subject
from edge.errors import DataError

FloatArray = npt.NDArray[np.float32]

HELD_OUT = 10
"""Without validation data of its own, one sample in so many is held out of a data set..."""
LEAST_HELD_OUT = 10
"""...and no fewer than this many."""


@dataclass(frozen=True)
class Samples:
    """Input of a model and, where it is known, what the answer should be."""

    x: npt.NDArray[Any]
    """(n, ...) as the model takes it: float32, or int32 for numbers that are looked up in a table."""
    y: npt.NDArray[Any] | None
    """(n,) class numbers; (n, classes) float32 probabilities; (n, classes) integers 0 and 1 where several classes may
    hold at once; (n, ...) float32 of the output's own shape for a model that is no classifier; None where there are
    none."""

    def __post_init__(self) -> None:
        if self.y is not None and len(self.y) != len(self.x):
            raise DataError(f"{len(self.y)} targets for {len(self.x)} samples")

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices: npt.NDArray[np.intp]) -> Samples:
        """Some of them."""
        return Samples(self.x[indices], None if self.y is None else self.y[indices])

    def accuracy(self, outputs: npt.NDArray[Any]) -> float | None:
        """Share of the samples whose largest output stands at their class (at one of their classes), 0 to 1.

        Parameters
        ----------
        outputs
            (n, classes) logits or probabilities.

        Returns
        -------
        None where there are no classes to compare with.
        """
        if self.y is None or outputs.ndim != 2 or outputs.shape[1] < 2:
            return None
        named = outputs.argmax(axis=1)
        if self.y.ndim == 1:
            return float((named == self.y).mean())
        if self.y.shape != outputs.shape:
            return None
        if self.y.dtype.kind == "f":
            return float((named == self.y.argmax(axis=1)).mean())
        return float((self.y[np.arange(len(named)), named] > 0).mean())


@dataclass(frozen=True)
class Data:
    """What a conversion works with."""

    calibration: Samples
    """What ranges are measured on, and what QAT learns from."""
    validation: Samples
    """Others, which nothing is fitted to but the choice of QAT's best epoch."""
    labels: tuple[str, ...] | None
    """Names of the classes in the order of the outputs, where the source tells them."""
    source: str
    """What it was read from, for messages and the report."""
    input_range: tuple[float, float] | None = None
    """The real numbers that pixel values 0 and 255 were scaled to, or the range that was asked for; None: what the
    calibration samples have."""


def read_data(
    source: str | Path,
    subject: Subject,
    *,
    labels: tuple[str, ...] | None = None,
    input_range: tuple[float, float] | None = None,
    data_dir: Path | None = None,
    most: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Data:
    """Read calibration and validation data for a model.

    Parameters
    ----------
    source
        - a folder of pictures, searched through: made grey or RGB as the model takes them, scaled to its size; where
          its sub-folders are the classes (they carry the names of `labels`; or there are as many as outputs, in
          alphabetical order), they become `y`.
        - an .npz file with `x`, and optionally `y`, `x_validation`, `y_validation`; uint8 are pixels (a model of
          pictures), float32 are what the model takes.
        - a folder that tf.data.Dataset.save wrote, of x or (x, y), in batches or not.
        - `recipe:NAME`: what the recipe of that name trains on, from the public data in `data_dir`.
    subject
        The model; it tells shape and dtype.
    labels
        Names of the outputs in their order, where they are known.
    input_range
        The real numbers that the input goes from and to. Left out: pixels go from 0 to 1, other data as they are.
    most
        Draw at most so many samples, before they are held out.
    seed
        Of the draw and of what is held out.

    Returns
    -------
    Data
        Where the source has no validation data, a tenth of the samples (ten at least) is held out for it.

    Raises
    ------
    DataError
        Naming the file, and the array or picture, that is wrong; or there are too few samples.
    """
    low_high = _checked_range(input_range)
    wanted = Wanted.of(subject, low_high, labels)
    raw = read_source(str(source), wanted, data_dir=data_dir, most=most, seed=seed, progress=progress)
    return divided(raw, str(source), seed=seed)


def divided(raw: Raw, source: str, *, seed: int) -> Data:
    """Hold validation samples out where a source has none of its own; raises `DataError` where there are too few."""
    samples = Samples(raw.x, raw.y)
    if raw.x_validation is not None:
        return Data(samples, Samples(raw.x_validation, raw.y_validation), raw.labels, source, raw.input_range)
    if len(samples) < 2 * LEAST_HELD_OUT:
        raise DataError(
            f"{source}: {len(samples)} samples are too few to hold {LEAST_HELD_OUT} of them out for validation: give "
            f"{2 * LEAST_HELD_OUT} at least, some hundreds better, or an .npz with x_validation"
        )
    order = np.random.default_rng(seed).permutation(len(samples))
    held = max(LEAST_HELD_OUT, len(samples) // HELD_OUT)
    # Sorted, so that both parts are in the source's order.
    return Data(
        samples.take(np.sort(order[held:])), samples.take(np.sort(order[:held])), raw.labels, source, raw.input_range
    )


def _checked_range(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    if ends is not None and not (np.isfinite(ends).all() and ends[0] < ends[1]):
        raise DataError(f"--pixel-range {ends[0]:g} {ends[1]:g}: the first must be the smaller")
    return ends
