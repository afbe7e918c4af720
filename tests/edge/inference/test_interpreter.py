from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import edge.inference.interpreter as module
from edge.errors import ModelError
from edge.inference.interpreter import available_runtimes, dequantise, load_interpreter, load_model

SMALL_MODEL = Path(__file__).parents[2] / "data" / "small_int8.tflite"
USABLE = [info.name for info in available_runtimes() if info.version and not info.error and info.name != "tensorflow"]


def pictures(count: int) -> npt.NDArray[np.int8]:
    return np.random.default_rng(7).integers(-128, 128, (count, 1, 48, 48, 1)).astype(np.int8)


@pytest.mark.parametrize("runtime", USABLE)
def test_says_what_the_tensors_are(runtime: module.RuntimeName) -> None:
    interpreter = load_interpreter(SMALL_MODEL, runtime=runtime)
    assert interpreter.runtime.startswith(f"{runtime} ")
    assert interpreter.input.shape == (1, 48, 48, 1)
    assert interpreter.output.shape == (1, 7)
    assert interpreter.input.dtype == interpreter.output.dtype == np.dtype(np.int8)
    assert interpreter.input.scale == pytest.approx(1 / 255, rel=1e-4)
    assert (interpreter.input.zero_point, interpreter.output.zero_point) == (-128, 16)


@pytest.mark.parametrize("runtime", USABLE)
def test_each_answer_is_an_array_of_its_own(runtime: module.RuntimeName) -> None:
    interpreter = load_interpreter(SMALL_MODEL, runtime=runtime)
    first, second = pictures(2)
    one = interpreter.run(first)
    kept = one.copy()
    two = interpreter.run(second)
    assert np.array_equal(one, kept)
    assert not np.array_equal(one, two)
    assert np.array_equal(interpreter.run(first), one)


@pytest.mark.parametrize("runtime", USABLE)
def test_takes_arrays_of_any_memory_order(runtime: module.RuntimeName) -> None:
    interpreter = load_interpreter(SMALL_MODEL, runtime=runtime)
    (picture,) = pictures(1)
    strided = np.repeat(picture, 2, axis=-1)[..., :1]
    assert not strided.flags.c_contiguous
    assert np.array_equal(interpreter.run(strided), interpreter.run(picture))


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((1, 48, 48, 1), np.float32), "takes int8 [1, 48, 48, 1], not float32"),
        (np.zeros((1, 48, 48, 1), np.uint8), "not uint8"),
        (np.zeros((48, 48), np.int8), "not int8 [48, 48]"),
        (np.zeros((2, 48, 48, 1), np.int8), "not int8 [2, 48, 48, 1]"),
    ],
)
def test_refuses_another_input(x: npt.NDArray[np.generic], told: str) -> None:
    with pytest.raises(ValueError) as raised:
        load_interpreter(SMALL_MODEL).run(x)
    assert told in str(raised.value)


def test_dequantises_as_the_file_says() -> None:
    interpreter = load_interpreter(SMALL_MODEL)
    stored = np.array([[-128, 16, 17, 127]], np.int8)
    real = dequantise(stored, interpreter.output)
    assert real.dtype == np.float32
    assert real[0] == pytest.approx(np.array([-144, 0, 1, 111]) * 0.012482281774, rel=1e-6)


@pytest.mark.parametrize("runtime", USABLE)
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data[:6], "no TensorFlow Lite model"),
        (lambda data: data[:300], "cannot load it"),
        (lambda data: data[:-100], "cannot load it"),
        (lambda data: b"{}" * 1000, "no TensorFlow Lite model"),
        (lambda data: data[:8] + b"\xff" * 500, "cannot load it"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(
    tmp_path: Path, runtime: module.RuntimeName, damage: Callable[[bytes], bytes], told: str
) -> None:
    if runtime != "litert" and told == "cannot load it":
        pytest.skip(f"{runtime} does not verify a flatbuffer; the sha256 in the manifest catches it")
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damage(SMALL_MODEL.read_bytes()))
    with pytest.raises(ModelError) as raised:
        load_interpreter(path, runtime=runtime)
    assert told in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.tflite: no such model file"):
        load_interpreter(tmp_path / "no.tflite")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        load_interpreter(tmp_path)


@pytest.mark.parametrize("keywords", [{"threads": 0}, {"runtime": "onnx"}])
def test_a_wrong_argument_is_the_callers_error(keywords: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"thread|runtime 'onnx' is none of"):
        load_interpreter(SMALL_MODEL, **keywords)  # type: ignore[arg-type]


def test_without_a_runtime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = module._Package("litert", "ai-edge-litert", "affect_edge_absent.interpreter")
    monkeypatch.setattr(module, "_PACKAGES", (absent,))
    with pytest.raises(ModelError, match=r"not installed.*pip install ai-edge-litert"):
        load_interpreter(SMALL_MODEL)
    assert [info.version for info in available_runtimes()] == [None]


