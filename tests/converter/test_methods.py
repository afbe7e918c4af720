"""Every method, from a float model and data to a file that says what the model says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow_model_optimization")

from converter import environment, export, verify
from converter.data import Data, Samples
from converter.methods import METHODS, Converted, Method, Options, convert
from converter.subject import Subject, of_function, of_model
from edge.errors import DataError, ModelError
from edge.inference.interpreter import load_interpreter

pytestmark = pytest.mark.tensorflow

SIDE, CLASSES, STEPS, NUMBERS = 8, 4, 3, 6
QUIET = Options(progress=False, epochs=1, batch=10, calibration_samples=30)


def picture_model(operation: Any = None) -> Subject:
    """A convolution, an operation of TensorFlow if one is given, and a dense layer."""
    environment.prepare()
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    entry = tf_keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(8, 3, activation="relu", name="convolution")(entry)
    x = operation(x) if operation else x
    return of_model(tf_keras.Model(entry, layers.Dense(CLASSES, name="logits")(layers.Flatten()(x)), name="pictures"))


def recurrent_model(*, bidirectional: bool) -> Any:
    environment.prepare()
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    x = entry = tf_keras.Input((STEPS, NUMBERS))
    if bidirectional:
        x = layers.Bidirectional(layers.GRU(5, return_sequences=True))(entry)
    return tf_keras.Model(entry, layers.Dense(3)(layers.LSTM(5)(x)), name="recurrent")


def numbers(count: int, *shape: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 1, (count, *shape)).astype(np.float32)


def data_of(*shape: int) -> Data:
    calibration, validation = Samples(numbers(60, *shape), None), Samples(numbers(20, *shape, seed=1), None)
    return Data(calibration, validation, None, "made up", (0.0, 1.0))


PICTURES = data_of(SIDE, SIDE, 1)


@pytest.fixture(scope="module")
def pictures() -> Subject:
    return picture_model()


@pytest.fixture(scope="module")
def files(pictures: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[Method, tuple[Converted, Path]]:
    folder = tmp_path_factory.mktemp("methods")
    made: dict[Method, tuple[Converted, Path]] = {}
    for method in METHODS:
        converted = convert(pictures, PICTURES, method, QUIET)
        made[method] = converted, write(folder, converted.content, method)
    return made


def write(folder: Path, content: bytes, name: str = "model") -> Path:
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    return path


def sqnr(subject: Subject, path: Path, x: npt.NDArray[np.float32]) -> float:
    return verify.agreement(subject.predict(x), verify.logits(path, x)).sqnr_db


@pytest.mark.parametrize(
    ("method", "takes", "gives", "decibels"),
    [
        ("float32", np.float32, np.float32, 100),
        ("float16", np.float32, np.float32, 55),
        ("dynamic", np.float32, np.float32, 30),
        ("int16x8", np.int16, np.int16, 35),
        ("int8", np.int8, np.int8, 25),
        ("qat", np.int8, np.int8, 20),
    ],
)
def test_each_file_says_what_the_model_says(
    method: Method,
    takes: type,
    gives: type,
    decibels: float,
    pictures: Subject,
    files: dict[Method, tuple[Converted, Path]],
) -> None:
    converted, path = files[method]
    interpreter = load_interpreter(path)
    assert interpreter.input.dtype == takes
    assert interpreter.output.dtype == gives
    assert converted.method == method
    assert bool(converted.left_in_float) == (takes is np.float32)
    assert sqnr(pictures, path, PICTURES.validation.x) > decibels


def test_the_files_are_as_small_as_they_can_be(files: dict[Method, tuple[Converted, Path]]) -> None:
    size = {method: len(converted.content) for method, (converted, _) in files.items()}
    weights = 4 * (8 * 9 + 6 * 6 * 8 * CLASSES)
    assert size["float32"] - size["float16"] > 0.4 * weights
    assert all(size["float32"] - size[method] > 0.55 * weights for method in ("dynamic", "int8", "int16x8", "qat"))


def test_notes_tell_how_it_was_made(files: dict[Method, tuple[Converted, Path]]) -> None:
    assert files["float32"][0].notes == {}
    assert files["int8"][0].notes == {"calibration_samples": 30, "seed": 0}
    notes = files["qat"][0].notes
    assert notes["training_samples"] == 60
    assert notes["validation_samples"] == 20
    assert notes["targets"] == "float model"
    assert notes["validation_sqnr_db"] > 15
    assert notes["layers"]["trained"] == ["convolution", "flatten", "logits"]
    assert notes["layers"]["calibrated"] == {}


@pytest.mark.parametrize("method", ["int8", "qat"])
def test_the_same_seed_gives_the_same_bytes(
    method: Method, pictures: Subject, files: dict[Method, tuple[Converted, Path]]
) -> None:
    assert convert(pictures, PICTURES, method, QUIET).content == files[method][0].content


def test_another_seed_calibrates_on_other_samples(
    pictures: Subject, files: dict[Method, tuple[Converted, Path]]
) -> None:
    assert convert(pictures, PICTURES, "int8", replace(QUIET, seed=1)).content != files["int8"][0].content


def test_the_input_holds_the_range_that_was_asked_for(pictures: Subject, tmp_path: Path) -> None:
    spec = load_interpreter(
        write(tmp_path, convert(pictures, PICTURES, "int8", replace(QUIET, input_range=(-2, 3))).content)
    ).input
    assert (spec.scale, spec.zero_point) == (np.float32(5 / 255), -26)
    free = replace(PICTURES, input_range=None, calibration=Samples(PICTURES.calibration.x / 2, None))
    spec = load_interpreter(write(tmp_path, convert(pictures, free, "int8", QUIET).content)).input
    assert spec.scale == pytest.approx(0.5 / 255, rel=0.01)


@pytest.mark.parametrize("method", ["int8", "int16x8"])
def test_what_has_no_such_form_stays_in_float_and_is_told(method: Method, tmp_path: Path) -> None:
    import tensorflow as tf

    odd = picture_model(tf.math.sin)
    converted = convert(odd, PICTURES, method, QUIET)
    assert converted.left_in_float == ("DEQUANTIZE", "SIN", "QUANTIZE")
    path = write(tmp_path, converted.content)
    assert sqnr(odd, path, PICTURES.validation.x) > 20
    with pytest.raises(ModelError, match=r"not int8 throughout.*SIN" if method == "int8" else "its input is int16"):
        verify.require_int8(path)


@pytest.mark.parametrize("method", ["int8", "float32"])
def test_recurrent_layers_are_unrolled_and_remember_nothing(method: Method, tmp_path: Path) -> None:
    subject = of_model(recurrent_model(bidirectional=True))
    data = data_of(STEPS, NUMBERS)
    converted = convert(subject, data, method, QUIET)
    path = write(tmp_path, converted.content)
    if method == "int8":
        assert converted.left_in_float == ()
    x = data.validation.x
    assert np.array_equal(verify.logits(path, x), verify.logits(path, x[::-1])[::-1])
    assert sqnr(subject, path, x) > 20


def test_a_function_is_calibrated_and_not_fine_tuned(pictures: Subject, tmp_path: Path) -> None:
    bare = of_function(pictures.function, name="bare", keep=pictures.keep)
    converted = convert(bare, PICTURES, "int8", QUIET)
    assert converted.left_in_float == ()
    assert sqnr(pictures, write(tmp_path, converted.content), PICTURES.validation.x) > 25
    with pytest.raises(ModelError, match=r"model 'bare': only its function.*--method int8"):
        convert(bare, PICTURES, "qat", QUIET)


def test_a_function_with_a_memory_is_refused() -> None:
    model = recurrent_model(bidirectional=False)
    bare = of_function(of_model(model).function, name="bare", keep=(model,))
    with pytest.raises(ModelError, match=r"becomes UNIDIRECTIONAL_SEQUENCE_LSTM.*give the Keras file"):
        convert(bare, data_of(STEPS, NUMBERS), "float32", QUIET)


def test_layers_are_kept_in_float_by_name(pictures: Subject, tmp_path: Path) -> None:
    converted = convert(pictures, PICTURES, "int8", replace(QUIET, keep_float=("logits",)))
    assert converted.left_in_float == ("DEQUANTIZE", "FULLY_CONNECTED", "QUANTIZE")
    assert converted.notes["kept_in_float"] == ["logits"]
    assert load_interpreter(write(tmp_path, converted.content)).input.dtype == np.int8
    with pytest.raises(ModelError, match=r"leave logits out.*--method int8"):
        convert(pictures, PICTURES, "int16x8", replace(QUIET, keep_float=("logits",)))


@pytest.mark.parametrize("method", ["int8", "int16x8", "qat"])
@pytest.mark.parametrize(
    ("x", "says"),
    [
        (numbers(60, SIDE, 5, 1), r"data of shape \(60, 8, 5, 1\), float32, where the model takes \(n, 8, 8, 1\)"),
        (numbers(0, SIDE, SIDE, 1), "data without a single sample"),
        (numbers(60, SIDE, SIDE, 1) * np.nan, "NaN"),
        (numbers(60, SIDE, SIDE, 1) + 1, r"where the input goes from 0 to 1"),
        (numbers(60, SIDE, SIDE, 1) * 0, "all numbers are 0"),
        (numbers(60, SIDE, SIDE, 1).astype(np.float64), "float64"),
    ],
    ids=("shape", "empty", "nan", "range", "constant", "dtype"),
)
def test_data_that_does_not_fit_is_refused_before_any_work(
    x: npt.NDArray[Any], says: str, method: Method, pictures: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any, **__: Any) -> Any:
        raise AssertionError("began to work")

    monkeypatch.setattr(export, "_convert", work)
    monkeypatch.setattr("converter.methods.prepared", work)
    with pytest.raises(DataError, match=says):
        convert(pictures, replace(PICTURES, calibration=Samples(x, None)), method, QUIET)


def looked_up() -> Subject:
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    entry = tf_keras.Input((6,), dtype="int32")
    x = layers.Conv1D(8, 3, activation="relu")(layers.Embedding(30, 8)(entry))
    return of_model(tf_keras.Model(entry, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)), name="looked_up"))


@pytest.mark.parametrize("method", ["int8", "qat"])
def test_numbers_of_a_table_stay_numbers(method: Method, tmp_path: Path) -> None:
    subject = looked_up()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 30, (60, 6)).astype(np.int32)
    data = Data(Samples(x[:40], None), Samples(x[40:], None), None, "texts.npz")
    converted = convert(subject, data, method, QUIET)
    path = write(tmp_path, converted.content)
    assert load_interpreter(path).input.dtype == np.int32
    assert converted.left_in_float == ()
    assert verify.agreement(subject.predict(x), verify.logits(path, x)).sqnr_db > 20
    with pytest.raises(DataError, match=r"texts\.npz: numbers from 7 to 36.*table has no row"):
        convert(subject, replace(data, calibration=Samples(x[:40] + 7, None)), method, QUIET)


def test_an_input_of_one_number_gets_both_ends(tmp_path: Path) -> None:
    import tf_keras

    entry = tf_keras.Input((1,))
    subject = of_model(tf_keras.Model(entry, tf_keras.layers.Dense(3)(entry), name="one"))
    data = replace(data_of(1), input_range=(-1.0, 2.0))
    spec = load_interpreter(write(tmp_path, convert(subject, data, "int8", QUIET).content)).input
    assert (spec.scale, spec.zero_point) == (np.float32(3 / 255), -43)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"calibration_samples": 0}, {"learning_rate": 1.0}])
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="must be 1 or more"):
        Options(**wrong)
