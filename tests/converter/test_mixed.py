"""Models that TFMOT takes only in part: trained there, calibrated elsewhere, float where asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import environment, mixed, verify
from edge.errors import DataError, ModelError
from edge.inference.interpreter import load_interpreter

pytest.importorskip("tensorflow_model_optimization")
pytestmark = pytest.mark.tensorflow
environment.prepare()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

layers = tf_keras.layers
FloatArray = npt.NDArray[np.float32]

STEPS, SIDE, OUTPUTS = 3, 8, 3


def network() -> Any:
    """A CNN in TimeDistributed, a convolution over time and an LSTM: three things that TFMOT refuses."""
    tf_keras.utils.set_random_seed(5)
    entry = tf_keras.Input((STEPS, SIDE, SIDE, 1), name="windows")
    window = tf_keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, name="conv")(window)
    x = layers.Flatten(name="flat")(layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x)))
    x = layers.BatchNormalization(name="numbers_norm")(layers.Dense(6, use_bias=False, name="numbers")(x))
    x = layers.TimeDistributed(tf_keras.Model(window, x), name="cnn")(entry)
    x = layers.Conv1D(6, 3, padding="same", activation="relu", name="over_time")(x)
    x = layers.LSTM(4, name="memory")(x)
    return tf_keras.Model(entry, layers.Dense(OUTPUTS, name="logits")(x), name="small_speech")


@pytest.fixture(scope="module")
def model() -> Any:
    return network()


@pytest.fixture(scope="module")
def windows() -> FloatArray:
    return np.random.default_rng(0).uniform(0, 1, (48, STEPS, SIDE, SIDE, 1)).astype(np.float32)


def tune(model: Any, windows: FloatArray, **options: Any) -> mixed.Mixed:
    targets = model.predict(windows, verbose=0)

    def batches(epoch: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        yield from ((windows[begin : begin + 16], targets[begin : begin + 16]) for begin in (0, 16, 32))

    settings: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-4, "steps_per_epoch": 3, "progress": False}
    settings |= {"loss": lambda wanted, given: tf.reduce_mean(tf.square(wanted - given))}
    return mixed.fine_tune(model, batches, calibration=windows[:24], **(settings | options))


@pytest.fixture(scope="module")
def tuned(model: Any, windows: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> tuple[mixed.Mixed, Path]:
    made = tune(model, windows, input_range=(0.0, 1.0))
    path = tmp_path_factory.mktemp("mixed") / "small.tflite"
    path.write_bytes(made.content)
    return made, path


def test_the_file_is_int8_throughout_and_agrees(tuned: tuple[mixed.Mixed, Path], model: Any, windows: Any) -> None:
    _, path = tuned
    counts = verify.require_int8(path).counts
    assert {"CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "TANH"} <= set(counts)
    assert "DEQUANTIZE" not in counts
    reference = model.predict(windows[24:], verbose=0)
    assert verify.agreement(reference, verify.logits(path, windows[24:])).sqnr_db > 20
    spec = load_interpreter(path).input
    assert (spec.scale, spec.zero_point) == (np.float32(1) / np.float32(255), -128)


def test_the_plan_tells_who_quantised_what(tuned: tuple[mixed.Mixed, Path], model: Any) -> None:
    plan = tuned[0].plan
    assert plan == mixed.plan(model)
    assert plan.trained == ("cnn_conv", "cnn_norm", "cnn_relu", "cnn_flat", "cnn_numbers", "logits")
    assert [name for name, _ in plan.calibrated] == ["over_time", "memory"]
    assert dict(plan.calibrated)["over_time"] == "TFMOT does not take Conv1D"
    assert plan.floating == ()


def test_trained_ranges_are_the_files(tuned: tuple[mixed.Mixed, Path]) -> None:
    """Calibration leaves alone what was trained: the output has the range of the last layer's fake quantisation."""
    made, path = tuned
    ends = [
        float(weight)
        for kind in ("min", "max")
        for weight in made.tuned.model.weights
        if weight.name.startswith(f"quant_logits/post_activation_{kind}")
    ]
    assert len(ends) == 2
    assert load_interpreter(path).output.scale == pytest.approx((ends[1] - ends[0]) / 255, rel=1e-5)


