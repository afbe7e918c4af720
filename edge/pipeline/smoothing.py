"""Steady labels from unsteady probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.observation import UNSURE


@dataclass(frozen=True, slots=True)
class SmoothedLabel:
    """What one subject shows now."""

    label: str
    """One of the labels, or `UNSURE`."""
    confidence: float
    """The smoothed probability of the most probable label."""
    probabilities: npt.NDArray[np.float32]
    """(labels,) smoothed."""
    changed: bool
    """Whether `label` differs from the one before."""


class LabelSmoother:
    """Averages one subject's probabilities over time and keeps a label until another is clearly ahead.

    The average is exponential in time, not in frames, so that it means the same at 5 and at 30 frames a second.

    Parameters
    ----------
    labels
        In the order of the probabilities.
    half_life
        Seconds after which an old probability counts half; 0 does not smooth.
    hysteresis
        By how much probability another label has to lead before it replaces the present one.
    unsure_below
        Smoothed probabilities below it are answered with `UNSURE`; to leave that state takes half of `hysteresis` more.
    """

    def __init__(self, labels: tuple[str, ...], *, half_life: float, hysteresis: float, unsure_below: float) -> None:
        self._labels = labels
        self._half_life = half_life
        self._hysteresis = hysteresis
        self._unsure_below = unsure_below
        self._mean: npt.NDArray[np.float32] | None = None
        self._time = 0.0
        self._label: str | None = None

    def update(self, probabilities: npt.NDArray[np.float32], time: float) -> SmoothedLabel:
        """Take one frame's probabilities, (labels,), at `time` in seconds of a steady clock."""
        if self._mean is None or self._half_life == 0:
            self._mean = probabilities
        else:
            keep = np.float32(0.5 ** (max(0.0, time - self._time) / self._half_life))
            self._mean = keep * self._mean + (1 - keep) * probabilities
        self._time = time
        label = self._choose(self._mean)
        changed, self._label = label != self._label, label
        return SmoothedLabel(label, float(min(1.0, self._mean.max())), self._mean, changed)

    def _choose(self, mean: npt.NDArray[np.float32]) -> str:
        leader = int(mean.argmax())
        needed = self._unsure_below
        if self._label == UNSURE:
            needed = min(1.0, needed + self._hysteresis / 2)
        if mean[leader] < needed:
            return UNSURE
        if self._label is not None and self._label != UNSURE:
            present = self._labels.index(self._label)
            if mean[present] >= self._unsure_below and mean[leader] - mean[present] < self._hysteresis:
                return self._label
        return self._labels[leader]
