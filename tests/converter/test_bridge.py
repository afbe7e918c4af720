"""Keras 3 models in legacy Keras: equal outputs, or an error that names the layer."""

from __future__ import annotations

import importlib.util
import inspect
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import bridge, cost, environment, keras_files, legacy_graph
from edge.errors import ModelError

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow
environment.prepare()

import keras  # noqa: E402
import tf_keras  # noqa: E402
from keras import layers as L  # noqa: E402, N812

PICTURE, SOUND = (12, 10, 3), (9, 5)


def picture(*stack: Any) -> keras.Model:
    return keras.Sequential([keras.Input(PICTURE), *stack])


def sound(*stack: Any) -> keras.Model:
    return keras.Sequential([keras.Input(SOUND), *stack])


def branches(merge: Any) -> keras.Model:
    entry = keras.Input(PICTURE)
    parts = [L.Conv2D(4, 3, padding="same", activation=each)(entry) for each in ("tanh", "relu")]
    return keras.Model(entry, merge(parts))


def shared() -> keras.Model:
    entry, convolution = keras.Input(PICTURE), L.Conv2D(3, 3, padding="same")
    return keras.Model(entry, convolution(convolution(entry)))


def nested() -> keras.Model:
    inner_entry = keras.Input(PICTURE)
    inner = keras.Model(inner_entry, L.Conv2D(3, 1, name="conv")(inner_entry), name="inner")
    entry = keras.Input(PICTURE)
    return keras.Model(entry, L.Conv2D(2, 1, name="conv")(inner(inner(entry))))


def two_ends() -> keras.Model:
    first, second = keras.Input((4,)), keras.Input((4,))
    x = L.Concatenate()([first, second])
    return keras.Model([first, second], [L.Dense(3)(x), L.Dense(2, activation="softmax")(x)])


def rows(*stack: Any) -> keras.Model:
    return keras.Sequential([keras.Input((6, 7, 5, 2)), *stack])


def adapted() -> keras.Model:
    layer = L.Normalization(axis=-1)
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, *PICTURE)).astype(np.float32))
    return picture(layer, L.Normalization(mean=[1.0, 2, 3], variance=[4.0, 5, 6], invert=True))


def within_steps() -> keras.Model:
    """A model in TimeDistributed, as a CNN over the frames of a film."""
    inner = keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(3, 3, name="conv"), L.Flatten()], name="inner")
    entry = keras.Input((4, 8, 8, 2))
    x = L.TimeDistributed(inner)(L.TimeDistributed(L.BatchNormalization())(entry))
    return keras.Model(entry, L.LSTM(3)(L.TimeDistributed(L.Dense(5, activation="relu6"))(x)))


def named_parts() -> keras.Model:
    """A model that takes a dictionary, whose inner model gives one."""
    inner_entry = {"a": keras.Input((5,), name="a"), "b": keras.Input((4,), name="b")}
    inner = keras.Model(
        inner_entry, {"sum": L.Dense(3)(inner_entry["b"]), "other": L.Dense(3)(inner_entry["a"])}, name="inner"
    )
    entry = {"b": keras.Input((4,), name="bb"), "a": keras.Input((5,), name="aa")}
    parts = inner({"b": entry["b"], "a": entry["a"]})
    return keras.Model(entry, L.Subtract()([parts["sum"], parts["other"]]))


