"""Tells sound in which somebody may be speaking from silence, hum and the fan, at next to no cost.

Speech is loud against its room and uneven: between its syllables it falls, many times a second, towards the room's own
sound. So the gate compares the loud part of each half second with the noise floor, the least that the quiet parts of
the last seconds came down to ("minimum statistics", Martin 2001, "Noise power spectral density estimation based on
optimal smoothing and minimum statistics").

 - Someone who talks on without a pause keeps it open: syllables have gaps, and the floor is the least of them.
 - A hum or a fan is even: its loud parts are its floor. When it gets louder at once, the gate opens for the two seconds
   that it takes to see that the sound is even, or for ten if it is not quite.
 - Digital silence (a muted microphone, a file's padding) is no room's sound: it is not taken for the floor, against
   which the room itself would seem loud afterwards.
 - What is below `silence_dbfs` is silence whatever the floor is.

What it cannot tell is noise that comes and goes: a dog, a door. That is left to the model's own 'no speech'.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from edge.features.logmel import FloatArray, LogMelSettings, mel_centres

LOW_HZ = 200.0
"""Rumble, the mains' hum and a microphone's constant offset lie below; what voices have there they have above too."""

FLOOR_SECONDS = 10.0
"""For which the floor remembers; longer than anyone talks on without breathing."""

EVEN_SECONDS = 2.0
"""Sound that has been even for so long is the room's own, however loud it is."""

EVEN_DB = 5.0
"""Between the quiet and the loud parts of sound that counts as even: a fan has 1 to 3, speech 15 and more."""

DIGITAL_DBFS = -95.0
"""Quieter than any microphone: 16-bit sound rounds at -98."""

_SMOOTHED_FRAMES = 4
"""No step may have fewer; an encoder's manifest is checked for it."""
_QUIET, _LOUD = 0.1, 0.9


class SpeechGate:
    """Follows the noise floor of one source, step by step of its log-mel spectrogram.

    Parameters
    ----------
    settings
        Of the spectrogram.
    margin_db
        Decibels by which the loud part of a step must stand out from the floor.
    silence_dbfs
        Level below which there is silence, decibels from full scale (a full-scale sine wave has -3).
    """

    def __init__(self, settings: LogMelSettings, *, margin_db: float, silence_dbfs: float) -> None:
        self._margin = margin_db
        self._silence = silence_dbfs
        self._even_steps = max(1, round(EVEN_SECONDS / settings.step_seconds))
        self._first_band, self._weights = _band_weights(settings)
        self._quiet: deque[float] = deque(maxlen=max(1, round(FLOOR_SECONDS / settings.step_seconds)))
        self.reset()

    def reset(self) -> None:
        """Another source, another room: what was heard is forgotten."""
        self._quiet.clear()
        self._even = 0
        self.level = -np.inf
        """Of the last step's loud part, above 200 Hz, decibels from full scale."""

    @property
    def floor(self) -> float:
        """Of the noise, decibels from full scale; minus infinity while nothing but digital silence was heard."""
        return min(self._quiet, default=-np.inf)

    def __call__(self, decibels: FloatArray) -> bool:
        """Whether somebody may be speaking.

        Parameters
        ----------
        decibels
            (step, bands) float32, the next step of the spectrogram.
        """
        power = np.exp(decibels[:, self._first_band :] * np.float32(np.log(10) / 10)) @ self._weights
        # Over 60 ms: single frames of low, rough noise differ as widely as syllables do.
        smoothed = np.convolve(power, np.full(_SMOOTHED_FRAMES, 1 / _SMOOTHED_FRAMES, np.float32), "valid")
        ranked = 10 * np.log10(np.sort(smoothed))
        quiet = float(ranked[int(_QUIET * len(ranked))])
        self.level = float(ranked[int(_LOUD * len(ranked))])
        if quiet > DIGITAL_DBFS:
            self._even = self._even + 1 if self.level - quiet < EVEN_DB else 0
            self._quiet.append(quiet)
            if self._even >= self._even_steps:
                while len(self._quiet) > self._even_steps:
                    self._quiet.popleft()
        return self.level >= max(self.floor + self._margin, self._silence)


def _band_weights(settings: LogMelSettings) -> tuple[int, FloatArray]:
    """The first band above 200 Hz, and what makes the mean square of the sound of the powers of it and those above."""
    centres = mel_centres(settings)
    first = int(np.searchsorted(centres, LOW_HZ))
    # A filter of unit area gives the mean density of its band; neighbours overlap by half, so that each stands for
    # the distance to the next. Parseval: the powers of a spectrum add up to rate * sum(window^2) / 2 times the mean
    # square for each Hertz, and a Hann window's squares add up to 3/8 of its length.
    widths = np.gradient(centres)[first:]
    bin_hz = settings.rate / settings.fft
    weights = widths * 2 * bin_hz / (settings.rate * 0.375 * settings.fft)
    return first, weights.astype(np.float32)
