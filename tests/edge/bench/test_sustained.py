from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.bench import bench, sustained
from edge.bench.bench import Bench
from edge.bench.child import JobError
from edge.bench.settings import Settings
from edge.bench.watch import Watch
from edge.inference.catalog import list_models
from tests.edge.bench.boards import raspberry_pi


class Working:
    """Stands in for a process that looks at twenty frames, or hears twenty half seconds, a second."""

    def __init__(self, job: str, options: dict[str, Any], *, launcher: str | None) -> None:
        self.part = options["part"]

    def __enter__(self) -> Working:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def events(self) -> Iterator[dict[str, Any]]:
        while True:
            yield {"stretch": 20.0, "seconds": 0.1, "memory_mb": 100.0}
            time.sleep(0.05)


class Failing(Working):
    def events(self) -> Iterator[dict[str, Any]]:
        if self.part == "microphone":
            raise JobError("no model")
        yield from super().events()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sustained, "_LEAST_SECONDS", 0.2)


def test_rates_heat_and_clock_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sustained, "Child", Working)
    settings = Settings(minutes=0.01, root=raspberry_pi(tmp_path))
    with Watch(None, root=tmp_path) as watch:
        *_, found = sustained.sustained(settings, watch)
    assert found["seconds"] >= 0.6
    assert found["kept"] == 1.0
    last = found["samples"][-1]
    assert (last["frames_a_second"], last["ms_a_second_of_sound"]) == (20.0, 100.0)
    assert (last["celsius"], last["clock_mhz"], last["watts"]) == (48.312, 1500.0, None)


def test_a_pipeline_that_fails_is_told_and_the_other_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sustained, "Child", Failing)
    told: list[dict[str, Any]] = []
    with Watch(None, root=tmp_path) as watch, pytest.raises(JobError, match=r"^microphone: no model$"):
        for figures in sustained.sustained(Settings(minutes=0.01, root=tmp_path), watch):
            told.append(figures)  # noqa: PERF402 - what came before the error counts
    assert told[-1]["samples"][-1]["frames_a_second"] == 20.0
    assert told[-1]["samples"][-1]["ms_a_second_of_sound"] is None


def test_ctrl_c_keeps_the_samples(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "list_models", lambda: list_models([models_folder]))
    monkeypatch.setattr(sustained, "Child", Working)

    def interrupted(settings: Settings, watch: Watch) -> Iterator[dict[str, Any]]:
        for number, figures in enumerate(sustained.sustained(settings, watch)):
            yield figures
            if number == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(bench, "sustained", interrupted)
    document = Bench(Settings(parts=(), minutes=1.0, root=tmp_path)).run()
    assert document.interrupted
    assert document.sustained is not None
    assert document.sustained.planned_s == 60.0
    assert document.sustained.samples
    assert [(entry.what, entry.reason) for entry in document.not_measured] == [("sustained", "interrupted")]
