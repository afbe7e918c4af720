from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")

from converter import environment
from edge.errors import ModelError

pytestmark = pytest.mark.tensorflow

STEPS, NUMBERS, UNITS = 4, 8, 6


def two_layers(kind: str = "LSTM", *, bidirectional: str | None = None, **options: Any) -> Any:
    """A recurrent layer that gives sequences and one that gives its last step; random biases, which matter."""
    environment.prepare()
    import tf_keras

    layers = tf_keras.layers

    def recurrent(name: str, **more: Any) -> Any:
        layer = getattr(layers, kind)(UNITS, name=name, bias_initializer="random_normal", **options, **more)
        return layer if bidirectional is None else layers.Bidirectional(layer, bidirectional, name=name)

    tf_keras.utils.set_random_seed(3)
    inputs = tf_keras.Input((STEPS, NUMBERS))
    x = recurrent("second")(recurrent("first", return_sequences=True)(inputs))
    return tf_keras.Model(inputs, layers.Dense(3, name="logits")(x), name="two_layers")


def sequences(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(0, 1, (count, STEPS, NUMBERS)).astype(np.float32)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_bias": False},
        {"go_backwards": True},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
        {"bidirectional": "concat"},
        {"kind": "GRU"},
        {"kind": "GRU", "reset_after": False},
        {"kind": "GRU", "use_bias": False},
        {"kind": "GRU", "bidirectional": "sum"},
        {"kind": "SimpleRNN"},
        {"kind": "SimpleRNN", "bidirectional": "ave"},
        {"kind": "SimpleRNN", "bidirectional": "mul", "use_bias": False},
    ],
    ids=str,
)
def test_the_outputs_are_the_layers_own(options: dict[str, Any]) -> None:
    from converter.unrolled import has_recurrent, unroll

    model = two_layers(**options)
    x = sequences(20)
    found = unroll(model)
    assert np.abs(model.predict(x, verbose=0) - found.predict(x, verbose=0)).max() < 1e-6
    assert not has_recurrent(found)


def test_long_sequences_are_unrolled_too() -> None:
    from converter.unrolled import unroll

    environment.prepare()
    import tf_keras

    layers = tf_keras.layers
    inputs = tf_keras.Input((40, 2))
    model = tf_keras.Model(inputs, layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True))(inputs))
    x = np.random.default_rng(0).normal(size=(5, 40, 2)).astype(np.float32)
    assert np.abs(model.predict(x, verbose=0) - unroll(model).predict(x, verbose=0)).max() < 1e-6


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_it_becomes_int8_throughout_and_keeps_no_state(kind: str, tmp_path: Path) -> None:
    from converter import export, verify
    from converter.unrolled import unroll

    model, x = two_layers(kind), sequences(100)
    path = tmp_path / "unrolled.tflite"
    path.write_bytes(export.int8_calibrated(unroll(model), x))
    assert not {"UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE"} & set(verify.require_int8(path).counts)
    first, again = verify.logits(path, x), verify.logits(path, x[::-1])[::-1]
    assert np.array_equal(first, again)
    assert verify.agreement(model.predict(x, verbose=0), first).sqnr_db > 20


def stateful(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input(batch_shape=(1, STEPS, NUMBERS))
    return entry, layers.LSTM(UNITS, name="odd", stateful=True)(entry)


def given_a_state(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((STEPS, NUMBERS))
    return entry, layers.GRU(UNITS, name="odd")(entry, initial_state=layers.Dense(UNITS)(layers.Flatten()(entry)))


def masked(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((STEPS,), dtype="int32")
    return entry, layers.LSTM(UNITS)(layers.Embedding(9, NUMBERS, mask_zero=True, name="odd")(entry))


def other_activation(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((STEPS, NUMBERS))
    return entry, layers.LSTM(UNITS, activation=lambda x: x * x, name="odd")(entry)


def open_length(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((None, NUMBERS))
    return entry, layers.LSTM(UNITS, name="odd")(entry)


def two_answers(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((STEPS, NUMBERS))
    return entry, layers.Bidirectional(layers.LSTM(UNITS), merge_mode=None, name="odd")(entry)


def convolutional(layers: Any) -> tuple[Any, Any]:
    entry = layers.Input((STEPS, NUMBERS, 2))
    return entry, layers.ConvLSTM1D(UNITS, 3, name="odd")(entry)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (stateful, "has stateful=True"),
        (given_a_state, "begins with a state"),
        (masked, "mask_zero=False"),
        (other_activation, "has a custom activation"),
        (open_length, "leaves its number of steps open"),
        (two_answers, "has merge_mode None"),
        (convolutional, "is recurrent by a ConvLSTM1D"),
    ],
)
def test_what_cannot_be_unrolled_is_named(build: Callable[[Any], tuple[Any, Any]], says: str) -> None:
    from converter.unrolled import unroll

    environment.prepare()
    import tf_keras

    with pytest.raises(ModelError, match=rf"layer 'odd' .*{says}"):
        unroll(tf_keras.Model(*build(tf_keras.layers)))
