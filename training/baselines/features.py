"""The field's feature vector: a whole recording as the time means of its MFCC and of its mel spectrogram.

As the common RAVDESS tutorials and De Pinto et al. 2020 ("Emotions Understanding Model from Spoken Language using Deep
Neural Networks and Mel-Frequency Cepstral Coefficients", MFCC alone) compute it: librosa with its own defaults (frames
of 2048 samples, 512 apart, 128 mel bands, the spectrogram's power not in decibels). Two things differ: the recordings
are at 16 kHz, and the bands end at 5200 Hz, above which CREMA-D has nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.features.logmel import LogMelSettings
from training.datasets.speech_corpora import Clip
from training.datasets.speech_spectra import read_sound

FloatArray = npt.NDArray[np.float32]

MFCCS = 40
BANDS = 128
SIZE = MFCCS + BANDS

RATE = LogMelSettings.rate
HIGH_HZ = LogMelSettings.high_hz


def feature_vector(samples: FloatArray, rate: int = RATE) -> FloatArray:
    """Time means of 40 MFCC and of 128 mel bands.

    Parameters
    ----------
    samples
        (n,) float32, full scale -1 to 1; at least one sample.
    rate
        Hertz.

    Returns
    -------
    (168,) float32
        40 MFCC in decibels, then the bands' power.
    """
    import librosa

    power = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=BANDS, fmax=HIGH_HZ)
    # What librosa.feature.mfcc does itself when it is given samples.
    coefficients = librosa.feature.mfcc(S=librosa.power_to_db(power), sr=rate, n_mfcc=MFCCS)
    result: FloatArray = np.concatenate([coefficients.mean(axis=1), power.mean(axis=1)]).astype(np.float32)
    return result


def read_vectors(clips: Sequence[Clip], *, progress: bool = True) -> FloatArray:
    """(n, 168) float32, one row a recording; raises `DataError` where one cannot be decoded."""
    bar = tqdm(clips, desc="features", unit="clip", disable=not progress)
    return np.stack([feature_vector(read_sound(clip, RATE)) for clip in bar])


@dataclass(frozen=True)
class Preparation:
    """Scaling and label numbers, learned from training recordings alone."""

    scaler: Any
    """scikit-learn's MinMaxScaler."""
    encoder: Any
    """scikit-learn's LabelEncoder."""

    @classmethod
    def of(cls, vectors: FloatArray, emotions: Sequence[str]) -> Preparation:
        """Learn from the training recordings: (n, 168) features and their emotions."""
        from sklearn.preprocessing import LabelEncoder, MinMaxScaler

        return cls(MinMaxScaler().fit(vectors), LabelEncoder().fit(emotions))

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of their numbers."""
        return tuple(str(label) for label in self.encoder.classes_)

    def inputs(self, vectors: FloatArray) -> FloatArray:
        """(n, 168, 1) float32; 0 to 1 for what was learned from, others may lie outside."""
        scaled: FloatArray = self.scaler.transform(vectors).astype(np.float32)[..., None]
        return scaled

    def targets(self, emotions: Sequence[str]) -> npt.NDArray[np.int64]:
        """(n,) label numbers; raises ValueError for an emotion that was not learned from."""
        numbers: npt.NDArray[np.int64] = self.encoder.transform(emotions).astype(np.int64)
        return numbers
