"""The models of the conversion matrix: this project's architectures and five of keras.applications, and their data.

Weights are random, with a seed, unless a folder of runs has trained ones. The moving statistics of random networks'
batch normalisation are set by the data: as built, with a mean of 0 and a deviation of 1, deep networks answer next to
nothing, and there is little to lose by quantisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.model_inputs import made_up
from edge.errors import ConfigError
from edge.inference.catalog import find_model
from edge.inference.manifest import Manifest, manifest_path, read_manifest

FloatArray = npt.NDArray[np.float32]

SEED = 1

_PUBLIC_RANGES = {
    "MobileNetV2": (-1.0, 1.0),
    # These two scale pixels themselves.
    "MobileNetV3Small": (0.0, 255.0),
    "EfficientNetB0": (0.0, 255.0),
    "NASNetMobile": (-1.0, 1.0),
    "DenseNet121": (-2.0, 2.0),
}
PUBLIC = tuple(_PUBLIC_RANGES)
"""Of keras.applications, with 1000 classes."""

_PUBLIC_SIDE = 224
"""Pixels, what all five are made for."""

_SPEECH_RANGE = (-4.0, 4.0)


@dataclass(frozen=True)
class Entry:
    """One row of the matrix."""

    name: str
    build: Callable[[], Any]
    """Makes the Keras 3 model."""
    data: Callable[[tuple[int, ...], int], npt.NDArray[Any]]
    """Samples of a shape without its batch axis, so many."""
    trained: bool = False
    """Whether the weights come from a run."""


def entries(*, runs: Path | None = None, size: int | None = None) -> list[Entry]:
    """All rows, this project's first.

    Parameters
    ----------
    runs
        Folder of training runs, as `affect-edge train` leaves them: RECIPE/RECIPE.keras is taken where it is there.
    size
        Side of the public models' input in pixels; None for their own.
    """
    made = [*_ours(runs)]
    made += [
        Entry(name, partial(_public, name, size), partial(patterns, ends=ends)) for name, ends in _PUBLIC_RANGES.items()
    ]
    return made


def settle(model: Any, x: npt.NDArray[Any]) -> None:
    """Set the moving statistics of all batch normalisation to what a batch of data gives."""
    import keras

    layers = [layer for layer in _leaves(model) if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    model(x, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def patterns(shape: tuple[int, ...], count: int, *, ends: tuple[float, float], seed: int = SEED) -> FloatArray:
    """Blobs of all sizes with noise on them, each sample of a brightness and contrast of its own.

    Plain noise would be the same to a network that averages over places, sample for sample.
    """
    rng = np.random.default_rng(seed)
    *sides, channels = shape if len(shape) == 3 else (*shape, 1)
    samples = np.zeros((count, *sides, channels), np.float32)
    for sample in samples:
        for cells in (2, 4, 8, 16):
            coarse = rng.normal(size=(cells, cells, channels)).astype(np.float32)
            sample += rng.uniform() * cv2.resize(coarse, sides[::-1], interpolation=cv2.INTER_CUBIC).reshape(
                sample.shape
            )
        sample += 0.2 * rng.normal(size=sample.shape) + rng.normal(size=channels)
    low, high = ends
    # From three deviations below to three above.
    scaled = np.clip(samples / (6 * samples.std()) + 0.5, 0, 1) * (high - low) + low
    found: FloatArray = scaled.reshape(count, *shape).astype(np.float32)
    return found


def _public(name: str, size: int | None) -> Any:
    import keras

    # Said for all: left out, MobileNetV3 leaves its sides open.
    shape = (size or _PUBLIC_SIDE, size or _PUBLIC_SIDE, 3)
    return getattr(keras.applications, name)(weights=None, input_shape=shape, classifier_activation=None)


def _ours(runs: Path | None) -> Iterator[Entry]:
    pixels = partial(patterns, ends=(0.0, 1.0))
    windows = partial(patterns, ends=_SPEECH_RANGE)
    for name, recipe, build, data in (
        ("expression", "expression", _expression, pixels),
        ("face_near", "face_near", _detector, pixels),
        ("face_far", "face_far", _detector, pixels),
        ("speech_encoder", "speech", partial(_speech, part="encoder"), windows),
        ("speech_head", "speech", partial(_speech, part="head"), _embeddings),
        ("speech_net", "speech", partial(_speech, part="full"), _windows),
        ("text", "text", partial(_text, "text-emotion"), partial(_sentences, "text-emotion")),
        ("traits", "traits", partial(_text, "traits"), partial(_sentences, "traits")),
    ):
        file = runs / recipe / f"{recipe}.keras" if runs else None
        there = file is not None and file.is_file()
        yield Entry(name, partial(build, recipe, file if there else None), data, trained=there)


def _load(file: Path) -> Any:
    from converter.keras_files import load_keras

    return load_keras(file)


def _expression(recipe: str, file: Path | None) -> Any:
    from training.architectures.expression_net import build_expression_net
    from training.recipe import ExpressionRecipe

    if file:
        return _load(file)
    network = _recipe(recipe, ExpressionRecipe).network
    return build_expression_net(width=network.width, dropout=network.dropout)


def _detector(recipe: str, file: Path | None) -> Any:
    from training.architectures.face_detector import build_face_detector
    from training.recipe import DetectorRecipe

    if file:
        return _load(file)
    network = _recipe(recipe, DetectorRecipe).network
    return build_face_detector(height=network.height, width=network.width, channels=network.channels, head=network.head)


def _speech(recipe: str, file: Path | None, *, part: str) -> Any:
    """The whole network, or the encoder or the head in it."""
    from training.architectures.speech_net import build_speech_net
    from training.recipe import SpeechRecipe
    from training.speech import settings_of

    if file:
        full = _load(file)
        return full if part == "full" else full.get_layer(f"speech_{part}")
    wanted = _recipe(recipe, SpeechRecipe)
    net = build_speech_net(wanted.network, settings_of(wanted.features), classes=len(wanted.data.labels))
    return getattr(net, part)


def _text(task: str, recipe: str, file: Path | None) -> Any:
    """The vocabulary is the installed model's: how large it is decides how large the file is."""
    from training.architectures.text_net import build_text_net
    from training.recipe import TextRecipe, TraitsRecipe

    if file:
        return _load(file)
    manifest = _installed(task)
    network = _recipe(recipe, TextRecipe if task == "text-emotion" else TraitsRecipe).network
    return build_text_net(network, manifest.text_input.text, outputs=manifest.output.shape[-1])


def _recipe(name: str, kind: type[Any]) -> Any:
    from training.recipe import read_recipe

    recipe = read_recipe(name)
    if not isinstance(recipe, kind):
        raise ConfigError(f"the recipe '{name}' is for {recipe.task}")
    return recipe


def _installed(task: str) -> Manifest:
    return read_manifest(manifest_path(find_model(task, "text" if task == "text-emotion" else task)))


def _sentences(task: str, shape: tuple[int, ...], count: int) -> npt.NDArray[Any]:
    return made_up(_installed(task), count, seed=SEED).rows


def _embeddings(shape: tuple[int, ...], count: int) -> FloatArray:
    """What comes out of a ReLU."""
    noise = np.random.default_rng(SEED).normal(size=(count, *shape))
    return np.clip(noise, 0, _SPEECH_RANGE[1]).astype(np.float32)


def _windows(shape: tuple[int, ...], count: int) -> FloatArray:
    """(windows, frames, bands): each window a picture of its own."""
    flat = patterns((*shape[1:], 1), count * shape[0], ends=_SPEECH_RANGE)
    return flat.reshape(count, *shape)


def _leaves(model: Any) -> Iterator[Any]:
    """All layers, those of nested models too."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer)
        else:
            yield layer
