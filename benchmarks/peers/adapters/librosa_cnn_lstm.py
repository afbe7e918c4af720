"""What tutorials do with speech: librosa's log-mel of the last three seconds, then a CNN-LSTM by Keras, at every step.

The network is the 2-D CNN LSTM of Zhao, Mao and Chen 2019 ("Speech emotion recognition using deep 1D & 2D CNN LSTM
networks"): four blocks of convolution, batch norm, ELU and pooling, an LSTM of 256, a dense layer. It is untrained
unless the user names a file: what it costs does not depend on the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

SECONDS, BANDS, FFT, HOP = 3.0, 128, 2048, 512
"""librosa's defaults but for the three seconds."""
LABELS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
BLOCKS = ((64, 2), (64, 4), (128, 4), (128, 4))
"""Filters, and the side of the pooling behind them."""


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """Half a second comes, the last three are read."""
    librosa = import_module("librosa")
    network: Any = None
    heard = np.zeros(0, np.float32)

    def answer(samples: Any, about: dict[str, Any]) -> dict[str, Any]:
        nonlocal network, heard
        size = round(SECONDS * about["rate"])
        heard = np.concatenate([np.zeros(size, np.float32), heard, samples])[-size:]
        power = librosa.feature.melspectrogram(y=heard, sr=about["rate"], n_fft=FFT, hop_length=HOP, n_mels=BANDS)
        levels = librosa.power_to_db(power, ref=np.max)[None, ..., None]
        if network is None:
            network = _network(settings["files"].get("speech_cnn_lstm.keras"), levels.shape[1:])
        probabilities = network.predict(levels, verbose=0)[0]
        return {"found": 1, "label": LABELS[int(np.argmax(probabilities)) % len(LABELS)]}

    return answer


def _network(file: str | None, shape: tuple[int, ...]) -> Any:
    keras = import_module("keras")
    if file is not None:
        return keras.models.load_model(file, compile=False)
    layers = keras.layers
    stack = [keras.Input(shape)]
    for filters, pool in BLOCKS:
        stack += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(),
            layers.Activation("elu"),
            layers.MaxPooling2D(pool, padding="same"),
        ]
    # Along the time: (bands, frames, filters) -> (frames, bands * filters).
    stack += [layers.Permute((2, 1, 3)), layers.TimeDistributed(layers.Flatten()), layers.LSTM(256)]
    return keras.Sequential([*stack, layers.Dense(len(LABELS), activation="softmax")])
