"""A GPU for the tests: SwiftShader, the software Vulkan driver that comes with Debian's chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.inference import accelerator, ways
from edge.inference.compiled import litert_version

CHROMIUM = Path("/usr/lib/chromium")
DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def own_gpu_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is remembered from one test to the next, nor kept in the user's own folders."""
    for variable in ("CACHE_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(accelerator, "_told", set())
    yield
    ways.end_gpu_process()


@pytest.fixture
def swiftshader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the processes that compute on the GPU find SwiftShader, and no other GPU."""
    driver = CHROMIUM / "vk_swiftshader_icd.json"
    if not driver.is_file():
        pytest.skip("there is no SwiftShader: apt install chromium")
    if litert_version() is None:
        pytest.skip("there is no LiteRT with a CompiledModel: pip install ai-edge-litert")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(driver))
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
    # For libvulkan.so.1, of which chromium has its own.
    monkeypatch.setenv("LD_LIBRARY_PATH", str(CHROMIUM))


@pytest.fixture
def no_vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the processes that compute on the GPU find no Vulkan driver."""
    for variable in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(variable, "/nonexistent/icd.json")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small int8 model in a folder of its own."""
    return Path(shutil.copy(DATA / "small_int8.tflite", tmp_path / "small.tflite"))


@pytest.fixture
def model_with_onnx(model: Path) -> Path:
    """The same with its ONNX file beside it."""
    shutil.copy(DATA / "small_int8.onnx", model.with_suffix(".onnx"))
    return model