def test_all_layers_learned(tuned: tuple[mixed.Mixed, Path]) -> None:
    """Those that stay in float while training, too; batch normalisation keeps its statistics."""
    made, _ = tuned
    after = {weight.name.replace("quant_", ""): weight.numpy() for weight in made.tuned.model.weights}
    before = {weight.name: weight.numpy() for weight in made.model.weights}
    assert set(before) <= set(after)
    moved = {name for name, value in before.items() if not np.array_equal(value, after[name])}
    assert {"cnn_conv/kernel:0", "over_time/kernel:0", "memory/kernel:0", "logits/kernel:0"} <= moved
    assert any("moving" in name for name in before)
    assert not any("moving" in name for name in moved)


def test_named_layers_stay_in_float(model: Any, windows: FloatArray, tmp_path: Path) -> None:
    made = tune(model, windows, keep_float=("cnn_conv", "over_time"))
    assert made.plan.floating == ("cnn_conv", "over_time")
    assert "batch normalisation" in dict(made.plan.calibrated)["cnn_norm"]
    path = tmp_path / "kept.tflite"
    path.write_bytes(made.content)
    found = verify.operators(path)
    assert found.counts["CONV_2D"] == 2
    assert found.floating.count("CONV_2D") == 2
    assert set(found.floating) <= {"CONV_2D", "QUANTIZE", "DEQUANTIZE", "RESHAPE"}
    loaded = load_interpreter(path)
    assert loaded.input.dtype == loaded.output.dtype == np.int8
    reference = model.predict(windows[24:], verbose=0)
    assert verify.agreement(reference, verify.logits(path, windows[24:])).sqnr_db > 20


def test_what_cannot_be_is_told(model: Any, windows: FloatArray) -> None:
    with pytest.raises(ModelError, match=r"no layer 'nowhere' to keep in float; it has: .*cnn_conv"):
        mixed.plan(model, keep_float=("nowhere",))
    with pytest.raises(DataError, match=r"data of shape \(48, 2"):
        mixed.fine_tune(
            model, lambda epoch: [], calibration=windows[:, :2], epochs=1, learning_rate=1e-3, steps_per_epoch=1
        )
    entry = tf_keras.Input((SIDE, 2))
    alien = tf_keras.Model(entry, layers.Conv1D(2, 3)(entry), name="alien")
    with pytest.raises(ModelError, match=r"model 'alien': TFMOT takes none of its layers.*--method int8"):
        mixed.fine_tune(alien, lambda epoch: [], calibration=windows, epochs=1, learning_rate=1e-3, steps_per_epoch=1)


def awkward() -> Any:
    """Layers of each reason to be left."""
    entry = tf_keras.Input((SIDE, SIDE, 1), name="picture")
    shared = layers.Conv2D(4, 1, name="shared")
    x = layers.BatchNormalization(name="first_norm")(entry)
    x = layers.ReLU(name="first_relu")(x)
    x = shared(shared(layers.Conv2D(4, 1, activation="elu", name="bent")(x)))
    x = layers.Conv2D(4, 1, name="branching")(x)
    x = layers.Multiply(name="product")([layers.BatchNormalization(name="branch_norm")(x), x])
    x = layers.ReLU(6.0, name="clip")(layers.Rescaling(1.0, 3.0, name="shift")(x))
    x = layers.Activation("hard_sigmoid", name="gate")(x)
    x = layers.Activation("relu", name="plain_relu")(layers.Conv2D(4, 1, name="plain")(x))
    return tf_keras.Model(entry, x, name="awkward")


