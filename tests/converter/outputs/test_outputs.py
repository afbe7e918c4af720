"""All forms of a model, written beside it and checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import outputs, writing
from converter.outputs import c_array, onnx, onnx_check, snippet_templates
from edge.errors import ModelError
from edge.inference.catalog import find_model
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import manifest_path

X = np.random.default_rng(2).uniform(0, 1, (5, 48, 48, 1)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The expression model with its manifest, in a folder of its own."""
    shipped = find_model("expression")
    for path in (shipped, manifest_path(shipped)):
        shutil.copy(path, tmp_path)
    return tmp_path / shipped.name


def names(model: Path) -> list[str]:
    return sorted(path.name for path in model.parent.iterdir() if path.stem != "expression")


def test_each_is_checked_and_takes_its_labels_from_the_manifest(model: Path) -> None:
    c, programs = outputs.write_outputs(model, ["c", "snippets"], X)
    assert (c.format, c.checked, c.check) == ("c", "read back, byte by byte", None)
    assert programs.checked == "expression_python.py was run; the others need a phone or a compiler"
    assert names(model) == sorted(path.name for path in (*c.paths, *programs.paths))
    assert all(path.is_file() for path in (*c.paths, *programs.paths))
    for path in (c.paths[0], *programs.paths):
        assert '"anger"' in path.read_text() or '"angry"' in path.read_text(), path.name
    assert "gray pixels, 0 to 255 as 0 to 1" in programs.paths[0].read_text()
    assert c.as_dict()["paths"] == [str(path) for path in c.paths]


def test_without_a_manifest_labels_may_be_given(model: Path) -> None:
    manifest_path(model).unlink()
    (programs,) = outputs.write_outputs(model, ["snippets"], X, labels=["sun", "rain"])
    assert 'LABELS = ("sun", "rain",)' in programs.paths[0].read_text()
    assert "real numbers, as the model was trained on them" in programs.paths[0].read_text()


@pytest.mark.tensorflow
def test_onnx_lies_beside_the_model_in_both_forms(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("tf2onnx", reason="the extra 'onnx' is not installed")
    model = tmp_path / "small.tflite"
    shutil.copy(Path(__file__).parents[2] / "data" / "small_int8.tflite", model)
    exact, symmetric = outputs.write_outputs(model, ["onnx", "tensorrt", "onnx"], X)
    assert exact.paths == (tmp_path / "small.onnx",) and symmetric.paths == (tmp_path / "small.tensorrt.onnx",)
    assert exact.check is not None and symmetric.check is not None
    assert exact.check.runtime == "onnxruntime" and exact.check.mean_difference <= symmetric.check.mean_difference
    assert symmetric.checked.endswith("on the CPU ran 5 samples; TensorRT itself was not at hand")
    # The device's own reader of ONNX files takes it.
    from edge.inference.onnx_model import CPU, OnnxModel, onnx_path

    device, interpreter = OnnxModel(onnx_path(model), provider=CPU), load_interpreter(model)
    assert (device.shape, device.dtype) == (interpreter.input.shape, interpreter.input.dtype)


def test_what_fails_its_check_does_not_stay(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**snippet_templates.PYTHON_READ, "quantised": "stored.astype(np.float32)"}
    monkeypatch.setattr(snippet_templates, "PYTHON_READ", wrong)
    with pytest.raises(ModelError, match=r"expression_python\.py: gives other results than the model"):
        outputs.write_outputs(model, ["snippets"], X)
    monkeypatch.setattr(snippet_templates, "PYTHON_READ", {**wrong, "quantised": "1 / 0"})
    with pytest.raises(ModelError, match=r"expression_python\.py: cannot be run: ZeroDivisionError"):
        outputs.write_outputs(model, ["snippets"], X)

    write = c_array.write_c_array

    def cut(path: Path, folder: Path, **keys: Any) -> list[Path]:
        written = write(path, folder, **keys)
        written[1].write_text(written[1].read_text().replace("28,0,0,0,", "28,0,0,1,", 1))
        return written

    monkeypatch.setattr(c_array, "write_c_array", cut)
    with pytest.raises(ModelError, match=r"expression_model\.cc: holds other bytes than expression\.tflite"):
        outputs.write_outputs(model, ["c"], X)

    def refuse(*_: Any, **__: Any) -> None:
        raise ModelError("more than rounding")

    monkeypatch.setattr(onnx, "from_tflite", lambda model: None)
    monkeypatch.setattr(onnx, "to_bytes", lambda *_, **__: b"")
    monkeypatch.setattr(onnx_check, "check_onnx", refuse)
    with pytest.raises(ModelError, match="more than rounding"):
        outputs.write_outputs(model, ["onnx"], X)
    assert names(model) == []


def test_labels_are_one_a_line(model: Path) -> None:
    (written,) = outputs.write_outputs(model, ["labels"], X, labels=["größer", "less"])
    assert written.paths[0].name == "expression_labels.txt"
    assert written.paths[0].read_text(encoding="utf-8") == "größer\nless\n"
    with pytest.raises(ModelError, match="no labels are known"):
        outputs.write_outputs(model, ["labels"], X, labels=[])
    with pytest.raises(ModelError, match=r"'a\\nb' is not one line"):
        outputs.write_outputs(model, ["labels"], X, labels=["a\nb"])


def test_an_unknown_format_is_an_error_of_the_caller(model: Path) -> None:
    unknown: Any = ["coreml"]
    with pytest.raises(ValueError, match=r"\['coreml'\].*onnx, tensorrt, c, snippets, labels"):
        outputs.write_outputs(model, unknown, X)


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.txt"
    assert writing.write_whole(path, "größer").read_text(encoding="utf-8") == "größer"

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ModelError, match=r"file\.txt: cannot be written: No space left on device; free space"):
        writing.write_whole(path, "other")
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]
    assert path.read_text(encoding="utf-8") == "größer"
