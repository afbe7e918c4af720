from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.config import Config
from edge.inference import accelerator as module
from edge.inference import gpu_link, onnx_model, ways
from edge.inference.accelerator import accelerate, ranking
from edge.inference.interpreter import Interpreter, load_interpreter
from edge.inference.measured import Measured, Measurement
from edge.inference.ways import Way, disagreement

PICTURES = np.random.default_rng(6).integers(-128, 128, (5, 1, 48, 48, 1)).astype(np.int8)


def answers(interpreter: Interpreter) -> npt.NDArray[np.int64]:
    return np.array([interpreter.run(picture) for picture in PICTURES]).astype(np.int64)


def no_process() -> Any:
    raise AssertionError("a process was started")


@pytest.mark.parametrize(
    ("times", "for_auto", "for_gpu"),
    [
        ({"CUDA": 8.0, "GPU": 4.0}, ["GPU", "CUDA"], ["GPU", "CUDA"]),
        ({"CUDA": 9.5, "GPU": 4.0}, ["GPU"], ["GPU", "CUDA"]),
        ({"CUDA": 9.5, "GPU": 30.0}, [], ["CUDA", "GPU"]),
        ({"CUDA": None, "GPU": 30.0}, [], ["GPU"]),
        ({"CUDA": None}, [], []),
    ],
)
def test_the_fastest_goes_first(times: dict[str, float | None], for_auto: list[str], for_gpu: list[str]) -> None:
    found = Measurement(10.0, {name: Measured(time) for name, time in times.items()})
    assert ranking(found, "auto") == for_auto
    assert ranking(found, "gpu") == for_gpu


@pytest.mark.parametrize(
    ("expected", "found", "agrees"),
    [
        # Three steps are allowed anywhere, two on average.
        (np.array([[-9, 0, 9]], np.int8), np.array([[-9, 3, 9]], np.int8), True),
        (np.array([[-9, 0, 9]], np.int8), np.array([[-9, 4, 9]], np.int8), False),
        (np.array([[-9, 0, 9]], np.int8), np.array([[-6, 3, 6]], np.int8), False),
        # int8's ends are a difference of 255, not of 1.
        (np.array([[-128, 127]], np.int8), np.array([[127, 127]], np.int8), False),
        (np.array([[-128, *[0] * 30, 127]], np.int8), np.array([[-108, *[0] * 30, 127]], np.int8), True),
        (np.array([[-128, *[0] * 30, 127]], np.int8), np.array([[-107, *[0] * 30, 127]], np.int8), False),
        (np.array([[0.0, 1.0, 2.0]], np.float32), np.array([[0.0, 1.1, 2.0]], np.float32), True),
        (np.array([[0.0, 1.0, 2.0]], np.float32), np.array([[0.0, 1.2, 2.0]], np.float32), False),
        (np.array([[0.0, 1.0]], np.float32), np.array([[0.0, np.nan]], np.float32), False),
        (np.array([[0.0, 1.0]], np.float32), np.array([0.0, 1.0], np.float32), False),
        (np.array([[0, 1]], np.int8), np.array([[0, 1]], np.float32), False),
    ],
)
def test_how_far_answers_may_differ(expected: npt.NDArray[Any], found: npt.NDArray[Any], agrees: bool) -> None:
    assert (disagreement(found, expected) is None) is agrees


def test_the_cpu_alone_touches_nothing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "GpuProcess", no_process)
    cpu = load_interpreter(model)
    assert accelerate(cpu, "cpu") is cpu