def test_each_reason_to_leave_a_layer() -> None:
    plan = mixed.plan(awkward())
    assert plan.trained == ("branching", "plain", "plain_relu")
    reasons = dict(plan.calibrated)
    assert reasons["bent"] == "TFMOT does not take the activation elu"
    assert reasons["shared"] == "it is used more than once"
    assert reasons["first_norm"] == reasons["branch_norm"]
    assert reasons["first_norm"].startswith("batch normalisation that does not stand alone")
    assert reasons["first_relu"] == "it belongs to 'first_norm', which is not trained"
    assert reasons["clip"] == "it belongs to 'shift', which is not trained"
    assert reasons["gate"] == "TFMOT does not take the activation hard_sigmoid"
    assert {"product", "shift"} <= set(reasons)


def test_fake_quantisation_takes_what_the_plan_says() -> None:
    """TFMOT itself builds from the plan, with each of the awkward layers left as it was."""
    from converter.scheme import quantize

    model = awkward()
    plan = mixed.plan(model)
    x = np.random.default_rng(1).uniform(0, 1, (4, SIDE, SIDE, 1)).astype(np.float32)
    quantized = quantize(model, (0.0, 1.0), [x], left=[name for name, _ in plan.calibrated])
    wrapped = {layer.layer.name for layer in quantized.layers if type(layer).__name__ == "QuantizeWrapperV2"}
    assert wrapped == set(plan.trained)
    difference = np.abs(quantized(x, training=False) - model(x, training=False)).max()
    assert difference < 0.05 * np.abs(model(x, training=False)).max()


def test_a_mean_of_single_numbers_is_left() -> None:
    """As squeeze and excitation have it in networks for small pictures, on what stays in float while training."""
    entry = tf_keras.Input((SIDE, SIDE, 1), name="picture")
    x = layers.Multiply(name="product")([layers.Conv2D(2, SIDE, name="first")(entry)] * 2)
    x = layers.Add(name="sum")([layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x), x])
    plan = mixed.plan(tf_keras.Model(entry, x, name="excited"))
    assert plan.trained == ("first", "sum")
    assert dict(plan.calibrated)["mean"].startswith("it takes the mean of single numbers")


def test_what_is_pooled_and_concatenated_is_int8(tmp_path: Path) -> None:
    """As between the blocks of a DenseNet: TFLite has one range before and behind a mean, and in a concatenation."""
    tf_keras.utils.set_random_seed(5)
    entry = tf_keras.Input((SIDE, SIDE, 2), name="picture")
    x = layers.AveragePooling2D(2, name="mean")(layers.Conv2D(4, 3, padding="same", name="first")(entry))
    grown = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.Concatenate()([x, grown])
    x = layers.Conv2D(4, 3)(layers.ReLU()(layers.BatchNormalization()(x)))
    model = tf_keras.Model(entry, layers.Flatten()(x), name="dense_block")
    pictures = np.random.default_rng(0).uniform(0, 1, (48, SIDE, SIDE, 2)).astype(np.float32)
    made = tune(model, pictures)
    assert "concatenated" in dict(made.plan.calibrated)["mean"]
    path = tmp_path / "dense_block.tflite"
    path.write_bytes(made.content)
    verify.require_int8(path)
    assert verify.agreement(model.predict(pictures, verbose=0), verify.logits(path, pictures)).sqnr_db > 20


def test_numbers_of_a_table_are_left_alone() -> None:
    entry = tf_keras.Input((6,), dtype="int32", name="pieces")
    x = layers.Embedding(20, 4, name="table")(layers.Reshape((6,), name="turned")(entry))
    x = layers.Dense(2, name="logits")(layers.GlobalAveragePooling1D(name="mean")(x))
    plan = mixed.plan(tf_keras.Model(entry, x, name="text"))
    assert dict(plan.calibrated) == {
        "turned": "it works on whole numbers",
        "table": "TFMOT does not take Embedding",
    }
    assert plan.trained == ("mean", "logits")
