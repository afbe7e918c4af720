"""Models whose input are numbers to look up: int32 in, int8 throughout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow_model_optimization")

from converter import environment, export, verify
from edge.errors import DataError, ModelError

pytestmark = pytest.mark.tensorflow

LENGTH, NUMBERS = 6, 30


def looked_up() -> Any:
    environment.prepare()
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    inputs = tf_keras.Input((LENGTH, 1), dtype="int32")
    x = tf_keras.layers.Embedding(NUMBERS, 8)(tf_keras.layers.Reshape((LENGTH,))(inputs))
    x = tf_keras.layers.GlobalAveragePooling1D()(tf_keras.layers.Conv1D(12, 3, activation="relu")(x))
    return tf_keras.Model(inputs, tf_keras.layers.Dense(3)(x), name="looked_up")


def ids(count: int, seed: int = 0) -> npt.NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, NUMBERS, (count, LENGTH, 1)).astype(np.int32)


def test_the_file_is_int8_behind_its_table_and_says_what_the_model_says(tmp_path: Path) -> None:
    model, path = looked_up(), tmp_path / "model.tflite"
    path.write_bytes(export.int8_of_ids(model, ids(1000)))
    assert verify.require_int8(path).counts["GATHER"] == 1
    unseen = ids(100, seed=1)
    assert verify.agreement(model.predict(unseen, verbose=0), verify.logits(path, unseen)).sqnr_db > 25


@pytest.mark.parametrize("wrong", [ids(0), ids(4)[:, :5], ids(4).astype(np.int64), ids(4).astype(np.float32)], ids=str)
def test_calibration_data_of_another_kind_is_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"where the model takes \(n, 6, 1\), int32"):
        export.int8_of_ids(looked_up(), wrong)


def test_a_file_that_stayed_in_float_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(export.float32(looked_up()))
    with pytest.raises(ModelError, match="output is float32"):
        verify.require_int8(path)
