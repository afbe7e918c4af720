from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.bench.child import Child, JobError, NoProcessError, python_command, run_job

JOB = """
import os, sys
def job(options):
    print("not an answer")
    yield {"given": options}
    if options["then"] == "raise":
        raise ValueError("it broke")
    if options["then"] == "mend":
        from edge.errors import ModelError
        raise ModelError("x.tflite: not there")
    if options["then"] == "crash":
        os.abort()
    if options["then"] == "wait":
        import time
        while True:
            time.sleep(1)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> str:
    """A Python in which the job 'models' is one of ours."""
    folder = tmp_path / "site"
    (folder / "stand_in").mkdir(parents=True)
    (folder / "stand_in/__init__.py").write_text("")
    (folder / "stand_in/jobs.py").write_text(JOB)
    start = tmp_path / "python"
    start.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        f"sys.path[:] = [{str(folder)!r}, *json.loads(sys.argv[3])]\n"
        "from edge.bench import child\n"
        "child.JOBS['models'] = 'stand_in.jobs'\n"
        "child.main(sys.argv[5:])\n"
    )
    return f"{sys.executable} {start}"


def events(launcher: str, then: str) -> Iterator[dict[str, Any]]:
    with Child("models", {"then": then}, launcher=launcher) as process:
        yield from process.events()


def test_what_it_prints_is_no_answer(launcher: str) -> None:
    assert list(events(launcher, "end")) == [{"given": {"then": "end"}}]


@pytest.mark.parametrize(
    ("then", "reason"),
    [("raise", "ValueError: it broke"), ("mend", "^x.tflite: not there$"), ("crash", r"crashed \(SIGABRT\)")],
)
def test_what_was_measured_before_it_failed_is_there(launcher: str, then: str, reason: str) -> None:
    found = events(launcher, then)
    assert next(found) == {"given": {"then": then}}
    with pytest.raises(JobError, match=reason):
        next(found)


def test_it_ends_with_the_block(launcher: str) -> None:
    with Child("models", {"then": "wait"}, launcher=launcher) as process:
        assert next(process.events())
        assert process.process.poll() is None
    assert process.process.returncode == -9


def test_where_no_process_can_be_started_it_is_told(tmp_path: Path) -> None:
    foreign = tmp_path / "python"
    foreign.write_bytes(b"\x7fELF of another machine")
    foreign.chmod(0o755)
    with pytest.raises(NoProcessError, match="Exec format error"):
        Child("models", {}, launcher=str(foreign))


def test_the_current_folder_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/somewhere"])
    *_, path, module = python_command("emulator 'a python'", "edge.bench.child")
    assert json.loads(path) == ["/usr/lib/somewhere", str(Path(__file__).parents[3])]
    assert module == "edge.bench.child"
    assert python_command("emulator 'a python'", "x")[:2] == ["emulator", "a python"]


def test_the_same_job_runs_in_this_process(expression_model: Path) -> None:
    options = {"models": [["e", str(expression_model)]], "threads": [1], "rounds": 2, "repeats": 6, "seconds": 5.0}
    first, second = run_job("models", options)
    assert (first["model"]["repeats"], second["model"]["repeats"]) == (3, 6)
    row = second["model"]
    assert 0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]


def test_a_model_that_is_damaged_is_told_and_the_others_are_measured(expression_model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"nothing")
    models = [["bad", str(bad)], ["good", str(expression_model)]]
    options = {"models": models, "threads": [1], "rounds": 1, "repeats": 1, "seconds": 1.0}
    failed, measured = run_job("models", options)
    assert failed["failed"] == "bad, cpu, 1 threads"
    assert "bad" in failed["reason"]
    assert measured["model"]["model"] == "good"


def test_a_gpu_is_measured_or_told_as_absent(expression_model: Path) -> None:
    options = {"models": [["e", str(expression_model)]], "rounds": 1, "repeats": 2, "seconds": 1.0, "quick": True}
    found = list(run_job("gpu", options))
    assert found
    for event in found:
        assert event.get("absent") == "gpu" if "absent" in event else event["model"]["accelerator"] != "cpu"
    reasons = [event["reason"] for event in found if "absent" in event]
    assert len(set(reasons)) == len(reasons)
