from __future__ import annotations

import numpy as np
import pytest

from edge.features.mfcc import mfcc


def decibels(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(-100, 30, shape).astype(np.float32)


@pytest.mark.parametrize(("bands", "count"), [(64, 20), (64, 64), (40, 13), (1, 1)])
def test_it_is_the_orthonormal_dct(bands: int, count: int) -> None:
    fft = pytest.importorskip("scipy.fft", reason="SciPy is not installed")
    frames = decibels(50, bands)
    expected = fft.dct(frames.astype(np.float64), type=2, norm="ortho")[:, :count]
    made = mfcc(frames, count)
    assert made.dtype == np.float32 and made.shape == (50, count)
    # Measured: 9e-5 dB, float32's rounding of sums of some hundred decibels.
    assert np.abs(made - expected).max() < 5e-4


def test_all_coefficients_keep_the_energy() -> None:
    frames = decibels(50, 64)
    np.testing.assert_allclose(np.square(mfcc(frames, 64)).sum(axis=1), np.square(frames).sum(axis=1), rtol=1e-5)


def test_a_level_spectrum_has_only_the_first() -> None:
    made = mfcc(np.full((3, 64), -10.0, np.float32), 20)
    np.testing.assert_allclose(made[:, 0], -80.0, rtol=1e-6)
    assert np.abs(made[:, 1:]).max() < 1e-4


def test_windows_may_be_stacked() -> None:
    windows = decibels(2, 5, 64)
    assert mfcc(windows).shape == (2, 5, 20)
    np.testing.assert_allclose(mfcc(windows)[1], mfcc(windows[1]), atol=1e-3)


@pytest.mark.parametrize("count", [0, -1, 65])
def test_there_are_no_more_coefficients_than_bands(count: int) -> None:
    with pytest.raises(ValueError, match="64 bands give 1 to 64 coefficients"):
        mfcc(decibels(2, 64), count)