def dtypes(policy: str) -> keras.Model:
    with_policy = [L.Conv2D(4, 3, dtype=policy), L.BatchNormalization(dtype=policy), L.Flatten(dtype=policy)]
    return picture(*with_policy, L.Dense(3, dtype=policy))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "strided": lambda: picture(L.Conv2D(4, 5, strides=2, padding="same", use_bias=False), L.BatchNormalization()),
    "dilated": lambda: picture(L.Conv2D(4, 3, dilation_rate=2, activation="relu")),
    "grouped": lambda: picture(L.Conv2D(6, 3, groups=3)),
    "depthwise": lambda: picture(L.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same")),
    "separable": lambda: picture(L.SeparableConv2D(4, 3, activation="elu")),
    "separable, hard-swish": lambda: picture(L.SeparableConv2D(4, 3, depth_multiplier=2, activation="hard_silu")),
    "transposed": lambda: picture(L.Conv2DTranspose(4, 3, strides=2, padding="same"), L.Conv2DTranspose(2, 4)),
    "one-dimensional": lambda: sound(L.Conv1D(4, 3), L.SeparableConv1D(3, 3), L.MaxPooling1D(2)),
    "one-dimensional, causal": lambda: sound(L.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "one-dimensional, depthwise": lambda: sound(L.DepthwiseConv1D(3, padding="same"), L.Conv1DTranspose(4, 3, 2)),
    "three-dimensional": lambda: rows(L.Conv3D(3, 2), L.Conv3DTranspose(2, 3, 2), L.MaxPooling3D(2), L.ReLU()),
    "dense": lambda: sound(L.Dense(4), L.EinsumDense("abc,cd->abd", (9, 6), bias_axes="d"), L.Flatten(), L.Dense(3)),
    "pooling": lambda: picture(L.MaxPooling2D(2, padding="same"), L.AveragePooling2D(3, strides=1, padding="same")),
    "pooling, other ranks": lambda: rows(
        L.AveragePooling3D((2, 1, 1)), L.Reshape((15, 14)), L.AveragePooling1D(2), L.GlobalMaxPooling1D()
    ),
    "global pooling": lambda: picture(L.GlobalMaxPooling2D(keepdims=True), L.GlobalAveragePooling2D()),
    "global pooling, other ranks": lambda: rows(L.GlobalAveragePooling3D(keepdims=True), L.GlobalMaxPooling3D()),
    "padding": lambda: picture(L.ZeroPadding2D(((1, 0), (2, 1))), L.Cropping2D(1), L.UpSampling2D(2)),
    "padding, bilinear": lambda: picture(L.UpSampling2D((2, 3), interpolation="bilinear")),
    "padding, one-dimensional": lambda: sound(L.ZeroPadding1D(2), L.Cropping1D((1, 2)), L.UpSampling1D(2)),
    "padding, three-dimensional": lambda: rows(L.ZeroPadding3D(1), L.Cropping3D(2), L.UpSampling3D(2)),
    "resizing": lambda: picture(L.Resizing(7, 9), L.CenterCrop(5, 6)),
    "relu6": lambda: picture(L.Rescaling(20.0, offset=-5), L.Activation("relu6")),
    "capped relu": lambda: picture(L.Rescaling(20.0, offset=-5), L.ReLU(6.0, negative_slope=0.1)),
    "leaky relu": lambda: picture(L.Rescaling(2.0, offset=-1), L.LeakyReLU(negative_slope=0.05), L.PReLU()),
    "prelu, shared": lambda: picture(L.Rescaling(2.0, offset=-1), L.PReLU(shared_axes=(1, 2)), L.ELU(0.5)),
    "hard-swish": lambda: picture(L.Rescaling(12.0, offset=-6), L.Conv2D(4, 1, activation="hard_silu")),
    "hard-sigmoid": lambda: picture(L.Rescaling(12.0, offset=-6), L.Activation("hard_sigmoid")),
    "softmax": lambda: picture(L.Flatten(), L.Dense(5), L.Softmax()),
    "rescaling": lambda: picture(L.Rescaling([0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])),
    "normalisation": adapted,
    "batch norm": lambda: sound(L.BatchNormalization(scale=False, epsilon=0.1), L.BatchNormalization(center=False)),
    "layer norm": lambda: picture(L.LayerNormalization(), L.Dropout(0.3), L.SpatialDropout2D(0.1)),
    "layer norm, axes": lambda: picture(L.LayerNormalization(axis=(1, 2), center=False, epsilon=1e-5)),
    "group norm": lambda: picture(L.Conv2D(8, 1), L.GroupNormalization(4), L.GroupNormalization(-1)),
    "unit norm": lambda: picture(L.UnitNormalization(), L.GaussianNoise(0.1), L.GaussianDropout(0.1)),
    "augmentation": lambda: picture(L.RandomFlip(), L.RandomRotation(0.2), L.RandomContrast(0.1), L.Conv2D(2, 3)),
    "add": lambda: branches(L.Add()),
    "average": lambda: branches(L.Average()),
    "concatenate": lambda: branches(L.Concatenate(axis=2)),
    "multiply": lambda: branches(L.Multiply()),
    "maximum": lambda: branches(L.Maximum()),
    "minimum": lambda: branches(L.Minimum()),
    "subtract": lambda: branches(L.Subtract()),
    "dot": lambda: branches(lambda parts: L.Dot(axes=1)([L.Reshape((120, 4))(part) for part in parts])),
    "reshape": lambda: picture(L.Reshape((12, 30)), L.Permute((2, 1)), L.Flatten(), L.RepeatVector(2), L.Identity()),
    "reshape, open": lambda: picture(L.Reshape((-1, 6))),
    "time distributed": lambda: sound(L.TimeDistributed(L.Dense(4, activation="tanh"))),
    "time distributed model": within_steps,
    "lstm": lambda: sound(L.LSTM(6, return_sequences=True), L.LSTM(3, go_backwards=True)),
    "lstm, other activations": lambda: sound(L.LSTM(4, activation="relu6", recurrent_activation="hard_sigmoid")),
    "gru": lambda: sound(L.GRU(6, return_sequences=True), L.GRU(3, reset_after=False)),
    "simple rnn": lambda: sound(L.SimpleRNN(6, return_sequences=True), L.SimpleRNN(3, unroll=True)),
    "bidirectional": lambda: sound(L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="sum")),
    "bidirectional, two kinds": lambda: sound(
        L.Bidirectional(L.GRU(4), backward_layer=L.LSTM(4, go_backwards=True), merge_mode="concat")
    ),
    "convolutional lstm": lambda: rows(L.ConvLSTM2D(3, 3)),
    "attention": lambda: branches(
        lambda parts: L.MultiHeadAttention(2, 3)(*(L.Reshape((120, 4))(part) for part in parts))
    ),
    "embedding": lambda: keras.Sequential(
        [keras.Input((7,), dtype="int32"), L.Embedding(11, 4, mask_zero=True), L.LSTM(3)]
    ),
    "embedding of int64": lambda: keras.Sequential([keras.Input((7,), dtype="int64"), L.Embedding(11, 4)]),
    "masking": lambda: sound(L.Masking(0.0), L.TimeDistributed(L.Dense(4)), L.GRU(3)),
    "regularised": lambda: picture(L.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(1e-3))),
    "mixed precision": lambda: dtypes("mixed_float16"),
    "bfloat16 while it computes": lambda: dtypes("mixed_bfloat16"),
    "shared layer": shared,
    "nested model": nested,
    "dictionaries": named_parts,
    "several inputs and outputs": two_ends,
}

