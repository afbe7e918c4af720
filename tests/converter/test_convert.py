"""From a float model to an int8 file: quantisation-aware training, calibration, verification, the command."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import bridge, environment, export, keras_files, package, qat, verify
from edge.errors import AffectEdgeError, DataError, ModelError
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import verify_model
from tests.converter.conftest import CLASSES, LABELS, SIDE, Trained

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow
environment.prepare()

import keras  # noqa: E402
import tf_keras  # noqa: E402

from converter.scheme import quantize  # noqa: E402

STEPS, BATCH = 20, 40
INT8_OPERATORS = {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"}


class Epochs:
    """Training batches; counts the epochs that were asked for, and may break in one."""

    def __init__(self, trained: Trained, *, breaks_in: int | None = None) -> None:
        self.x, self.y = trained.x[: -trained.held], trained.y[: -trained.held]
        self.breaks_in = breaks_in
        self.begun: list[int] = []

    def __call__(self, epoch: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        self.begun.append(epoch)
        order = np.random.default_rng(epoch).permutation(len(self.x))
        for step in range(STEPS):
            if epoch == self.breaks_in and step == 2:
                raise KeyboardInterrupt
            part = order[step * BATCH : (step + 1) * BATCH]
            yield self.x[part], self.y[part]


def tune(trained: Trained, batches: Epochs, **options: Any) -> qat.FineTuned:
    tf_keras.utils.set_random_seed(3)
    held = slice(-trained.held, None)
    settings: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-3, "steps_per_epoch": STEPS, "progress": False}
    settings["score"] = lambda model: qat.accuracy(model, trained.x[held], trained.classes[held])
    return qat.fine_tune(trained.legacy, batches, **(settings | options))


@pytest.fixture(scope="module")
def tuned(trained: Trained) -> qat.FineTuned:
    return tune(trained, Epochs(trained))


@pytest.fixture(scope="module")
def files(trained: Trained, tuned: qat.FineTuned, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    contents = {
        "float32": export.float32(trained.legacy),
        "int8": export.int8_calibrated(trained.legacy, trained.x[:200]),
        "qat": export.int8_from_qat(tuned.model),
    }
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: folder / f"{name}.tflite" for name in contents}


def held_out(trained: Trained) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    return trained.x[-trained.held :], trained.classes[-trained.held :]


def test_the_float_model_has_learned(trained: Trained) -> None:
    assert trained.accuracy > 0.8  # what follows compares with it


@pytest.mark.parametrize("method", ["int8", "qat"])
def test_int8_throughout_and_as_accurate(method: str, files: dict[str, Path], trained: Trained) -> None:
    x, classes = held_out(trained)
    assert set(verify.require_int8(files[method]).counts) == INT8_OPERATORS
    accuracy = (verify.logits(files[method], x).argmax(axis=1) == classes).mean()
    assert accuracy >= trained.accuracy - 0.02


@pytest.mark.parametrize("method", ["int8", "qat"])
def test_the_input_takes_pixels_exactly(method: str, files: dict[str, Path]) -> None:
    spec = load_interpreter(files[method]).input
    assert spec.scale == np.float32(1) / np.float32(255)
    assert spec.zero_point == -128
    assert spec.shape == (1, SIDE, SIDE, 1)


def test_calibrated_outputs_follow_the_float_model(files: dict[str, Path], trained: Trained) -> None:
    x, _ = held_out(trained)
    reference = trained.legacy.predict(x, verbose=0)
    found = verify.agreement(reference, verify.logits(files["int8"], x))
    assert found.top1 >= 0.97
    assert found.sqnr_db > 25
    same = verify.agreement(reference, verify.logits(files["float32"], x))
    assert same.top1 == 1
    assert same.max_difference < 1e-4


def test_the_file_computes_what_was_trained(files: dict[str, Path], tuned: qat.FineTuned, trained: Trained) -> None:
    """Folding and rounding as TFLite does them are what the fake quantisation stood for: within two output steps."""
    x, _ = held_out(trained)
    found = verify.agreement(tuned.model.predict(x, verbose=0), verify.logits(files["qat"], x))
    assert found.max_difference <= 2.01 * load_interpreter(files["qat"]).output.scale
    assert found.top1 >= 0.99


def test_qat_keeps_the_best_weights(tuned: qat.FineTuned, trained: Trained) -> None:
    x, classes = held_out(trained)
    accuracies = [entry["validation_score"] for entry in tuned.history]
    assert [entry["epoch"] for entry in tuned.history] == [1, 2, 3]
    assert tuned.best_score == qat.accuracy(tuned.model, x, classes) >= max(accuracies)
    rates = [entry["learning_rate"] for entry in tuned.history]
    assert rates[0] > rates[1] > rates[2] >= 0


def test_qat_leaves_the_float_model_alone(trained: Trained) -> None:
    assert bridge.output_difference(keras_files.load_keras(trained.path), trained.legacy) <= bridge.TOLERANCE


def test_depthwise_kernels_are_quantised_by_channel(tuned: qat.FineTuned) -> None:
    ranges = [weight for weight in tuned.model.weights if "depthwise_kernel_max" in weight.name]
    assert [tuple(weight.shape) for weight in ranges] == [(8,), (8,)]
    assert all(len(set(weight.numpy().tolist())) == 8 for weight in ranges)


def test_qat_goes_on_after_a_kill(trained: Trained, tuned: qat.FineTuned, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(trained, Epochs(trained, breaks_in=2), checkpoint=tmp_path)
    rest = Epochs(trained)
    resumed = tune(trained, rest, checkpoint=tmp_path)
    assert rest.begun == [0, 2]  # the data is looked at again, then the epoch that broke
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3]
    assert resumed.history[0]["loss"] == pytest.approx(tuned.history[0]["loss"], rel=1e-3)
    for before, after in zip(tuned.history, resumed.history, strict=True):
        assert after["learning_rate"] == pytest.approx(before["learning_rate"])

    with pytest.raises(DataError, match=r"qat\.npz: a checkpoint of another run"):
        tune(trained, Epochs(trained), checkpoint=tmp_path, learning_rate=5e-4)
    (tmp_path / qat.STATE_FILE).write_bytes(b"PK rubbish")
    with pytest.raises(DataError, match=r"qat\.npz: not a readable checkpoint"):
        tune(trained, Epochs(trained), checkpoint=tmp_path)


def test_qat_refuses_what_it_cannot_train(trained: Trained) -> None:
    entry = tf_keras.Input((SIDE, SIDE, 1))
    recurrent = tf_keras.layers.LSTM(CLASSES, name="memory")(tf_keras.layers.Reshape((SIDE, SIDE))(entry))
    with pytest.raises(ModelError, match=r"layer 'memory'.*--method int8"):
        qat.fine_tune(
            tf_keras.Model(entry, recurrent), Epochs(trained), epochs=1, learning_rate=1e-3, steps_per_epoch=1
        )
    with pytest.raises(DataError, match=r"x \(2, 3, 3, 1\)"):
        wrong = [(np.zeros((2, 3, 3, 1), np.float32), np.zeros((2, CLASSES), np.float32))]
        qat.fine_tune(trained.legacy, lambda epoch: wrong, epochs=1, learning_rate=1e-3, steps_per_epoch=1)


def test_separable_convolutions_are_trained_beside_others() -> None:
    """TFMOT's own way of taking them apart does not end where a layer is called as Keras calls them by itself."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.SeparableConv2D(4, 3, activation="relu6", name="separable"),
            layers.DepthwiseConv2D(3, name="depthwise_conv2d"),
            layers.Conv2D(4, 1, name="conv2d"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    quantized = quantize(bridge.to_tf_keras(model), (0.0, 1.0), [np.ones((2, 8, 8, 1), np.float32)])
    names = {weight.name for weight in quantized.weights}
    assert "separable_depthwise/depthwise_kernel:0" in names
    assert "separable_pointwise/kernel:0" in names


def test_converting_twice_gives_the_same_bytes(files: dict[str, Path], trained: Trained, tuned: qat.FineTuned) -> None:
    again = bridge.to_tf_keras(keras_files.load_keras(trained.path))
    assert export.int8_calibrated(again, trained.x[:200]) == files["int8"].read_bytes()
    assert export.int8_from_qat(tuned.model) == files["qat"].read_bytes()


def test_float_operators_are_named(files: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="its input is float32"):
        verify.require_int8(files["float32"])
    assert set(verify.operators(files["float32"]).floating) == INT8_OPERATORS


def test_package_is_whole_or_nothing(files: dict[str, Path], tmp_path: Path) -> None:
    keys: dict[str, Any] = {"name": "small", "task": "expression", "version": "1", "quantization": {"method": "int8"}}
    content = files["int8"].read_bytes()
    for wrong, says in (
        ({"labels": ("a", "b")}, "2 labels"),
        ({"labels": ("a", "a", "b", "c")}, "stands twice"),
        ({"labels": LABELS, "name": "../small"}, "plain file name"),
    ):
        with pytest.raises(ModelError, match=says):
            package.write_package(content, tmp_path, **(keys | wrong))
    with pytest.raises(ModelError, match="cannot load"):
        package.write_package(content[: len(content) // 2], tmp_path, labels=LABELS, **keys)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be made"):
        package.write_package(content, tmp_path / "file", labels=LABELS, **keys)

    model = package.write_package(content, tmp_path, labels=LABELS, **keys)
    assert verify_model(model, task="expression").quantization["versions"]["tf_keras"]
    model.write_bytes(content[:-1])
    with pytest.raises(ModelError, match="truncated"):
        verify_model(model)


def test_tensorflow_with_keras_3_is_told() -> None:
    code = (
        "import tensorflow as tf; tf.keras.Model\n"
        "from converter import environment\n"
        "from edge.errors import AffectEdgeError\n"
        "try: environment.prepare()\n"
        "except AffectEdgeError as error: print(error)\n"
    )
    clean = {key: value for key, value in os.environ.items() if key not in ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND")}
    told = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True).stdout
    assert "TF_USE_LEGACY_KERAS=1" in told


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(AffectEdgeError, match=r"tensorflow-model-optimization.*affect-edge\[convert\]"):
        environment.prepare()
