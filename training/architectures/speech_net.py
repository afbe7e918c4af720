"""The speech network: a small CNN over each window of the log-mel spectrogram, then two LSTM layers over the windows.

The design of a TimeDistributed CNN of four local feature learning blocks with LSTM layers behind (Zhao, Mao and Chen
2019, "Speech emotion recognition using deep 1D & 2D CNN LSTM networks"), made small with depthwise separable
convolutions (Howard et al. 2017). Since every window goes through the same CNN, a device runs it once for each new
window and keeps what came out: encoder and head are models of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import KerasTensor, layers

from edge.features.logmel import LogMelSettings
from training.architectures.blocks import convolution
from training.recipe_parts import SpeechNetwork


@dataclass(frozen=True)
class SpeechNet:
    """The whole network and its two parts, which share their weights with it."""

    full: keras.Model
    """(n, windows, frames, bands) normalised windows, the oldest first -> (n, classes) logits."""
    encoder: keras.Model
    """(n, frames, bands, 1) -> (n, embedding)."""
    head: keras.Model
    """(n, windows, embedding) -> (n, classes) logits."""


def build_speech_net(options: SpeechNetwork, settings: LogMelSettings, *, classes: int) -> SpeechNet:
    """Build the network, untrained."""
    encoder = _build_encoder(options, settings)
    size = encoder.output.shape[-1]
    head = _build_head(options, size, classes)
    windows = keras.Input((options.windows, settings.frames, settings.bands), name="windows")
    # Folded into the batch: TimeDistributed would go through the windows one by one.
    folded = keras.ops.reshape(windows, (-1, settings.frames, settings.bands, 1))
    embeddings = keras.ops.reshape(encoder(folded), (-1, options.windows, size))
    return SpeechNet(keras.Model(windows, head(embeddings), name="speech_net"), encoder, head)


def _build_encoder(options: SpeechNetwork, settings: LogMelSettings) -> keras.Model:
    first, second, third, fourth = options.channels
    inputs = keras.Input((settings.frames, settings.bands, 1), name="window")
    # Few channels on a large grid are bound by memory, in training above all: the first blocks are plain convolutions
    # that shrink it.
    x = convolution(inputs, first, 5, stride=2, name="block1")
    x = convolution(x, second, 3, stride=2, name="block2")
    x = _block(x, third, stride=2, name="block3")
    x = _block(x, fourth, name="block4")
    # What there is on average over time and at most, for each quarter of the bands: a voice's register is in which
    # bands it is, and an outburst is shorter than a window.
    time, bands = x.shape[1:3]
    area = (time, max(1, bands // 4))
    mean = layers.AveragePooling2D(area, name="mean")(x)
    most = layers.MaxPooling2D(area, name="most")(x)
    x = layers.Concatenate(name="pools")([mean, most])
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(options.embedding, use_bias=False, name="embedding")(x)
    x = layers.BatchNormalization(name="embedding_norm")(x)
    x = layers.ReLU(name="embedding_relu")(x)
    return keras.Model(inputs, x, name="speech_encoder")


def _block(x: KerasTensor, filters: int, *, stride: int = 1, name: str) -> KerasTensor:
    """Local features: depthwise 3x3 and pointwise, each with batch norm and ReLU."""
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(name=f"{name}_depthwise_norm")(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    return convolution(x, filters, 1, name=name)


def _build_head(options: SpeechNetwork, size: int, classes: int) -> keras.Model:
    inputs = keras.Input((options.windows, size), name="embeddings")
    x = layers.Dropout(options.dropout, name="dropout")(inputs)
    x = layers.LSTM(options.lstm, return_sequences=True, unroll=True, name="lstm1")(x)
    x = layers.LSTM(options.lstm, unroll=True, name="lstm2")(x)
    x = layers.Dropout(options.dropout, name="dropout2")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="speech_head")