def test_a_broken_runtime_is_passed_over_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_runtime").mkdir()
    (tmp_path / "broken_runtime" / "__init__.py").touch()
    (tmp_path / "broken_runtime" / "interpreter.py").write_text("raise ImportError('GLIBC_2.38 not\\n found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = module._Package("tflite-runtime", "broken-runtime", "broken_runtime.interpreter")
    monkeypatch.setattr(module, "_PACKAGES", (broken, *module._PACKAGES))
    assert load_interpreter(SMALL_MODEL).runtime.startswith(USABLE[0])
    assert available_runtimes()[0].error == "GLIBC_2.38 not found"
    monkeypatch.setattr(module, "_PACKAGES", (broken,))
    with pytest.raises(ModelError, match=r"broken-runtime is installed but fails: GLIBC_2.38 not found"):
        load_interpreter(SMALL_MODEL)


def test_does_not_import_tensorflow() -> None:
    program = (
        "import sys; from pathlib import Path; from edge.inference.interpreter import *; available_runtimes();"
        "load_interpreter(Path(sys.argv[1])); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(SMALL_MODEL)], check=False).returncode == 0


def test_loads_a_model_that_its_manifest_describes(expression_model: Path) -> None:
    interpreter, manifest = load_model(expression_model, task="expression")
    assert interpreter.output.shape[-1] == len(manifest.labels)


@pytest.mark.parametrize(
    ("tensor", "key", "value", "told"),
    [
        ("input", "shape", [1, 64, 64, 1], "input shape [1, 48, 48, 1] where the manifest says [1, 64, 64, 1]"),
        ("input", "dtype", "uint8", "input dtype int8 where the manifest says uint8"),
        ("input", "scale", 0.0039, "input scale 0.00392155582 where the manifest says 0.0039"),
        ("output", "zero_point", 0, "output zero point 16 where the manifest says 0"),
    ],
)
def test_tensors_must_be_those_of_the_manifest(
    expression_model: Path, tensor: str, key: str, value: object, told: str
) -> None:
    manifest = expression_model.with_suffix(".json")
    document = json.loads(manifest.read_text())
    document[tensor][key] = value
    manifest.write_text(json.dumps(document))
    with pytest.raises(ModelError) as raised:
        load_model(expression_model)
    assert told in str(raised.value)


def convert(network: Any) -> bytes:
    """The bytes of tests/data/small_int8.tflite, from a function of one picture that TensorFlow can trace."""
    import tensorflow as tf

    traced = tf.function(network, input_signature=[tf.TensorSpec((1, 48, 48, 1), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()])
    generator = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([generator.random((1, 48, 48, 1), dtype=np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


@pytest.mark.tensorflow
def test_every_runtime_computes_the_same(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    kernel = tf.random.stateless_normal((3, 3, 1, 8), seed=(1, 1)) * 0.3
    weights = tf.random.stateless_normal((8, 7), seed=(2, 2))

    def network(picture: Any) -> Any:
        features = tf.nn.relu(tf.nn.conv2d(picture, kernel, 2, "SAME"))
        return tf.reduce_mean(features, [1, 2]) @ weights

    fresh = tmp_path / "fresh.tflite"
    fresh.write_bytes(convert(network))
    for path in (fresh, SMALL_MODEL):
        names: list[Any] = [*USABLE, "tensorflow"]
        interpreters = [load_interpreter(path, runtime=name) for name in names]
        for picture in pictures(20):
            answers = [interpreter.run(picture) for interpreter in interpreters]
            assert all(np.array_equal(answer, answers[0]) for answer in answers)
    assert interpreters[-1].runtime.startswith("tensorflow 2")

    # And what they compute is the network: the int8 answers lie within a few steps of the float ones.
    interpreter = load_interpreter(fresh)
    for picture in pictures(5):
        real = network(dequantise(picture, interpreter.input)).numpy()
        steps = np.abs(dequantise(interpreter.run(picture), interpreter.output) - real) / interpreter.output.scale
        assert steps.max() < 4


@pytest.mark.parametrize("deed", ["overwritten", "cut"])
@pytest.mark.parametrize("model", ["small_int8", "small_text_emotion"])
def test_a_file_that_changes_under_it_changes_nothing(tmp_path: Path, model: str, deed: str) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(SMALL_MODEL.with_name(f"{model}.tflite").read_bytes())
    interpreter = load_interpreter(file)
    x = np.ones(interpreter.input.shape, interpreter.input.dtype)
    before = interpreter.run(x)
    with file.open("r+b") as stream:  # the same file, not another of its name
        if deed == "cut":
            stream.truncate(0)
        else:
            stream.write(b"\xff" * file.stat().st_size)
    np.testing.assert_array_equal(interpreter.run(x), before)
