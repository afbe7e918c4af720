from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.inference.interpreter import load_interpreter
from edge.inference.onnx_model import (
    CPU,
    CUDA,
    SOURCE_KEY,
    TENSORRT,
    OnnxModel,
    available_providers,
    onnx_path,
    runtime_version,
)
from tests.edge.inference.conftest import DATA

PICTURES = np.random.default_rng(5).integers(-128, 128, (20, 1, 48, 48, 1)).astype(np.int8)


class Runtime(SimpleNamespace):
    """In place of the package onnxruntime, for providers that this machine does not have."""

    def __init__(self, *, starts: bool, fails: bool = False) -> None:
        super().__init__()
        self.starts, self.fails = starts, fails
        self.asked: list[Any] = []

    def get_available_providers(self) -> list[str]:
        return [TENSORRT, CUDA, CPU]

    def set_default_logger_severity(self, _: int) -> None:
        pass

    def SessionOptions(self) -> Any:  # noqa: N802
        return SimpleNamespace(add_session_config_entry=lambda *_: None)

    def InferenceSession(self, _: bytes, *, sess_options: Any, providers: list[Any]) -> Any:  # noqa: N802
        self.asked = providers
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers]
        tensor = SimpleNamespace(name="x", shape=[1, 4], type="tensor(float)")

        def run(*_: object) -> list[npt.NDArray[Any]]:
            if self.fails:
                raise KeyError("CUDA error\n 700")
            return [np.ones((1, 4), np.float32)]

        return SimpleNamespace(
            get_inputs=lambda: [tensor],
            get_outputs=lambda: [tensor],
            get_modelmeta=lambda: SimpleNamespace(custom_metadata_map={SOURCE_KEY: "ab"}),
            get_providers=lambda: names if self.starts else [CPU],
            disable_fallback=lambda: None,
            run=run,
        )


def install(monkeypatch: pytest.MonkeyPatch, **keywords: bool) -> Runtime:
    runtime = Runtime(**keywords)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    return runtime


def test_the_cpu_provider_answers_as_litert_does(model_with_onnx: Path) -> None:
    pytest.importorskip("onnxruntime")
    cpu, model = load_interpreter(model_with_onnx), OnnxModel(onnx_path(model_with_onnx), provider=CPU)
    assert (model.shape, model.dtype) == (cpu.input.shape, cpu.input.dtype)
    assert all(np.array_equal(model(picture), cpu.run(picture)) for picture in PICTURES)


def test_what_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes((DATA / "small_int8.onnx").read_bytes()[:1000])
    with pytest.raises(RuntimeError, match=r"damaged\.onnx: ONNX Runtime cannot load it"):
        OnnxModel(damaged, provider=CPU)
    with pytest.raises(RuntimeError, match=r"none\.onnx: cannot be read: No such file"):
        OnnxModel(tmp_path / "none.onnx", provider=CPU)
    with pytest.raises(RuntimeError, match="was built without Other: install the onnxruntime-gpu"):
        OnnxModel(damaged, provider="Other")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeError, match=r"not installed: pip install 'affect-edge\[jetson\]'"):
        available_providers()


def test_without_the_package_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert runtime_version() is None


def test_a_provider_that_does_not_start_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime prints an error and computes on the CPU."""
    install(monkeypatch, starts=False)
    with pytest.raises(RuntimeError, match="CUDAExecutionProvider does not start here"):
        OnnxModel(DATA / "small_int8.onnx", provider=CUDA)


def test_a_file_that_was_made_from_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, starts=True)
    path = DATA / "small_int8.onnx"
    OnnxModel(path, provider=CUDA, source="ab")
    OnnxModel(path, provider=CUDA)
    with pytest.raises(
        RuntimeError, match=r"small_int8\.onnx was made from another small_int8\.tflite: convert it again"
    ):
        OnnxModel(path, provider=CUDA, source="cd")


def test_tensorrt_has_a_file_of_its_own_where_there_is_one(model_with_onnx: Path) -> None:
    own = model_with_onnx.with_suffix(".tensorrt.onnx")
    assert onnx_path(model_with_onnx, TENSORRT) == onnx_path(model_with_onnx, CUDA) == onnx_path(model_with_onnx)
    own.touch()
    assert onnx_path(model_with_onnx, TENSORRT) == own
    assert onnx_path(model_with_onnx, CUDA) == model_with_onnx.with_suffix(".onnx")


@pytest.mark.parametrize(("name", "quantised"), [("small_int8.onnx", True), ("small_float.tflite", False)])
def test_tensorrt_may_use_int8_only_for_quantised_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, quantised: bool
) -> None:
    runtime = install(monkeypatch, starts=True)
    OnnxModel(DATA / name, provider=TENSORRT, engines=tmp_path)
    (first, settings), *others = runtime.asked
    assert (first, others) == (TENSORRT, [CUDA, CPU])
    assert settings["trt_int8_enable"] is quantised
    assert settings["trt_engine_cache_path"] == str(tmp_path)
    OnnxModel(DATA / name, provider=TENSORRT)
    assert "trt_engine_cache_enable" not in runtime.asked[0][1]


def test_a_run_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, starts=True, fails=True)
    with pytest.raises(RuntimeError, match=r"^ONNX Runtime: .*CUDA error.*700") as raised:
        OnnxModel(DATA / "small_int8.onnx", provider=CUDA)(np.ones((1, 4), np.float32))
    assert "\n" not in str(raised.value)


@pytest.mark.tensorflow
def test_a_file_that_tf2onnx_makes_of_a_model_can_be_used(tmp_path: Path) -> None:
    """tests/data/small_int8.onnx was made so."""
    pytest.importorskip("onnxruntime")
    convert = pytest.importorskip("tf2onnx.convert")
    path = tmp_path / "fresh.onnx"
    convert.from_tflite(str(DATA / "small_int8.tflite"), opset=17, output_path=str(path))
    cpu, model = load_interpreter(DATA / "small_int8.tflite"), OnnxModel(path, provider=CPU)
    assert all(np.array_equal(model(picture), cpu.run(picture)) for picture in PICTURES)
