"""The whole speech network, CNN over the windows and LSTM behind, as one int8 file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_model_optimization")

from converter import bridge, environment, mixed, verify
from tests.training.test_speech_net import build, some_windows

pytestmark = pytest.mark.tensorflow

FloatArray = npt.NDArray[np.float32]

RANGE = (-4.0, 4.0)


def test_the_full_model_becomes_one_int8_file_with_its_cnn_trained(tmp_path: Path) -> None:
    environment.prepare()
    import tensorflow as tf

    legacy = bridge.to_tf_keras(build(4).full)
    windows = some_windows(12).clip(*RANGE)
    logits = np.asarray(legacy.predict(windows, verbose=0), np.float32)

    def batches(epoch: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        yield windows[:6], logits[:6]

    def squared_error(targets: Any, outputs: Any) -> Any:
        return tf.reduce_mean(tf.square(targets - outputs))

    made = mixed.fine_tune(
        legacy,
        batches,
        calibration=windows[:6],
        epochs=1,
        learning_rate=1e-5,
        steps_per_epoch=1,
        loss=squared_error,
        input_range=RANGE,
        progress=False,
    )
    assert [name for name, _ in made.plan.calibrated] == ["speech_head_lstm1", "speech_head_lstm2"]
    kernels = {
        layer.name for layer in made.model.layers if type(layer).__name__ in ("Conv2D", "DepthwiseConv2D", "Dense")
    }
    assert len(kernels) == 8  # four blocks, two of them separable, the embedding and the logits
    assert kernels <= set(made.plan.trained)
    path = tmp_path / "speech.tflite"
    path.write_bytes(made.content)
    assert "WHILE" not in verify.require_int8(path).counts
    assert verify.agreement(logits[6:], verify.logits(path, windows[6:])).sqnr_db > 15
    np.testing.assert_array_equal(verify.logits(path, windows[6:]), verify.logits(path, windows[6:]))  # no memory
