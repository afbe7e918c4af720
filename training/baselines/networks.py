"""The field's networks on the feature vector, which they read along its features as if that were time."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers


def build_cnn(size: int, classes: int) -> keras.Model:
    """The 1-D CNN of De Pinto et al. 2020 and of the RAVDESS tutorials after it, untrained.

    Parameters
    ----------
    size
        Features of a recording.
    classes
        Labels.

    Returns
    -------
    keras.Model
        (n, size, 1) -> (n, classes) logits.
    """
    return keras.Sequential(
        [
            keras.Input((size, 1), name="features"),
            layers.Conv1D(128, 5, padding="same", activation="relu"),
            layers.Dropout(0.1),
            layers.MaxPooling1D(8),
            layers.Conv1D(128, 5, padding="same", activation="relu"),
            layers.Dropout(0.1),
            layers.Flatten(),
            layers.Dense(classes, name="logits"),
        ],
        name="baseline_cnn",
    )


def build_lstm(size: int, classes: int) -> keras.Model:
    """The LSTM that RAVDESS tutorials set beside it, untrained; parameters and result as `build_cnn`."""
    return keras.Sequential(
        [
            keras.Input((size, 1), name="features"),
            layers.LSTM(128),
            layers.Dense(64),
            layers.Dropout(0.4),
            layers.ReLU(),
            layers.Dense(32),
            layers.Dropout(0.4),
            layers.ReLU(),
            layers.Dense(classes, name="logits"),
        ],
        name="baseline_lstm",
    )


NETWORKS: dict[str, Callable[[int, int], keras.Model]] = {"cnn": build_cnn, "lstm": build_lstm}