@pytest.mark.parametrize("accelerator", ["gpu", "auto"])
def test_a_board_without_any_gpu_package_starts(
    model_with_onnx: Path, accelerator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "litert_version", lambda: None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(ways, "GpuProcess", no_process)
    cpu = load_interpreter(model_with_onnx)
    assert accelerate(cpu, accelerator) is cpu
    if accelerator == "gpu":
        assert "ONNX Runtime is not installed" in str(cpu.fallback_reason)
        assert "GPU: ai-edge-litert 2 or newer is not installed" in str(cpu.fallback_reason)


def test_by_default_nothing_of_it_is_imported() -> None:
    program = (
        "import sys; from pathlib import Path; from edge.inference.interpreter import load_model; "
        "load_model(Path(sys.argv[1])); print(*sorted(sys.modules))"
    )
    shipped = Path(__file__).parents[3] / "models/expression/expression.tflite"
    child = subprocess.run([sys.executable, "-c", program, str(shipped)], capture_output=True, text=True, check=True)
    loaded = child.stdout.split()
    assert "edge.inference.interpreter" in loaded
    names = {"accelerator", "compiled", "gpu_link", "gpu_process", "measured", "onnx_model", "ways"}
    assert not {"onnxruntime", *(f"edge.inference.{name}" for name in names)} & set(loaded)


def test_a_gpu_computes_and_the_cpu_goes_on_when_it_fails(
    swiftshader: None, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cpu = load_interpreter(model)
    found = accelerate(cpu, "gpu")
    assert found is not cpu
    assert "on GPU (SwiftShader" in found.runtime
    assert found.fallback_reason is None
    assert (found.input, found.output) == (cpu.input, cpu.output)
    expected = answers(cpu)
    assert np.abs(answers(found) - expected).max() <= 1
    first, second = found.run(PICTURES[0]), found.run(PICTURES[1])
    assert first.flags.writeable
    assert not np.array_equal(first, second)
    # One GPU asks for no measurement, and so for no file.
    assert not (tmp_path / "cache").exists()
    assert "is a program that computes on the CPU" in caplog.text

    caplog.clear()
    assert ways._shared is not None
    ways._shared._process.kill()
    assert np.array_equal(answers(found), expected)
    assert found.runtime == cpu.runtime
    assert "crashed (SIGKILL)" in str(found.fallback_reason)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_auto_measures_once_and_remembers(
    swiftshader: None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_ROUNDS", 3)
    cpu = load_interpreter(model)
    with caplog.at_level("INFO"):
        # A program that plays a GPU on the CPU is slower than the CPU.
        assert accelerate(cpu, "auto") is cpu
    assert "ms by GPU" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert cpu.fallback_reason is None
    assert (tmp_path / "cache/affect-edge/accelerators.json").is_file()
    monkeypatch.setattr(module, "GpuProcess", no_process)
    monkeypatch.setattr(ways, "GpuProcess", no_process)
    assert accelerate(cpu, "auto") is cpu
    # With another driver it measures again.
    monkeypatch.setenv("VK_DRIVER_FILES", "/other/icd.json")
    with pytest.raises(AssertionError, match="a process was started"):
        accelerate(cpu, "auto")


def test_without_a_gpu_it_says_why_once(no_vulkan: None, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=module.__name__):
        for cpu in (load_interpreter(model), load_interpreter(model)):
            assert accelerate(cpu, "gpu") is cpu
            assert cpu.fallback_reason is not None
            assert "there is no .onnx file beside the model; GPU: " in cpu.fallback_reason
            assert "Vulkan" in cpu.fallback_reason
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "no GPU computes it, the CPU does" in caplog.text


def test_a_driver_that_hangs_delays_the_start_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_link, "_START", "import time; time.sleep(600)")
    monkeypatch.setattr(ways, "WAYS", (Way("GPU", None, seconds=0.5),))
    started: list[object] = []

    class Counted(gpu_link.GpuProcess):
        def __init__(self) -> None:
            started.append(self)
            super().__init__()

    monkeypatch.setattr(ways, "GpuProcess", Counted)
    for _ in range(3):
        cpu = load_interpreter(model)
        assert accelerate(cpu, "gpu") is cpu
        assert "did not answer within 0.5 s: its driver hangs" in str(cpu.fallback_reason)
    assert len(started) == 1
    # With 'auto' too; and what hangs is remembered, so that the next start does not wait for it.
    cpu = load_interpreter(model)
    assert accelerate(cpu, "auto") is cpu
    monkeypatch.setattr(module, "GpuProcess", no_process)
    assert accelerate(cpu, "auto") is cpu


def test_onnx_runtime_computes_where_it_was_measured_to_be_faster(
    model_with_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(ways, "WAYS", tuple(way for way in ways.WAYS if way.provider))
    monkeypatch.setattr(ways, "GpuProcess", no_process)
    cpu = load_interpreter(model_with_onnx)
    expected = answers(cpu)
    # Measured for real, whatever comes of it.
    assert np.array_equal(answers(accelerate(cpu, "auto", threads=2)), expected)
    fast = Measurement(10.0, {"ONNX Runtime on the CPU": Measured(1.0)})
    monkeypatch.setattr(module, "recall", lambda *_: fast)
    found = accelerate(cpu, "auto")
    assert found.runtime.startswith("ONNX Runtime 1.")
    assert np.array_equal(answers(found), expected)


def test_what_answers_otherwise_is_not_taken(
    model_with_onnx: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An .onnx file of another training of the same network, say."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(ways, "WAYS", tuple(way for way in ways.WAYS if way.provider))
    compute = onnx_model.OnnxModel.__call__
    monkeypatch.setattr(onnx_model.OnnxModel, "__call__", lambda self, x: np.roll(compute(self, x), 1, axis=-1))
    cpu = load_interpreter(model_with_onnx)
    with caplog.at_level("INFO"):
        assert accelerate(cpu, "auto") is cpu
    assert "it answers otherwise than the CPU: differences of up to" in caplog.text
    monkeypatch.setattr(module, "recall", lambda *_: Measurement(9.0, {"ONNX Runtime on the CPU": Measured(1.0)}))
    assert accelerate(cpu, "auto") is cpu
    assert "answers otherwise" in str(cpu.fallback_reason)


def test_every_section_reaches_its_models(
    expression_model: Path, speech_model: Path, text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.pipeline.faces import FacePipeline
    from edge.pipeline.speech import SpeechPipeline
    from edge.pipeline.text import TextPipeline

    asked: dict[str, tuple[str, int]] = {}

    def fake(cpu: Interpreter, accelerator: str, *, sha256: str, threads: int, numbers: int) -> Interpreter:
        asked[f"{cpu.model.parent.name}/{cpu.model.stem}"] = (accelerator, numbers)
        return cpu

    monkeypatch.setattr(module, "accelerate", fake)
    words = {
        "face": {"accelerator": "gpu"},
        "expression": {"accelerator": "auto"},
        "speech": {"accelerator": "gpu"},
        "text": {"accelerator": "auto"},
    }
    config = Config.model_validate(words)
    FacePipeline.from_config(config)
    SpeechPipeline.from_config(config)
    TextPipeline.from_config(config)
    vocabulary = asked.pop(f"text-emotion/{text_model.stem}")
    assert vocabulary[0] == "auto"
    assert vocabulary[1] > 2
    assert sorted((name.partition("/")[0], *value) for name, value in asked.items()) == [
        ("expression", "auto", 1),
        ("face-detection", "gpu", 1),
        ("speech-emotion", "gpu", 1),
        ("speech-encoder", "gpu", 1),
    ]
    # And nobody is asked by default.
    asked.clear()
    FacePipeline.from_config(Config())
    assert not asked
