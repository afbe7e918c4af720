"""Files run in every interpreter that is installed, and compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import verify
from edge.errors import ModelError
from edge.inference import interpreter as runtimes
from edge.inference.catalog import find_model
from edge.inference.interpreter import RuntimeInfo, TensorInfo, available_runtimes

SMALL_MODEL = Path(__file__).parents[1] / "data" / "small_int8.tflite"
INT8 = TensorInfo("out", (1, 4), np.dtype(np.int8), scale=0.5, zero_point=-3)
FLOAT = TensorInfo("out", (1, 4), np.dtype(np.float32), scale=1, zero_point=0)


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", [SMALL_MODEL, find_model("expression"), find_model("traits")], ids=lambda m: m.stem)
def test_all_that_are_installed_agree(model: Path) -> None:
    entry, rng = runtimes.load_interpreter(model).input, np.random.default_rng(0)
    x: npt.NDArray[Any] = rng.uniform(0, 1, (4, *entry.shape[1:])).astype(np.float32)
    if entry.dtype == np.int32:
        x = rng.integers(0, 100, x.shape).astype(np.int32)
    checks = verify.check_interpreters(model, x)
    installed = [runtime.name for runtime in available_runtimes() if runtime.version is not None]
    assert [check.runtime for check in checks] == installed
    assert checks[0].equal and checks[0].max_difference == 0
    assert all(check.within_bound and check.error is None for check in checks)
    verify.require_alike(model, checks)


def stored(*numbers: int) -> npt.NDArray[np.int8]:
    return np.array(numbers, np.int8).reshape(-1, 4)


def test_differences_are_told_in_real_numbers() -> None:
    reference = stored(0, 1, 2, 3, 9, 8, 7, 6)
    same = verify.compare("litert", "1", reference, reference, INT8)
    assert (same.equal, same.max_difference, same.labels_agree, same.within_bound) == (True, 0, 1, True)
    other = verify.compare("tensorflow", "2", reference, stored(0, 1, 4, 3, 9, 8, 7, 6), INT8)
    assert (other.equal, other.max_difference, other.mean_difference) == (False, 1.0, 0.125)
    assert (other.labels_agree, other.within_bound) == (0.5, True)
    assert other.as_dict()["runtime"] == "tensorflow"


@pytest.mark.parametrize(
    ("found", "within"),
    [
        (stored(1, 1, 1, 1), True),  # one step each: the bound on the mean
        (stored(2, 1, 1, 1), False),
        (np.repeat(stored(0, 0, 0, 0), 8, 0) + np.eye(8, 4, dtype=np.int8) * 16, True),
        (np.repeat(stored(0, 0, 0, 0), 8, 0) + np.eye(8, 4, dtype=np.int8) * 17, False),
    ],
)
def test_quantised_outputs_have_a_bound_in_steps(found: npt.NDArray[Any], within: bool) -> None:
    if len(found) == 8:  # far apart in few places only
        found[1:] = 0
    reference = np.zeros_like(found)
    assert verify.compare("r", "1", reference, found, INT8).within_bound is within


@pytest.mark.parametrize(("off", "within"), [(0.9e-3, True), (1.1e-3, False)])
def test_float_outputs_have_a_relative_bound(off: float, within: bool) -> None:
    reference = np.array([[0, 1, 2, 50]], np.float32)
    found = reference + np.array([[off * 50, 0, 0, 0]], np.float32)
    assert verify.compare("r", "1", reference, found, FLOAT).within_bound is within


def test_a_runtime_that_differs_is_named() -> None:
    good = verify.compare("litert", "2.3", stored(0, 0, 0, 0), stored(0, 0, 0, 0), INT8)
    bad = verify.compare("tensorflow", "2.1", stored(0, 0, 0, 0), stored(90, 0, 0, 0), INT8)
    with pytest.raises(ModelError, match=r"m\.tflite: tensorflow 2\.1 and litert 2\.3 differ by up to 45, 11\.25 on"):
        verify.require_alike(Path("m.tflite"), [good, bad])
    verify.require_alike(Path("m.tflite"), [good, replace(bad, error="does not work with NumPy 2")])


def test_a_runtime_that_is_broken_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    load = runtimes.load_interpreter

    def broken(path: Path, **keys: Any) -> Any:
        if keys.get("runtime") == "tflite-runtime":
            raise ModelError("does not work with NumPy 2")
        return load(path, **keys)

    monkeypatch.setattr(verify, "load_interpreter", broken)
    installed = [
        RuntimeInfo("litert", "ai-edge-litert", "2.3"),
        RuntimeInfo("tflite-runtime", "tflite-runtime", "2.14"),
        RuntimeInfo("tensorflow", "tensorflow", None),
    ]
    monkeypatch.setattr(verify, "available_runtimes", lambda: installed)
    x = np.zeros((1, 48, 48, 1), np.float32)
    first, second = verify.check_interpreters(SMALL_MODEL, x)
    assert first.error is None and first.within_bound
    assert (second.runtime, second.error, second.within_bound) == (
        "tflite-runtime",
        "does not work with NumPy 2",
        False,
    )


def test_a_file_that_the_first_runtime_cannot_load_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(SMALL_MODEL.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        verify.check_interpreters(path, np.zeros((1, 48, 48, 1), np.float32))
