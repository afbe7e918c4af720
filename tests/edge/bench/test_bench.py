"""Runs of the whole, with parts of it exchanged where a board would be needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edge.bench import bench, cross_check
from edge.bench.bench import Bench
from edge.bench.child import Child, NoProcessError
from edge.bench.settings import Settings
from edge.inference.catalog import list_models
from tests.edge.bench.boards import jetson, put, raspberry_pi

GOVERNOR = "sys/devices/system/cpu/cpufreq/policy0/scaling_governor"


@pytest.fixture
def one_model(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(bench, "list_models", lambda: list_models([models_folder]))
    return "expression/expression"


def settings(root: Path, **others: Any) -> Settings:
    return Settings(
        **{
            **{"rounds": 2, "repeats": 4, "seconds": 0.2, "threads": (1,), "parts": ("models",), "root": root},
            **others,
        }
    )


def test_a_governor_that_changes_midway_is_told(tmp_path: Path, one_model: str) -> None:
    root = raspberry_pi(tmp_path)

    def change(part: str) -> None:
        put(root, {GOVERNOR: "powersave\n"})

    document = Bench(settings(root), change).run()
    (told,) = document.state.governor_changes
    assert (told.before, told.after) == ("ondemand", "powersave")
    assert document.state.start.governors == {"policy0": "ondemand"}
    assert document.state.end.governors == {"policy0": "powersave"}
    assert any("changed from ondemand to powersave" in note for note in document.notes)
    assert [row.model for row in document.models] == [one_model]
    assert not document.not_measured


def test_an_unknown_board_without_any_sensor_is_measured_all_the_same(tmp_path: Path, one_model: str) -> None:
    document = Bench(settings(tmp_path, vcgencmd=str(tmp_path / "vcgencmd"))).run()
    assert document.machine.board is None
    assert document.models
    absent = {entry.what for entry in document.absent}
    assert absent == {"energy: INA sensors", "energy: RAPL", "governor", "clock", "temperature", "throttling"}


def test_energy_is_told_for_each_phase(tmp_path: Path, one_model: str) -> None:
    document = Bench(settings(jetson(tmp_path), idle_seconds=0.6)).run()
    assert document.energy is not None
    assert document.energy.rails == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]
    (idle,) = document.energy.phases
    assert idle.phase == "idle"
    assert idle.watts == pytest.approx(6.0, abs=0.01)
    assert idle.above_idle_watts is None


def test_a_usb_meter_that_is_not_there_is_told(tmp_path: Path, one_model: str) -> None:
    document = Bench(settings(tmp_path, meter=str(tmp_path / "ttyUSB7"))).run()
    reasons = {entry.what: entry.reason for entry in document.absent}
    assert "ttyUSB7: No such file or directory" in reasons["energy: USB meter"]


def test_ctrl_c_midway_keeps_what_was_measured_and_says_what_was_not(
    tmp_path: Path, one_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Child.events

    def interrupted(child: Child) -> Iterator[Mapping[str, Any]]:
        yield next(events(child))
        raise KeyboardInterrupt

    monkeypatch.setattr(Child, "events", interrupted)
    document = Bench(settings(tmp_path, rounds=3, repeats=6, parts=("models", "camera", "start"), minutes=1.0)).run()
    assert document.interrupted
    assert [(row.model, row.rounds, row.repeats) for row in document.models] == [(one_model, 1, 2)]
    assert {entry.reason for entry in document.not_measured} == {"interrupted"}
    assert [entry.what for entry in document.not_measured] == [
        "start",
        "camera: memory",
        "camera: back to back",
        "camera: at its pace",
        "sustained",
        f"models: {one_model}, cpu, 1 threads: rounds 2 to 3",
    ]


def test_where_no_process_can_be_started_it_measures_in_this_one(
    tmp_path: Path, one_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "python"
    foreign.write_bytes(b"\x7fELF of another machine")
    foreign.chmod(0o755)
    document = Bench(settings(tmp_path, launcher=str(foreign), parts=("models", "start"))).run()
    assert [row.model for row in document.models] == [one_model]
    assert not document.protocol.own_processes
    assert any("measured in one process" in note for note in document.notes)
    (missing,) = document.not_measured
    assert missing.what == "start"
    assert "Exec format error" in missing.reason


def test_a_part_that_fails_leaves_the_others(tmp_path: Path, one_model: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[speech]\nmodel = "nobody"\n')
    document = Bench(settings(tmp_path, parts=("models", "microphone"), config=config)).run()
    assert [row.model for row in document.models] == [one_model]
    assert {entry.what for entry in document.not_measured} == {
        "microphone: memory",
        "microphone: back to back",
        "microphone: at its pace",
    }
    assert all("no model 'nobody'" in entry.reason for entry in document.not_measured)


def test_more_threads_than_cores_are_told_as_absent(
    tmp_path: Path, one_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "cores", lambda: 2)
    document = Bench(settings(tmp_path, threads=None)).run()
    assert document.protocol.threads == [1, 2]
    assert "4 threads" in {entry.what for entry in document.absent}


def test_the_tool_for_the_cross_check_may_be_absent(
    tmp_path: Path, one_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_check, "why_absent", lambda: "litert-benchmark is not installed")
    document = Bench(settings(tmp_path, parts=("models", "cross-check"))).run()
    assert not document.cross_check
    assert not document.not_measured
    assert {"cross-check": "litert-benchmark is not installed"}.items() <= {
        entry.what: entry.reason for entry in document.absent
    }.items()


def test_times_that_the_tool_cannot_tell_are_not_compared() -> None:
    (event,) = cross_check.cross_checks(Settings(), {"traits/traits": Path("traits.tflite")}, {"traits/traits": 0.005})
    assert event["absent"] in ("cross-check: traits/traits", "cross-check")


def test_the_sustained_run_needs_processes(tmp_path: Path, one_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NoProcessError("no process can be started (Exec format error)")

    monkeypatch.setattr("edge.bench.sustained.Child", refuse)
    document = Bench(settings(tmp_path, minutes=1.0)).run()
    assert [(entry.what, entry.reason) for entry in document.not_measured] == [
        ("sustained", "no process can be started (Exec format error)")
    ]
