from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import environment
from edge.errors import ModelError

pytestmark = pytest.mark.tensorflow

STEPS, NUMBERS, UNITS = 4, 8, 6


def two_layers(**options: Any) -> Any:
    environment.prepare()
    import tf_keras

    tf_keras.utils.set_random_seed(3)
    inputs = tf_keras.Input((STEPS, NUMBERS))
    x = tf_keras.layers.LSTM(UNITS, return_sequences=True, name="first", **options)(inputs)
    x = tf_keras.layers.LSTM(UNITS, name="second")(x)
    return tf_keras.Model(inputs, tf_keras.layers.Dense(3, name="logits")(x), name="two_layers")


def sequences(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(0, 1, (count, STEPS, NUMBERS)).astype(np.float32)


def test_the_outputs_are_the_layers_own() -> None:
    from converter.unrolled import unroll

    model = two_layers()
    x = sequences(20)
    assert np.abs(model.predict(x, verbose=0) - unroll(model).predict(x, verbose=0)).max() < 1e-6


def test_it_becomes_int8_throughout_and_keeps_no_state(tmp_path: Path) -> None:
    from converter import export, verify
    from converter.unrolled import unroll

    model, x = two_layers(), sequences(100)
    path = tmp_path / "unrolled.tflite"
    path.write_bytes(export.int8_calibrated(unroll(model), x))
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in verify.require_int8(path).counts
    first, again = verify.logits(path, x), verify.logits(path, x)
    assert np.array_equal(first, again)
    assert verify.agreement(model.predict(x, verbose=0), first).sqnr_db > 20


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"activation": "relu"}, "activation"),
        ({"go_backwards": True}, "go_backwards"),
        ({"use_bias": False}, "use_bias"),
    ],
)
def test_what_is_no_plain_lstm_is_named(options: dict[str, Any], key: str) -> None:
    from converter.unrolled import unroll

    with pytest.raises(ModelError, match=rf"layer 'first' \(LSTM\): {key} is"):
        unroll(two_layers(**options))
