from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.bench import gpu_job
from edge.inference.gpu_link import GpuError
from edge.inference.ways import Job, Loaded, Way


def options(model: Path, *names: str, quick: bool = False) -> dict[str, Any]:
    models = [[name, str(model)] for name in names]
    return {"models": models, "rounds": 2, "repeats": 4, "seconds": 1.0, "quick": quick}


@pytest.fixture(autouse=True)
def one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way("GPU", None)
    monkeypatch.setattr(gpu_job, "available", lambda path, with_cpu: ([way], ["CUDA: none"]))


def test_a_gpu_s_rows_are_beside_the_cpu_s(expression_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_job, "load", lambda way, job: Loaded(job.cpu.run, "litert on GPU", "llvmpipe", True))
    *rows, absent = gpu_job.job(options(expression_model, "a"))
    assert [row["model"]["repeats"] for row in rows] == [2, 4]
    assert (rows[-1]["model"]["accelerator"], rows[-1]["model"]["software"]) == ("GPU", True)
    assert absent == {"absent": "gpu", "reason": "CUDA: none"}


@pytest.mark.parametrize(("quick", "tries"), [(False, 2), (True, 1)])
def test_a_way_that_fails_alike_is_not_tried_for_ever(
    quick: bool, tries: int, expression_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(way: Way, job: Job) -> Loaded:
        tried.append(way.seconds)
        raise GpuError("there is no Vulkan")

    monkeypatch.setattr(gpu_job, "load", fail)
    found = list(gpu_job.job(options(expression_model, "a", "b", "c", "d", quick=quick)))
    assert found == [
        {"absent": "gpu", "reason": "CUDA: none"},
        {"absent": "gpu", "reason": "GPU: there is no Vulkan"},
    ]
    assert len(tried) == tries
    assert all(seconds == (15.0 if quick else 60.0) for seconds in tried)


def test_the_cpu_s_times_are_never_told_as_the_gpu_s(expression_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(x: Any) -> Any:
        raise GpuError("its driver hangs")

    monkeypatch.setattr(gpu_job, "load", lambda way, job: Loaded(compute, "litert on GPU", "", False))
    found = list(gpu_job.job(options(expression_model, "a")))
    assert not [event for event in found if "model" in event]
    assert {"absent": "gpu", "reason": "GPU: its driver hangs"} in found
