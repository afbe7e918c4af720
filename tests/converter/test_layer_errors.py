"""The error of each layer, which of them cost most, and keeping these in float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import environment, export, layer_costs, layer_errors, verify
from converter.layer_errors import LayerError
from converter.subject import Subject, of_function, of_model
from edge.errors import DataError, ModelError
from edge.inference.interpreter import load_interpreter

pytestmark = pytest.mark.tensorflow
environment.prepare()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

layers = tf_keras.layers
FloatArray = npt.NDArray[np.float32]

SIDE, SAMPLES = 8, 16


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Between 'wide' and 'narrow' go numbers that int8 cannot hold.

    One channel is 300 times as large as the others, and the layer behind it makes them alike again.
    """
    tf_keras.utils.set_random_seed(1)
    entry = tf_keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(4, 3, use_bias=False, name="first")(entry)
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="first_norm")(x))
    x = layers.Conv2D(6, 1, activation="relu", name="wide")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="narrow")(x)
    model = tf_keras.Model(entry, layers.Dense(3, name="logits")(layers.Flatten(name="flat")(x)), name="uneven")
    kernel, bias = model.get_layer("wide").get_weights()
    kernel = np.abs(kernel)
    kernel[..., 0] *= 300
    model.get_layer("wide").set_weights([kernel, bias])
    kernel, bias = model.get_layer("narrow").get_weights()
    kernel[:, :, 0] /= 300
    model.get_layer("narrow").set_weights([kernel, bias])
    return of_model(model)


