"""The text networks: a compact one over words and their pieces, and the deep one that personality traits are read with.

Both take (n, length, pieces) int32 numbers of `edge.features.token_ids`, and use layers alone that TFLite has in int8.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from edge.features.token_ids import TextSettings
from training.recipe_parts import TextNetwork


def build_text_net(options: TextNetwork, settings: TextSettings, *, outputs: int) -> keras.Model:
    """Build the network that a recipe names, untrained; it gives (n, outputs) logits."""
    inputs = keras.Input((settings.length, settings.pieces), dtype="int32", name="ids")
    if options.architecture == "linear":
        options = options.model_copy(update={"embedding": outputs})
    x = _embed(inputs, options, settings)
    build = {"text_net": _compact, "conv_lstm": _reference, "linear": _mean}[options.architecture]
    return keras.Model(inputs, layers.Dense(outputs, name="logits")(build(x, options)), name=options.architecture)


def _embed(inputs: KerasTensor, options: TextNetwork, settings: TextSettings) -> KerasTensor:
    """(n, length, embedding): each token is the mean of its numbers' vectors.

    Padding has a vector like all others, for TFLite has no masks: what it should be is learned.
    """
    table = layers.Embedding(settings.numbers, options.embedding, name="embedding")
    if settings.pieces == 1:
        return table(layers.Reshape((settings.length,), name="flat")(inputs))
    flat = layers.Reshape((settings.length * settings.pieces,), name="flat")(inputs)
    return layers.AveragePooling1D(settings.pieces, name="pieces")(table(flat))


def _mean(x: KerasTensor, options: TextNetwork) -> KerasTensor:
    """What the tokens say on average; see `training.linear_text`."""
    return layers.GlobalAveragePooling1D(name="mean")(x)


def _compact(x: KerasTensor, options: TextNetwork) -> KerasTensor:
    """Convolutions whose strongest and mean answers are kept (Kim 2014, "Convolutional Neural Networks for Sentence
    Classification"), and one LSTM layer over every fourth place for the order of what is further apart.
    """
    x = layers.SpatialDropout1D(options.embedding_dropout, name="embedding_dropout")(x)
    for number, filters in enumerate(options.filters, start=1):
        x = layers.Conv1D(filters, options.kernel, padding="same", use_bias=False, name=f"block{number}")(x)
        x = layers.BatchNormalization(name=f"block{number}_norm")(x)
        x = layers.ReLU(name=f"block{number}_relu")(x)
        x = layers.Dropout(options.dropout / 2, name=f"block{number}_dropout")(x)
    found = [layers.GlobalMaxPooling1D(name="most")(x), layers.GlobalAveragePooling1D(name="mean")(x)]
    if options.lstm:
        coarse = layers.MaxPooling1D(4, name="coarse")(x)
        found.append(layers.LSTM(options.lstm, unroll=True, name="lstm")(coarse))
    joined = layers.Concatenate(name="pools")(found)
    return layers.Dropout(options.dropout, name="dropout")(joined)


def _reference(x: KerasTensor, options: TextNetwork) -> KerasTensor:
    """Three blocks of convolution, max pooling, spatial dropout and batch norm, three LSTM layers, a dense one."""
    for number, filters in enumerate((128, 256, 512), start=1):
        x = layers.Conv1D(filters, 8, padding="same", activation="relu", name=f"block{number}")(x)
        x = layers.MaxPooling1D(2, name=f"block{number}_pool")(x)
        x = layers.SpatialDropout1D(options.embedding_dropout, name=f"block{number}_dropout")(x)
        x = layers.BatchNormalization(name=f"block{number}_norm")(x)
    for number in (1, 2, 3):
        x = layers.LSTM(180, return_sequences=number < 3, name=f"lstm{number}")(x)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    return layers.Dropout(options.dropout, name="dropout")(x)
