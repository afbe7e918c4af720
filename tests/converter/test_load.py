"""Models of all origins become what is converted, with equal answers; what cannot be read is told in one line."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import environment
from converter import load as load_module
from converter.load import load
from edge.errors import ModelError

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow
environment.prepare()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

FloatArray = npt.NDArray[np.float32]
SHAPE = (8, 8, 2)


def classifier(package: Any, *, shape: tuple[int | None, ...] = SHAPE) -> Any:
    """A model inside a model, a wrapper, and a softmax at the end; in either Keras."""
    layers = package.layers
    base = package.Sequential([package.Input(shape), layers.Conv2D(3, 3, activation="relu", name="conv")], name="base")
    entry = package.Input(shape, name="pixels")
    x = layers.GlobalAveragePooling2D()(base(entry))
    return package.Model(entry, layers.Dense(4, activation="softmax", name="scores")(x), name="small")


def film(package: Any) -> Any:
    layers = package.layers
    frame = package.Sequential([package.Input((6, 6, 1)), layers.Conv2D(2, 3), layers.Flatten()], name="frame")
    entry = package.Input((3, 6, 6, 1))
    return package.Model(entry, layers.Dense(2)(layers.Flatten()(layers.TimeDistributed(frame, name="over")(entry))))


def samples(shape: tuple[int, ...] = SHAPE) -> FloatArray:
    return np.random.default_rng(0).uniform(0, 1, (3, *shape)).astype(np.float32)


def probabilities(logits: FloatArray) -> FloatArray:
    raised: FloatArray = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return raised


WAYS: dict[str, tuple[Any, Callable[[Any, Path], Path]]] = {}


def way(name: str, package: Any) -> Callable[[Callable[[Any, Path], Any]], Callable[[Any, Path], Any]]:
    def keep(save: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
        WAYS[name] = (package, save)
        return save

    return keep


@way("Keras 3, .keras", keras)
@way("legacy Keras, .keras", tf_keras)
def _(model: Any, folder: Path) -> Path:
    model.save(folder / "model.keras")
    return folder / "model.keras"


@way("Keras 3, .h5", keras)
@way("legacy Keras, .h5", tf_keras)
def _(model: Any, folder: Path) -> Path:
    model.save(folder / "model.h5")
    return folder / "model.h5"


@way("legacy Keras, SavedModel", tf_keras)
def _(model: Any, folder: Path) -> Path:
    model.save(folder / "model", save_format="tf")
    return folder / "model"


@way("a folder with one .keras file", keras)
def _(model: Any, folder: Path) -> Path:
    model.save(folder / "model.keras")
    (folder / "curves.png").write_bytes(b"")
    return folder


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", WAYS)
def test_models_with_layers(name: str, tmp_path: Path) -> None:
    package, save = WAYS[name]
    package.utils.set_random_seed(0)
    model = classifier(package)
    subject = load(save(model, tmp_path))
    assert (subject.shape, subject.output_shape, subject.dtype) == (SHAPE, (4,), np.dtype(np.float32))
    assert subject.path is not None and subject.path.is_relative_to(tmp_path)
    assert subject.model is not None
    # Dissolved, so that TFMOT takes it; and no softmax.
    assert not any(isinstance(layer, tf_keras.Model) for layer in subject.model.layers)
    assert any(isinstance(layer, tf_keras.layers.Conv2D) for layer in subject.model.layers)
    logits = subject.predict(samples())
    assert not np.allclose(logits.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities(logits), np.asarray(model(samples())), atol=1e-6)
    one = np.asarray(subject.function(tf.constant(samples()[:1])))
    np.testing.assert_allclose(one, logits[:1], atol=1e-6)


@pytest.mark.parametrize("package", [keras, tf_keras])
def test_wrappers_are_dissolved(package: Any, tmp_path: Path) -> None:
    model = film(package)
    model.save(tmp_path / "film.keras")
    subject = load(tmp_path / "film.keras")
    assert subject.model is not None
    kinds = {type(layer).__name__ for layer in subject.model.layers}
    assert "Conv2D" in kinds and "TimeDistributed" not in kinds
    x = samples((3, 6, 6, 1))
    np.testing.assert_allclose(subject.predict(x), np.asarray(model(x)), atol=1e-5)


@pytest.mark.parametrize("package", [keras, tf_keras])
def test_open_sides_are_closed(package: Any, tmp_path: Path) -> None:
    model, path = classifier(package, shape=(None, None, 2)), tmp_path / "open.keras"
    model.save(path)
    with pytest.raises(ModelError, match=r"open.keras.*\(None, None, 2\).*--input-shape"):
        load(path)
    subject = load(path, input_shape=SHAPE)
    assert subject.shape == SHAPE
    np.testing.assert_allclose(probabilities(subject.predict(samples())), np.asarray(model(samples())), atol=1e-6)
    with pytest.raises(ModelError, match=r"takes input of shape \(None, None, 2\), which \(8, 8, 3\) does not fit"):
        load(path, input_shape=(8, 8, 3))


class Doubling(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return 2 * keras.ops.sin(x)


@pytest.mark.parametrize("sides", [SHAPE, (None, None, 2)])
def test_exported_of_keras_3_is_a_function(sides: tuple[int | None, ...], tmp_path: Path) -> None:
    entry = keras.Input(sides)
    model = keras.Model(entry, keras.layers.Conv2D(3, 3)(Doubling()(entry)))
    model.export(tmp_path / "exported", verbose=False)
    if None in sides:
        with pytest.raises(ModelError, match=r"exported.*--input-shape"):
            load(tmp_path / "exported")
    subject = load(tmp_path / "exported", input_shape=SHAPE if None in sides else None)
    assert subject.model is None and subject.name == "exported"
    assert (subject.shape, subject.output_shape) == (SHAPE, (6, 6, 3))
    np.testing.assert_allclose(subject.predict(samples()), np.asarray(model(samples())), atol=1e-5)
    # Its variables have to be alive in the converter.
    with environment.quiet():
        content = tf.lite.TFLiteConverter.from_concrete_functions([subject.function], subject.keep[0]).convert()
    assert len(content) > 500


class Module(tf.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        self.weight = tf.Variable([[1.0], [2.0]])

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float64)])  # type: ignore[untyped-decorator]
    def one(self, x: Any) -> Any:
        return {"answer": tf.cast(x, tf.float32) @ self.weight}

    @tf.function(input_signature=[tf.TensorSpec((None, 2)), tf.TensorSpec((None, 2))])  # type: ignore[untyped-decorator]
    def two(self, x: Any, y: Any) -> Any:
        return x @ self.weight, y

    @tf.function(input_signature=[tf.TensorSpec(None)])  # type: ignore[untyped-decorator]
    def shapeless(self, x: Any) -> Any:
        return x


def saved(path: Path, **names: str) -> Path:
    module = Module()
    signatures = {name: getattr(module, method) for name, method in names.items()}
    tf.saved_model.save(module, str(path), signatures=signatures or None)
    return path


def test_a_module_of_tensorflow(tmp_path: Path) -> None:
    subject = load(saved(tmp_path / "module", anything="one"))
    assert (subject.shape, subject.output_shape, subject.dtype) == ((2,), (1,), np.dtype(np.float32))
    np.testing.assert_array_equal(subject.predict(np.array([[1, 2], [3, 4]], np.float32)), [[5], [11]])


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({}, "has no signature.*serving_default"),
        ({"a": "one", "b": "one"}, r"has the signatures \['a', 'b'\].*serving_default"),
        ({"serving_default": "two"}, "has 2 inputs and 2 outputs.*split it"),
        ({"serving_default": "shapeless"}, "its input 'x' has no shape"),
    ],
)
def test_modules_that_are_not_supported(names: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"module: {says}"):
        load(saved(tmp_path / "module", **names))


@pytest.mark.parametrize("package", [keras, tf_keras])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_custom_layers_are_named(package: Any, suffix: str, tmp_path: Path) -> None:
    class Twice(package.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x + x

    path = tmp_path / f"own{suffix}"
    package.Sequential([package.Input((3,)), package.layers.Dense(2), Twice()]).save(path)
    with pytest.raises(ModelError, match=f"own{suffix}.*Twice.*model.export") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_legacy_saved_model_with_a_custom_layer_is_a_function(tmp_path: Path) -> None:
    class Twice(tf_keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x + x

        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError

    tf_keras.Sequential([tf_keras.Input((3,)), Twice()]).save(tmp_path / "own", save_format="tf")
    subject = load(tmp_path / "own")
    np.testing.assert_array_equal(subject.predict(np.ones((2, 3), np.float32)), np.full((2, 3), 2.0))


def test_own_functions_and_lambdas_are_named(tmp_path: Path) -> None:
    def wavy(x: Any) -> Any:
        return keras.ops.sin(x)

    for layer, says in (
        (keras.layers.Dense(2, activation=wavy), "the code of 'wavy'"),
        (keras.layers.Lambda(lambda x: x), "the code of a lambda"),
    ):
        keras.Sequential([keras.Input((3,)), layer]).save(tmp_path / "own.keras")
        with pytest.raises(ModelError, match=says):
            load(tmp_path / "own.keras")


def test_several_inputs(tmp_path: Path) -> None:
    first, second = keras.Input((3,)), keras.Input((3,))
    keras.Model([first, second], keras.layers.Add()([first, second])).save(tmp_path / "two.keras")
    with pytest.raises(ModelError, match=r"two\.keras: has 2 inputs and 1 outputs"):
        load(tmp_path / "two.keras")


def test_what_is_damaged_is_told(tmp_path: Path) -> None:
    classifier(keras).save(tmp_path / "good.keras")
    content = (tmp_path / "good.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        bad.writestr("metadata.json", good.read("metadata.json"))
        bad.writestr("config.json", json.dumps({"class_name": "Functional"}))
    (tmp_path / "text.h5").write_text("no model")
    tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))]).save_weights(tmp_path / "weights.h5")
    (tmp_path / "model.tflite").write_bytes(b"")
    (tmp_path / "model.onnx").write_bytes(b"")
    broken = saved(tmp_path / "broken", serving_default="one")
    (broken / "variables" / "variables.data-00000-of-00001").unlink()
    graph = saved(tmp_path / "graph", serving_default="one")
    (graph / "saved_model.pb").write_bytes(b"nothing of TensorFlow")
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.keras").write_bytes(b"")
    (tmp_path / "two" / "b.keras").write_bytes(b"")
    for name, says in {
        "cut.keras": "truncated",
        "bad.keras": "cannot load it",
        "text.h5": "not an HDF5 file or truncated",
        "weights.h5": "weights without a model",
        "model.tflite": "is converted already",
        "model.onnx": "is no Keras model.*SavedModel",
        "none.keras": "no such model.*SavedModel",
        "broken": "cannot load this SavedModel",
        "graph": "cannot load this SavedModel",
        "empty": "holds no saved_model.pb, no .keras file and no checkpoint",
        "two": r"holds a\.keras, b\.keras; name one",
    }.items():
        with pytest.raises(ModelError, match=says) as caught:
            load(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_checkpoints_are_read_by_who_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    model = classifier(keras)
    asked: list[Path] = []

    def read(path: Path) -> Any:
        asked.append(path)
        return model

    class Entry:
        def load(self) -> Callable[[Path], Any]:
            return read

    def installed(group: str) -> list[Entry]:
        return [Entry()] if group == load_module.CHECKPOINTS else []

    monkeypatch.setattr(
        load_module, "entry_points", lambda group: [Entry()] if group == load_module.CHECKPOINTS else []
    )
    for path in (tmp_path, tmp_path / "checkpoint.npz"):
        np.testing.assert_allclose(
            probabilities(load(path).predict(samples())), np.asarray(model(samples())), atol=1e-6
        )
    assert asked == [tmp_path, tmp_path / "checkpoint.npz"]
    monkeypatch.setattr(load_module, "entry_points", lambda group: [])
    with pytest.raises(ModelError, match=r"nothing that reads checkpoints is installed"):
        load(tmp_path)
