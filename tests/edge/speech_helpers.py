"""A tiny speech model, untrained, and sounds that need no recording."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.features.logmel import LogMelSettings
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import Calibration, Manifest, SequenceInput, SpeechInput, TensorSpec, file_sha256
from edge.observation import NO_SPEECH, AudioBlock

DATA = Path(__file__).parents[1] / "data"
SMALL_ENCODER = DATA / "small_speech_encoder.tflite"
SMALL_HEAD = DATA / "small_speech_head.tflite"
"""Real int8 models with random weights: `small_encoder` and `small_head` below, converted by `convert`."""

SPEECH_LABELS = ("neutral", NO_SPEECH, "happy", "sad", "angry")
"""In this order nothing that `talk` says is taken for no speech."""

WINDOWS, NUMBERS = 4, 12
RATE = LogMelSettings().rate

FloatArray = npt.NDArray[np.float32]


def install_speech_model(folder: Path, *, name: str = "speech", labels: tuple[str, ...] = SPEECH_LABELS) -> Path:
    """Put the tiny model with its manifests into a models folder; returns the head's file."""
    encoder = folder / "speech-encoder" / f"{name}.tflite"
    head = folder / "speech-emotion" / f"{name}.tflite"
    for source, target in ((SMALL_ENCODER, encoder), (SMALL_HEAD, head)):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    sound = SpeechInput(**_tensor(encoder, "input"), spectrogram=LogMelSettings())
    _describe(encoder, input=sound, task="speech-encoder")
    sequence = SequenceInput(**_tensor(head, "input"), encoder=name, encoder_sha256=file_sha256(encoder))
    _describe(
        head, input=sequence, task="speech-emotion", labels=labels, calibration=Calibration(temperature=2.0)
    ).with_suffix(".md").write_text("# small\n\nKnows nothing.\n")
    return head


def _tensor(model: Path, end: str) -> dict[str, Any]:
    info = getattr(load_interpreter(model), end)
    return {"shape": info.shape, "dtype": info.dtype.name, "scale": info.scale, "zero_point": info.zero_point}


def _describe(model: Path, **keys: Any) -> Path:
    Manifest(
        name=model.stem,
        version="1",
        file=model.name,
        sha256=file_sha256(model),
        size_bytes=model.stat().st_size,
        output=TensorSpec(**_tensor(model, "output")),
        **keys,
    ).write(model.with_suffix(".json"))
    return model


def small_encoder(window: Any) -> Any:
    """A function of (1, 64, 64, 1) that TensorFlow can trace: one convolution and a dense layer."""
    import tensorflow as tf

    kernel, weights = _weights(1, 8, 8, 1, 6) * 0.3, _weights(2, 4 * 4 * 6, NUMBERS) * 0.2
    features = tf.nn.relu(tf.nn.conv2d(window, kernel, 8, "SAME"))
    return tf.nn.relu(tf.reshape(tf.nn.avg_pool2d(features, 2, 2, "SAME"), (1, -1)) @ weights)


def small_head(embeddings: Any) -> Any:
    """A function of (1, WINDOWS, NUMBERS): a recurrence, written out, and a dense layer."""
    import tensorflow as tf

    inward, onward = _weights(3, NUMBERS, 8) * 0.5, _weights(4, 8, 8) * 0.5
    outward = _weights(5, 8, len(SPEECH_LABELS)) * 2
    state = tf.zeros((1, 8))
    for window in range(WINDOWS):
        state = tf.tanh(embeddings[:, window] @ inward + state @ onward)
    return state @ outward


def _weights(seed: int, *shape: int) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convert(network: Any, shape: tuple[int, ...], samples: FloatArray, *, owner: Any = None) -> bytes:
    """The bytes of an int8 model; `samples` (n, *shape) give the ranges, `owner` is a Keras model with the weights."""
    import tensorflow as tf

    traced = tf.function(network, input_signature=[tf.TensorSpec((1, *shape), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()], owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def noise(seconds: float, dbfs: float, *, seed: int = 0, rate: int = RATE) -> FloatArray:
    """White noise of so many decibels below full scale (root of the mean square)."""
    samples = np.random.default_rng(seed).normal(size=round(seconds * rate)) * 10 ** (dbfs / 20)
    return samples.astype(np.float32)


def hum(seconds: float, dbfs: float, *, hertz: float = 100.0, rate: int = RATE) -> FloatArray:
    """A steady tone with three overtones, as mains and motors make."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * hertz * k * time + k) / k for k in (1, 2, 3, 4))
    samples: FloatArray = (tone / np.sqrt(np.mean(np.square(tone))) * 10 ** (dbfs / 20)).astype(np.float32)
    return samples


def talk(seconds: float, dbfs: float, *, pause_db: float = 25.0, seed: int = 0, rate: int = RATE) -> FloatArray:
    """Something like speech: a voice of changing pitch in syllables, four or so a second, and never a real pause.

    Between two syllables it falls by `pause_db`.
    """
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    time = np.arange(count) / rate
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.4 * time) + 15 * np.sin(2 * np.pi * 1.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = np.cumsum(generator.uniform(0.15, 0.35, size=round(seconds / 0.15) + 2))
    envelope = np.interp(
        time, np.sort(np.concatenate([syllables, syllables - 0.07])), np.resize([0.0, 1.0], 2 * len(syllables))
    )
    shaped = voice * 10 ** ((envelope - 1) * pause_db / 20)
    samples: FloatArray = (shaped / np.sqrt(np.mean(np.square(shaped))) * 10 ** (dbfs / 20)).astype(np.float32)
    return samples


def blocks(
    samples: FloatArray, *, rate: int = RATE, size: int = 800, position: int = 0, source: str = "test"
) -> list[AudioBlock]:
    """Sound cut as a source hands it out; its wall time begins at 1000 s, its steady time at 0."""
    return [
        AudioBlock(
            samples[start : start + size],
            rate,
            position + start,
            1000 + (position + start) / rate,
            (position + start) / rate,
            source,
        )
        for start in range(0, len(samples), size)
    ]
