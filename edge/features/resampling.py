"""Sound brought from a microphone's rate to the model's, as it comes in.

A polyphase filter with a Kaiser-windowed sinc (Crochiere and Rabiner 1983, "Multirate Digital Signal Processing"):
each output sample is a weighted sum of the input around its moment. With the rates in lowest terms, M to L, the weights
return after L outputs. They stand in small dense matrices of `GROUP` neighbouring outputs each: one matrix product is
many times faster in NumPy than a sum for each sample, though it also multiplies by zeros.
"""

from __future__ import annotations

from functools import cache
from math import ceil, gcd

import numpy as np
import numpy.typing as npt

from edge.features.logmel import PRODUCT

FloatArray = npt.NDArray[np.float32]

ATTENUATION = 85.0
"""Decibels that the window is designed for: 80, and what the formula for it may lack."""

GROUP = 16
"""Outputs of one matrix: fewer are more calls, more are more zeros to multiply by."""

BLOCK_SECONDS = 0.05
"""Sound of one computation, at least."""


class Resampler:
    """Changes the sampling rate of sound as it comes in.

    The sound is computed in blocks that are always the same, counted from its first sample: however it is cut, the
    numbers are exactly equal. Output sample n belongs to the moment n / target_rate, nothing is shifted; but output
    lags behind input by the block that fills, 50 to 100 ms (up to 1 s for rates without a common divisor of 10 Hz or
    more), and by half the filter, 6 ms at most.

    To a lower rate, the sound stays as it is (within 0.001 dB) up to 3/4 of the target's Nyquist frequency, 6 kHz at
    16 kHz (the mel bands end at 5.2 kHz), and what would alias, from the Nyquist frequency on, is down by 80 dB. To a
    higher rate, it stays as it is up to 0.94 of the source's Nyquist frequency, 5.2 kHz at 11,025 Hz, and its mirror
    images are down by 80 dB; only those of the little above 0.94 are partly left.

    Memory is taken once: some 100 KB for the usual rates, 50 MB for the worst up to 192 kHz (191,999 Hz to 16 kHz),
    180 MB for the worst up to 768 kHz. A second of sound costs 0.3 to 0.6 ms from 44.1 or 48 kHz (x86-64, AVX2, one
    thread), as much as soxr's C takes.

    Parameters
    ----------
    source_rate, target_rate
        Hertz. Where they are equal, sound passes as it is.

    Raises
    ------
    ValueError
        A rate is below 1 Hz.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        if min(source_rate, target_rate) < 1:
            raise ValueError(f"rates are at least 1 Hz, not {source_rate} and {target_rate}")
        self.source_rate = source_rate
        self.target_rate = target_rate
        common = gcd(source_rate, target_rate)
        up, down = target_rate // common, source_rate // common
        # One period of the weights, or several where it is shorter than a group.
        repeats = ceil(GROUP / up)
        self._outputs, inputs = repeats * up, repeats * down
        cutoff, half = _design(source_rate, target_rate)
        self._history = half - 1
        reach = GROUP * down // up + 1 + 2 * half
        periods = ceil(BLOCK_SECONDS * source_rate / inputs)
        parts = ceil(periods * reach * GROUP / PRODUCT)
        periods = ceil(periods / parts)
        self._block = parts * periods * inputs
        firsts = np.arange(0, self._outputs, GROUP)
        begins = firsts * down // up
        self._weights = np.empty((len(firsts), reach, GROUP), np.float32)
        """(groups, reach, GROUP): the weight of each input of a group's reach in each of its outputs."""
        # One by one: an odd rate has a thousand groups, and all of them in float64 would take memory many times over.
        for group, (first, begin) in enumerate(zip(firsts, begins, strict=True)):
            moments = (first + np.arange(GROUP)) * down
            places = begin - self._history + np.arange(reach)[:, None]
            self._weights[group] = _kernel((moments - places * up) / up, cutoff, half)
        # (parts, groups, periods): where their reaches begin in what waits.
        self._begins = begins[:, None] + np.arange(parts * periods).reshape(parts, 1, periods) * inputs
        self._waiting = np.zeros(int(self._begins[-1, -1, -1]) + reach, np.float32)
        self._reaches = np.lib.stride_tricks.sliding_window_view(self._waiting, reach)
        self.reset()

    def reset(self) -> None:
        """Forget what waits: the sound that follows does not continue what came before."""
        # As if silence had gone before.
        self._waiting[: self._history] = 0
        self._filled = self._history
        self._taken = 0
        self._made = 0

    def feed(self, samples: FloatArray) -> FloatArray:
        """Take sound, of any length.

        Parameters
        ----------
        samples
            (n,) float32 at the source's rate.

        Returns
        -------
        (m,) float32
            The output that is now complete; often none.
        """
        if self.source_rate == self.target_rate:
            return samples
        self._taken += len(samples)
        blocks = []
        while len(samples):
            taken = samples[: len(self._waiting) - self._filled]
            self._waiting[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            samples = samples[len(taken) :]
            if self._filled == len(self._waiting):
                blocks.append(self._compute())
                # The filter's reach into the past.
                self._filled -= self._block
                self._waiting[: self._filled] = self._waiting[self._block :].copy()
        made = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
        self._made += len(made)
        return made

    def flush(self) -> FloatArray:
        """The rest of the output, after which the next sound may begin.

        Returns
        -------
        (m,) float32
            With all that `feed` gave since the beginning, round(n * target_rate / source_rate) samples for n.
        """
        if self.source_rate == self.target_rate:
            return np.empty(0, np.float32)
        missing = round(self._taken * self.target_rate / self.source_rate) - self._made
        # Silence follows; what waits is at most the buffer, so that twice its length brings out all of it.
        tail = self.feed(np.zeros(2 * len(self._waiting), np.float32))[:missing]
        self.reset()
        return tail

    def _compute(self) -> FloatArray:
        """The output of the block that waits."""
        outputs = np.matmul(self._reaches[self._begins], self._weights)
        # From (parts, groups, periods, GROUP) to the order of time; the last group may reach beyond its period.
        ordered = outputs.transpose(0, 2, 1, 3).reshape(-1, len(self._weights) * GROUP)[:, : self._outputs]
        output: FloatArray = ordered.reshape(-1)
        return output


def resample(samples: FloatArray, source_rate: int, target_rate: int) -> FloatArray:
    """Change the sampling rate of a whole sound, the same numbers as `Resampler` gives for it.

    Parameters
    ----------
    samples
        (n,) float32.
    source_rate, target_rate
        Hertz.

    Returns
    -------
    (round(n * target_rate / source_rate),) float32
        Sample k is the sound's at k / target_rate seconds. Beyond its ends the sound is taken for silent.
    """
    resampler = Resampler(source_rate, target_rate)
    return np.concatenate([resampler.feed(samples), resampler.flush()])


def _design(source_rate: int, target_rate: int) -> tuple[float, int]:
    """Where the filter cuts off, in periods per input sample, and how many input samples it reaches to each side."""
    nyquist = min(source_rate, target_rate) / 2
    # A longer filter would keep more of the band, and cost more: see the class for what is given away.
    low, high = (0.75 * nyquist, nyquist) if target_rate < source_rate else (0.94 * nyquist, 1.06 * nyquist)
    # Kaiser's formula for the length (Kaiser 1974, "Nonrecursive digital filter design using the I0-sinh window").
    width = (high - low) / source_rate
    taps = (ATTENUATION - 7.95) / (14.36 * width)
    return (low + high) / 2 / source_rate, ceil(taps / 2)


def _kernel(away: npt.NDArray[np.float64], cutoff: float, half: int) -> npt.NDArray[np.float64]:
    """The filter's impulse response so many input samples away from its middle."""
    places, window = _window()
    response: npt.NDArray[np.float64] = 2 * cutoff * np.sinc(2 * cutoff * away)
    response *= np.interp(np.abs(away) / half, places, window)
    return response


@cache
def _window() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One half of the Kaiser window, its places from 0 to 1: read off a table, off by 4e-9 at most, it is made fast."""
    points = 16384
    window = np.kaiser(2 * points + 1, 0.1102 * (ATTENUATION - 8.7))[points:]
    # So that an input exactly at its end counts on neither side.
    window[-1] = 0
    return np.linspace(0, 1, points + 1), window
