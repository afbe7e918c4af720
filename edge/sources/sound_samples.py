"""From the samples that files, pipes and microphones deliver to mono float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.observation import Samples
from edge.sources.sound import SoundFigures

Encoding = str
"""One of `ENCODINGS`."""


@dataclass(frozen=True, slots=True)
class _Layout:
    size: int
    """Bytes of one sample."""
    bits: int
    """That carry sound; 0 for float."""


ENCODINGS = {
    "u8": _Layout(1, 8),
    "s16le": _Layout(2, 16),
    "s24le": _Layout(3, 24),
    "s24in32le": _Layout(4, 24),
    "s32le": _Layout(4, 32),
    "f32le": _Layout(4, 0),
    "f64le": _Layout(8, 0),
}
"""How samples lie in bytes, by FFmpeg's names; s24in32le is ALSA's S24_LE, 24 bits in the lower end of 32."""


def decode(data: bytes | bytearray | memoryview, encoding: Encoding, channels: int) -> npt.NDArray[np.float32]:
    """Samples from interleaved bytes.

    Parameters
    ----------
    data
        A whole number of samples of all channels.
    encoding
        One of `ENCODINGS`.

    Returns
    -------
    (n, channels) float32
        Full scale -1 to 1.
    """
    if encoding == "u8":
        samples = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    elif encoding == "s16le":
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 2**15
    elif encoding == "s24le":
        # The three bytes become the upper ones of 32 bits, which puts the sign where it belongs.
        widened = np.zeros((len(data) // 3, 4), np.uint8)
        widened[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = widened.view("<i4").ravel().astype(np.float32) / 2**31
    elif encoding == "s24in32le":
        # What the upper byte holds is not defined: shift it out.
        samples = (np.frombuffer(data, "<i4") << 8).astype(np.float32) / 2**31
    elif encoding == "s32le":
        samples = np.frombuffer(data, "<i4").astype(np.float32) / 2**31
    else:
        # A double beyond float32's range becomes infinite, and is counted as such.
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.frombuffer(data, "<f4" if encoding == "f32le" else "<f8").astype(np.float32)
    result: npt.NDArray[np.float32] = samples.astype(np.float32, copy=False).reshape(-1, channels)
    return result


def full_scale(bits: int) -> float:
    """The largest value of samples of so many bits, 0 for float, as `decode` and libsndfile scale them."""
    return 1 - 2.0 ** (1 - bits) if bits else 1.0


def to_mono(samples: npt.NDArray[np.float32], limit: float, figures: SoundFigures) -> Samples:
    """One finite channel within -1 to 1: the mean of two channels, the first of more.

    More than two are an array of microphones, whose mean would cancel sound and whose last channels often are what
    the loudspeaker plays.

    Parameters
    ----------
    samples
        (n, channels) float32; may be changed.
    limit
        `full_scale`, from which on a sample counts as clipped.
    figures
        Its `clipped` and `replaced` grow.

    Returns
    -------
    (n,) float32
    """
    finite = np.isfinite(samples)
    if not finite.all():
        figures.replaced += int(np.count_nonzero(~finite))
        samples = np.where(finite, samples, np.float32(0))
    figures.clipped += int(np.count_nonzero(np.abs(samples) >= limit))
    used = samples if samples.shape[1] <= 2 else samples[:, :1]
    # The sum of two samples near the end of float32's range becomes infinite, and is clipped like them.
    with np.errstate(over="ignore"):
        mono = used.mean(axis=1, dtype=np.float32) if used.shape[1] > 1 else used[:, 0]
    result: Samples = np.ascontiguousarray(np.clip(mono, -1, 1))
    return result
