"""A small network of the expression model's build, and data that it can learn in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import bridge, environment

SIDE, CLASSES = 16, 4
LABELS = ("north", "east", "south", "west")


@dataclass(frozen=True)
class Trained:
    """A float model, as the user has it, and its data."""

    path: Path
    legacy: Any
    """The same model in legacy Keras."""
    pixels: npt.NDArray[np.uint8]
    """(n, SIDE, SIDE, 1); the last `held` were not trained on."""
    classes: npt.NDArray[np.int64]
    held: int
    accuracy: float
    """Of the float model on the held-out samples."""

    @property
    def x(self) -> npt.NDArray[np.float32]:
        return (self.pixels / 255).astype(np.float32)

    @property
    def y(self) -> npt.NDArray[np.float32]:
        return np.eye(CLASSES, dtype=np.float32)[self.classes]


def edge_network() -> Any:
    """Convolutions with batch normalisation, separable ones of both sizes, a residual, a linear projection."""
    import keras
    from keras import layers

    def normalised(x: Any, *, relu: bool = True) -> Any:
        # A short memory, so that the few steps of this training are enough for its statistics.
        x = layers.BatchNormalization(momentum=0.8)(x)
        return layers.ReLU()(x) if relu else x

    entry = keras.Input((SIDE, SIDE, 1))
    x = normalised(layers.Conv2D(8, 3, padding="same", use_bias=False)(entry))
    shortcut = x
    x = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = normalised(layers.Conv2D(8, 1, use_bias=False)(x), relu=False)
    x = layers.Add()([x, shortcut])
    x = normalised(layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False)(x))
    x = normalised(layers.Conv2D(16, 1, use_bias=False)(x))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(entry, layers.Dense(CLASSES)(x), name="small")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Bright edges on one of four sides, in noise."""
    environment.prepare()
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    count, held = 1000, 200
    classes = rng.integers(0, CLASSES, count)
    ramp = np.linspace(0, 1, SIDE)[:, None] * np.ones((1, SIDE))
    pictures = np.stack([np.rot90(ramp, k) for k in classes])[..., None]
    pixels = np.rint(255 * np.clip(0.35 * pictures + 0.65 * rng.uniform(size=(count, SIDE, SIDE, 1)), 0, 1))
    pixels = pixels.astype(np.uint8)
    model = edge_network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    x = (pixels / 255).astype(np.float32)
    model.fit(x[:-held], classes[:-held], epochs=6, batch_size=20, verbose=0)
    path = tmp_path_factory.mktemp("float") / "small.keras"
    model.save(path)
    correct = model.predict(x[-held:], verbose=0).argmax(axis=1) == classes[-held:]
    return Trained(path, bridge.to_tf_keras(model), pixels, classes, held, float(correct.mean()))
