"""What shows in its sound that a microphone has failed although it delivers."""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from edge.observation import Samples

Trouble = Literal["silent", "stuck"]

SILENT_SECONDS = 30.0
"""Seconds of one and the same value after which a microphone counts as muted or dead; the quietest room has noise."""

_LONGEST_SECONDS = 3600.0
"""Between two reports of a silence that lasts; each waits twice as long as the one before."""

_HISTORY_SECONDS = 2.0
"""Seconds in which a block is looked for again: longer than the buffers that a driver can hang in."""

_REPEATS = 3
"""Looks in a row, one a second, that find the newest block in the history, before the stream counts as stuck."""

_LEAST_VALUES = 8
"""Different values of a block that can be judged: a few come again by chance, where a quiet room hardly moves them."""


class MicrophoneWatch:
    """Looks at each block.

    Parameters
    ----------
    rate
        Hertz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._history: deque[bytes] = deque()
        self._history_samples = 0
        self._unlooked = 0
        self._repeats = 0
        self._quiet_samples = 0
        self._report_at = SILENT_SECONDS

    @property
    def is_silent(self) -> bool:
        """Whether 'silent' was reported and no sound has come since."""
        return self._report_at > SILENT_SECONDS

    def restart(self) -> None:
        """Forget what the blocks were, not how long they have been silent: the microphone was opened anew."""
        self._history.clear()
        self._history_samples = self._unlooked = self._repeats = 0

    def look(self, samples: Samples) -> Trouble | None:
        """What the block, (n,) float32, shows; 'silent' comes anew after twice the time while the silence lasts."""
        if samples.min() == samples.max():
            self.restart()
            self._quiet_samples += len(samples)
            if self._quiet_samples < self._report_at * self._rate:
                return None
            self._report_at += min(2 * self._report_at, _LONGEST_SECONDS)
            return "silent"
        self._quiet_samples = 0
        self._report_at = SILENT_SECONDS
        return "stuck" if self._repeats_itself(samples) else None

    def _repeats_itself(self, samples: Samples) -> bool:
        block = samples.tobytes()
        if self._unlooked >= self._rate:
            self._unlooked = 0
            known = len(np.unique(samples)) >= _LEAST_VALUES and block in b"".join(self._history)
            self._repeats = self._repeats + 1 if known else 0
        self._unlooked += len(samples)
        self._history.append(block)
        self._history_samples += len(samples)
        while self._history_samples > _HISTORY_SECONDS * self._rate:
            self._history_samples -= len(self._history.popleft()) // samples.itemsize
        return self._repeats >= _REPEATS