@pytest.fixture(scope="module")
def x() -> FloatArray:
    return np.random.default_rng(0).uniform(0, 1, (SAMPLES, SIDE, SIDE, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def content(subject: Subject, x: FloatArray) -> bytes:
    return export.int8_calibrated(subject, x)


@pytest.fixture(scope="module")
def errors(subject: Subject, x: FloatArray, content: bytes) -> list[LayerError]:
    return layer_errors.measure(subject, x, content)


def test_each_layer_is_measured(errors: list[LayerError]) -> None:
    found = errors
    assert [each.layer for each in found] == ["first", "wide", "narrow", "logits"]
    assert found[0].layers == ("first", "first_relu")
    assert [each.operator for each in found] == ["CONV_2D"] * 3 + ["FULLY_CONNECTED"]
    assert {each.dtype for each in found} == {"int8"}
    first, wide, narrow, logits = (each.sqnr_db for each in found)
    assert first > 40 > wide > 20 > narrow
    assert logits < 25
    assert found[1].high > 20 * found[2].high


def test_the_last_layer_has_the_files_error(
    subject: Subject, x: FloatArray, content: bytes, errors: list[LayerError], tmp_path: Path
) -> None:
    """The measure is the one that outputs are compared by; XNNPACK may round otherwise than the operators here."""
    path = tmp_path / "uneven.tflite"
    path.write_bytes(content)
    outputs = verify.agreement(subject.predict(x), verify.logits(path, x))
    last = errors[-1]
    assert last.sqnr_db == pytest.approx(outputs.sqnr_db, abs=0.5)
    assert last.mean_error == pytest.approx(outputs.mean_difference, rel=0.1)


def test_histograms_hold_the_float_activations(subject: Subject, x: FloatArray, errors: list[LayerError]) -> None:
    found = errors[-1]
    outputs = subject.predict(x)
    assert (found.low, found.high) == pytest.approx((outputs.min(), outputs.max()), rel=1e-5)
    assert found.histogram.edges[0] == found.low
    assert found.histogram.edges[-1] == found.high
    assert sum(found.histogram.counts) == outputs.size
    np.testing.assert_allclose(found.histogram.counts, np.histogram(outputs, found.histogram.edges)[0], atol=1)
    plain = found.as_dict()
    assert plain["layer"] == "logits"
    assert len(plain["histogram"]["edges"]) == len(plain["histogram"]["counts"]) + 1


def test_numbers_beyond_the_range_are_counted(subject: Subject, x: FloatArray, errors: list[LayerError]) -> None:
    dark = export.int8_calibrated(subject, x * 0.5)
    assert layer_errors.measure(subject, x, dark)[0].clipped > 0.01
    assert errors[0].clipped == 0


@pytest.mark.parametrize(("write", "least"), [("float32", 100), ("float16", 50)])
def test_float_files_are_measured_too(subject: Subject, x: FloatArray, write: str, least: float) -> None:
    found = layer_errors.measure(subject, x[:4], getattr(export, write)(subject))
    assert [each.layer for each in found] == ["first", "wide", "narrow", "logits"]
    assert {each.dtype for each in found} == {"float32"}
    assert min(each.sqnr_db for each in found) > least


def test_the_costliest_layers_are_found(subject: Subject, x: FloatArray, tmp_path: Path) -> None:
    """Neither of the two helps alone: what goes from one to the other is rounded until both are in float."""
    found = layer_costs.costliest(subject, x, x, 3, input_range=(0.0, 1.0), progress=False)
    assert {cost.layer for cost in found[:2]} == {"wide", "narrow"}
    assert [cost.alone_db for cost in found] == sorted(cost.alone_db for cost in found)
    assert found[2].alone_db > found[1].alone_db + 20
    assert found[0].gain_db < 3
    assert found[1].gain_db > 20
    # What is promised is what keeping them gives.
    path = tmp_path / "kept.tflite"
    path.write_bytes(export.int8_calibrated(subject, x, keep_float=tuple(cost.layer for cost in found[:2])))
    assert verify.agreement(subject.predict(x), verify.logits(path, x)).sqnr_db == pytest.approx(found[1].sqnr_db)
    assert found[0].as_dict()["layer"] == found[0].layer


@pytest.mark.parametrize("name", ["first_relu", "logits"])
def test_a_layer_stays_in_float(subject: Subject, x: FloatArray, name: str, tmp_path: Path) -> None:
    """By the name of any of the layers that TFLite makes one operator of."""
    path = tmp_path / "kept.tflite"
    path.write_bytes(export.int8_calibrated(subject, x, keep_float=(name,)))
    kind = "FULLY_CONNECTED" if name == "logits" else "CONV_2D"
    assert sorted(verify.operators(path).floating) == sorted(["DEQUANTIZE", "QUANTIZE", kind])
    loaded = load_interpreter(path)
    assert loaded.input.dtype == loaded.output.dtype == np.int8
    assert loaded.input.scale == np.float32(1) / np.float32(255)


def test_a_bare_function_has_its_scopes(x: FloatArray) -> None:
    """Of a SavedModel that is only a function, the parts of the tensors' names stand for layers."""
    holder = tf.Module()
    holder.kernel = tf.Variable(tf.random.stateless_normal((3, 3, 1, 2), (1, 2)), name="kernel")

    def network(pixels: Any) -> Any:
        with tf.name_scope("stem"):
            y = tf.nn.relu(tf.nn.conv2d(pixels, holder.kernel, 1, "VALID"))
        with tf.name_scope("head"):
            return tf.reduce_mean(y, (1, 2))

    spec = tf.TensorSpec((1, SIDE, SIDE, 1), tf.float32, name="pixels")
    subject = of_function(tf.function(network).get_concrete_function(spec), name="bare", keep=(holder,))
    found = layer_errors.measure(subject, x, export.int8_calibrated(subject, x))
    assert [each.operator for each in found] == ["CONV_2D", "MEAN"]
    assert found[0].layer == "stem"
    costs = layer_costs.costliest(subject, x, x, 1, progress=False)
    assert len(costs) == 1
    assert export.int8_calibrated(subject, x, keep_float=(costs[0].layer,))


def test_what_cannot_be_is_told(subject: Subject, x: FloatArray, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"no operator belongs to 'nowhere'.*there are: first, first_relu"):
        export.int8_calibrated(subject, x, keep_float=("nowhere",))
    with pytest.raises(DataError, match=r"data of shape \(16, 4, 8, 1\)"):
        layer_errors.measure(subject, x[:, :4], content)
    with pytest.raises(DataError, match="0 layers"):
        layer_costs.costliest(subject, x, x, 0)
    with pytest.raises(ModelError, match="cannot load"):
        layer_errors.measure(subject, x, content[: len(content) // 2])
    entry = tf_keras.Input((SIDE, SIDE, 1))
    other = of_model(tf_keras.Model(entry, layers.Conv2D(9, 3, name="elsewhere")(entry), name="other"))
    with pytest.raises(ModelError, match="no layer in common"):
        layer_errors.measure(other, x, content)
