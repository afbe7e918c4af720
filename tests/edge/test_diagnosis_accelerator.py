from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config
from edge.diagnosis_accelerator import check_accelerators
from edge.inference import accelerator, measured, ways


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CACHE_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_by_default_no_gpu_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "accelerate", None)
    (check,) = check_accelerators(Config())
    assert (check.state, check.detail) == ("info", "computed by the CPU, says the configuration")


def test_tells_why_the_cpu_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "WAYS", ())
    config = Config.model_validate({"expression": {"accelerator": "gpu"}, "text": {"model": "none"}})
    (check,) = check_accelerators(config)
    assert (check.name, check.state) == ("expression", "warn")
    assert "the CPU computes it: TensorRT and CUDA: there is no .onnx file beside the model" in check.detail
    assert check.mend is not None
    assert "expression.accelerator = 'cpu'" in check.mend
    assert not (tmp_path / "cache").exists()


def test_tells_what_computes_and_keeps_nothing(
    tmp_path: Path, expression_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(job: ways.Job, _: object) -> measured.Measurement:
        assert job.cpu.model == expression_model
        assert not job.keep
        return measured.Measurement(1.0, {"GPU": measured.Measured(9.0)})

    monkeypatch.setattr(accelerator, "_measurement", measure)
    (check,) = check_accelerators(Config.model_validate({"expression": {"accelerator": "auto"}}))
    assert check.state == "ok"
    assert check.detail.startswith("'auto': litert ")
    assert not (tmp_path / "cache").exists()


def test_a_model_that_is_not_there_fails() -> None:
    (check,) = check_accelerators(Config.model_validate({"speech": {"model": "none", "accelerator": "gpu"}}))
    assert (check.name, check.state) == ("speech", "fail")
