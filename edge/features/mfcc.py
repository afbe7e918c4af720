"""Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), from log-mel spectrograms."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def mfcc(decibels: FloatArray, count: int = 20) -> FloatArray:
    """The first coefficients of each frame, as librosa's with the orthonormal DCT.

    Parameters
    ----------
    decibels
        (..., bands) float32, as `log_mel` gives them.
    count
        How many coefficients; at most as many as there are bands.

    Returns
    -------
    (..., count) float32
        Decibels. The first is the mean of the bands times the root of their number.

    Raises
    ------
    ValueError
        `count` is not between 1 and the number of bands.
    """
    bands = decibels.shape[-1]
    if not 1 <= count <= bands:
        raise ValueError(f"{bands} bands give 1 to {bands} coefficients, not {count}")
    coefficients: FloatArray = decibels @ _cosines(bands)[:, :count]
    return coefficients


@lru_cache(maxsize=4)
def _cosines(bands: int) -> FloatArray:
    """(bands, bands) of the orthonormal DCT-II: one column per coefficient."""
    turns = (np.arange(bands)[:, None] + 0.5) * np.arange(bands) / bands
    matrix = np.cos(np.pi * turns) * np.sqrt(2 / bands)
    matrix[:, 0] /= np.sqrt(2)
    result: FloatArray = matrix.astype(np.float32)
    return result