# With the numbers of a range that reaches into all their parts; those that share one are of one shape.
ACTIVATIONS = sorted(
    name
    for name in dir(keras.activations)
    if inspect.isfunction(getattr(keras.activations, name))
    and name not in ("deserialize", "get", "serialize", "threshold")
)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_equal(name: str) -> None:
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    model = MODELS[name]()
    for layer in model.layers:  # numbers that no layer begins with, so that a weight left behind is seen
        layer.set_weights([weight + rng.uniform(0.1, 0.5, weight.shape) for weight in layer.get_weights()])
    legacy = bridge.to_tf_keras(model)
    assert isinstance(legacy, tf_keras.Model)
    assert bridge.output_difference(model, legacy, seed=2) <= bridge.TOLERANCE
    # A normalisation that was adapted has its numbers among its settings there.
    adapted_ = sum(layer.count_params() for layer in model.layers if isinstance(layer, L.Normalization))
    assert legacy.count_params() == model.count_params() - adapted_


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_equal(activation: str) -> None:
    entry = keras.Input(SOUND)
    spread = L.Rescaling(14.0, offset=-7)(entry)
    x = L.Dense(4)(spread)
    # As a layer, inside one, and as a bare operation.
    ends = [L.Activation(activation)(x), L.Dense(4, activation=activation)(spread)]
    if hasattr(keras.ops, activation):
        ends.append(getattr(keras.ops, activation)(x))
    model = keras.Model(entry, ends)
    legacy = bridge.to_tf_keras(model)
    assert bridge.output_difference(model, legacy, seed=2) <= bridge.TOLERANCE
    again = tf_keras.models.clone_model(legacy)  # as TFMOT does
    again.set_weights(legacy.get_weights())
    assert bridge.output_difference(model, again, seed=2) <= bridge.TOLERANCE


def test_a_difference_is_seen() -> None:
    model = picture(L.Conv2D(4, 3))
    legacy = bridge.to_tf_keras(model)
    model.layers[0].set_weights([weight + 1e-3 for weight in model.layers[0].get_weights()])
    assert bridge.output_difference(model, legacy) > bridge.TOLERANCE


@pytest.mark.parametrize(
    ("difference", "last_bit", "is_taken"),
    [(9e-6, 0.0, True), (3e-5, 1e-7, False), (3e-5, 4.5e-6, True), (5e-5, 4.5e-6, False), (2e-4, 1e-2, False)],
    ids=["within", "beyond", "rounding", "more than rounding", "too rough to tell"],
)
def test_what_rounding_explains_is_let_pass(
    monkeypatch: pytest.MonkeyPatch, difference: float, last_bit: float, is_taken: bool
) -> None:
    monkeypatch.setattr(bridge, "output_difference", lambda *_: difference)
    monkeypatch.setattr(bridge, "last_bit_difference", lambda *_: last_bit)
    if is_taken:
        bridge.to_tf_keras(picture(L.Conv2D(4, 3)))
        return
    with pytest.raises(ModelError, match="changes its outputs by"):
        bridge.to_tf_keras(picture(L.Conv2D(4, 3)))


