"""ONNX made from .tflite files: the same results, in a form that ONNX Runtime and TensorRT read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import environment
from converter.outputs import onnx as to_onnx
from converter.outputs import onnx_check, tensorrt
from edge.errors import MissingDependencyError, ModelError
from edge.inference.catalog import find_model
from edge.inference.interpreter import dequantise, load_interpreter
from edge.inference.manifest import file_sha256

pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
pytest.importorskip("tf2onnx", reason="the extra 'onnx' is not installed")

SMALL_MODEL = Path(__file__).parents[2] / "data" / "small_int8.tflite"
"""(1, 48, 48, 1) -> (1, 7)."""


def real(model: Path, count: int = 40) -> npt.NDArray[Any]:
    """Noise over the range of a model's input, or numbers to look up."""
    entry, rng = load_interpreter(model).input, np.random.default_rng(5)
    if entry.dtype == np.int32:
        return rng.integers(0, 200, (count, *entry.shape[1:])).astype(np.int32)
    stored = rng.integers(-128, 128, (count, *entry.shape[1:])).astype(np.int8)
    return dequantise(stored, entry)


def constants(proto: Any) -> dict[str, npt.NDArray[Any]]:
    from onnx import numpy_helper

    return {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, bool], Path]:
    """Files by model and form, each made once."""
    folder = tmp_path_factory.mktemp("onnx")
    graphs: dict[Path, Any] = {}

    def write(model: Path, symmetric: bool) -> Path:
        path = folder / f"{model.parent.name}-{model.stem}-{symmetric}.onnx"
        if not path.exists():
            if model not in graphs:
                graphs[model] = to_onnx.from_tflite(model)
            path.write_bytes(to_onnx.to_bytes(graphs[model], model, symmetric=symmetric))
        return path

    return write


MODELS = [SMALL_MODEL, find_model("speech-encoder", "speech"), find_model("traits")]


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.stem))
def test_results_are_those_of_litert(model: Path, written: Callable[[Path, bool], Path]) -> None:
    check = onnx_check.check_onnx(written(model, False), model, real(model))
    step = load_interpreter(model).output.scale
    # Measured 0 to 0.07 steps; the bound of `verify` is 1.
    assert check.within_bound and check.mean_difference < 0.2 * step
    assert check.max_difference < 3.5 * step


@pytest.mark.tensorflow
def test_the_form_is_qdq_with_fixed_names(written: Callable[[Path, bool], Path]) -> None:
    import onnx

    model = find_model("speech-encoder", "speech")
    proto = onnx.load(written(model, False))
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 17)]
    assert (proto.graph.input[0].name, proto.graph.output[0].name) == ("input", "output")
    assert proto.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT8
    kinds = {node.op_type for node in proto.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    assert not any(kind.startswith(("QLinear", "MatMulInteger", "ConvInteger")) for kind in kinds)
    assert {each.key: each.value for each in proto.metadata_props} == {"tflite_sha256": file_sha256(model)}
    # Several nodes that share a constant stop ONNX Runtime's exact mode.
    used = [name for node in proto.graph.node for name in node.input if name.startswith("constant")]
    assert len(used) == len(set(used)) == len(proto.graph.initializer)


@pytest.mark.tensorflow
def test_the_same_model_gives_the_same_bytes(written: Callable[[Path, bool], Path]) -> None:
    before = written(SMALL_MODEL, False).read_bytes()
    assert to_onnx.to_bytes(to_onnx.from_tflite(SMALL_MODEL), SMALL_MODEL) == before


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.stem))
def test_the_form_for_tensorrt_has_no_zero_points(model: Path, written: Callable[[Path, bool], Path]) -> None:
    import onnx

    path = written(model, True)
    proto = onnx.load(path)
    assert tensorrt.objections(proto) == []
    assert tensorrt.objections(onnx.load(written(model, False))) != []
    kept = constants(proto)
    for node in proto.graph.node:
        if node.op_type == "DequantizeLinear":
            assert node.input[0] not in kept or kept[node.input[0]].dtype == np.int8  # no bias of int32
    check = onnx_check.check_onnx(path, model, real(model), symmetric=True)
    span = 255 * load_interpreter(model).output.scale
    # Measured 0.47 to 0.67 steps of 255 for the shipped ones.
    assert check.within_bound and check.mean_difference < 4 / 255 * span
    assert not check.equal


@pytest.mark.tensorflow
def test_a_file_that_computes_something_else_is_refused(tmp_path: Path, written: Callable[[Path, bool], Path]) -> None:
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(written(SMALL_MODEL, False))
    weights = max(proto.graph.initializer, key=lambda each: numpy_helper.to_array(each).size)
    weights.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights), weights.name))
    path = tmp_path / "wrong.onnx"
    onnx.save(proto, path)
    with pytest.raises(ModelError, match=r"wrong\.onnx: its results differ from small_int8\.tflite's"):
        onnx_check.check_onnx(path, SMALL_MODEL, real(SMALL_MODEL))
    path.write_bytes(b"no onnx")
    with pytest.raises(ModelError, match=r"wrong\.onnx: ONNX Runtime cannot load it"):
        onnx_check.check_onnx(path, SMALL_MODEL, real(SMALL_MODEL))
    with pytest.raises(ModelError, match=r"takes .* where small_int8"):
        onnx_check.check_onnx(written(find_model("traits"), False), SMALL_MODEL, real(SMALL_MODEL))


@pytest.fixture(scope="module")
def by_method(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small network by the methods that keep float somewhere, and with 16-bit activations."""
    environment.prepare()
    import tensorflow as tf

    rng = np.random.default_rng(0)
    kernel = tf.constant(rng.normal(size=(3, 3, 2, 8)), tf.float32)
    dense = tf.constant(rng.normal(size=(8 * 8 * 8, 32)) / 20, tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 2), tf.float32, name="input")])  # type: ignore[untyped-decorator]
    def network(x: Any) -> Any:
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return tf.matmul(tf.reshape(x, (1, -1)), dense)

    samples = [[rng.normal(size=(1, 8, 8, 2)).astype(np.float32)] for _ in range(4)]
    folder, found = tmp_path_factory.mktemp("methods"), {}
    for method in ("float32", "float16", "dynamic", "int16x8"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
        if method != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if method == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if method == "int16x8":
            converter.representative_dataset = lambda: iter(samples)
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
        found[method] = folder / f"{method}.tflite"
        with environment.quiet():
            found[method].write_bytes(converter.convert())
    return found


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["float32", "float16"])
def test_float_models_too(method: str, by_method: dict[str, Path], written: Callable[[Path, bool], Path]) -> None:
    x = np.random.default_rng(1).normal(size=(5, 8, 8, 2)).astype(np.float32)
    for symmetric in (False, True):
        check = onnx_check.check_onnx(written(by_method[method], symmetric), by_method[method], x, symmetric=symmetric)
        assert check.within_bound and check.labels_agree == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize(("method", "told"), [("dynamic", "method dynamic"), ("int16x8", "stores 16-bit numbers")])
def test_methods_without_a_form_are_told(method: str, told: str, by_method: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=rf"{method}\.tflite: .*{told}.*convert with --method int8"):
        to_onnx.from_tflite(by_method[method])


@pytest.mark.tensorflow
def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(SMALL_MODEL.read_bytes()[:900])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        to_onnx.from_tflite(path)


def test_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(environment, "prepare", lambda: None)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingDependencyError, match=r"needs the package 'tf2onnx'.*affect-edge\[onnx\]"):
        to_onnx.import_packages()