def test_how_much_a_model_makes_of_the_last_bit() -> None:
    tame = bridge.to_tf_keras(picture(L.Rescaling(2.0, offset=-1.0)))
    assert 0 < bridge.last_bit_difference(tame) < 3e-7
    steep = bridge.to_tf_keras(picture(L.Rescaling(40.0), L.Activation("exponential")))
    assert bridge.last_bit_difference(steep) > 1e-6


class Doubling(L.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return 2 * x


class OwnCall(keras.Model):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


def operation() -> keras.Model:
    entry = keras.Input(PICTURE, name="entry")
    return keras.Model(entry, L.ReLU()(keras.ops.sin(entry)))


def own_activation(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: picture(Doubling(name="twice")), r"layer 'twice' \(Doubling\).*class of your own"),
        (lambda: picture(L.Lambda(lambda x: x, name="odd")), r"layer 'odd' \(Lambda\)"),
        (lambda: picture(L.RMSNormalization(name="rms")), r"layer 'rms' \(RMSNormalization\)"),
        (lambda: sound(L.LSTM(3, recurrent_activation=own_activation, name="cell")), "layer 'cell'.*'own_activation'"),
        (lambda: sound(L.Conv1D(3, 2, data_format="channels_first", name="turned")), "layer 'turned'.*channels_last"),
        (operation, r"\(Sin\).*no layer stands for"),
        (lambda: OwnCall(name="own"), "model 'own'.*functional or sequential"),
        (lambda: keras.Sequential([L.Dense(3)], name="open"), "model 'open'.*not built"),
    ],
)
def test_what_is_not_supported_is_named(build: Callable[[], keras.Model], says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        bridge.to_tf_keras(build())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "end", [[L.Dense(4, activation="softmax")], [L.Dense(4), L.Softmax()], [L.Dense(4), L.Activation("softmax")]]
)
def test_softmax_comes_off(end: list[Any]) -> None:
    legacy = bridge.to_tf_keras(keras.Sequential([keras.Input((3,)), *end]))
    logits = legacy_graph.without_softmax(legacy)
    x = np.random.default_rng(0).uniform(size=(5, 3)).astype(np.float32)
    found = logits.predict(x, verbose=0)
    assert not np.allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(
        np.exp(found) / np.exp(found).sum(axis=1, keepdims=True), legacy.predict(x, verbose=0), atol=1e-6
    )
    assert legacy_graph.without_softmax(logits) is logits


def test_load(trained: Any, tmp_path: Path) -> None:
    model = keras_files.load_keras(trained.path)
    assert bridge.output_difference(model, trained.legacy) <= bridge.TOLERANCE

    content = trained.path.read_bytes()
    cut, text, hollow = tmp_path / "cut.keras", tmp_path / "text.keras", tmp_path / "hollow.keras"
    cut.write_bytes(content[: len(content) // 2])
    text.write_text("no model")
    with zipfile.ZipFile(hollow, "w") as archive:
        archive.writestr("readme", "nothing of Keras")
    for path, says in (
        (cut, "truncated"),
        (text, "truncated"),
        (hollow, "cannot load"),
        (tmp_path / "none.keras", "no such"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(ModelError, match=says) as caught:
            keras_files.load_keras(path)
        assert str(path) in str(caught.value)


def test_cost() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, strides=2, padding="same"),
            L.DepthwiseConv2D(5, padding="same"),
            L.SeparableConv2D(6, 3, padding="valid"),
            L.Conv2D(6, 1, groups=2),
            L.Conv2DTranspose(2, 2, strides=2),
            L.Flatten(),
            L.Dense(7),
        ]
    )
    expected = sum(
        (
            4 * 4 * 4 * 3 * 3 * 3,
            4 * 4 * 4 * 5 * 5,
            2 * 2 * (4 * 3 * 3 + 4 * 6),
            2 * 2 * 6 * 3,
            2 * 2 * 6 * 2 * 2 * 2,
            7 * math.prod((4, 4, 2)),
        )
    )
    assert cost.multiply_adds(model) == expected
    legacy = bridge.to_tf_keras(model)
    assert cost.multiply_adds(legacy) == expected
    assert cost.parameters(legacy) == cost.parameters(model) == model.count_params()
