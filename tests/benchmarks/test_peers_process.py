"""Systems in processes of their own, in turns: what one of them does wrong is told, and the others go on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import child
from benchmarks.peers.places import Found, Ready
from benchmarks.peers.process import Item, SystemFailedError, SystemProcess, Threads
from benchmarks.peers.rounds import Run, figures, measure
from benchmarks.peers.system import HERE, System

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)

PATIENCE = 300.0

SUMS = """
import os
def load(settings):
    print("a greeting that is no answer")
    def answer(item, about):
        if about["kind"] == "text":
            return {"found": 1, "label": item, "cores": len(os.sched_getaffinity(0)), "settings": settings}
        return {"found": 1, "label": str(item.dtype), "sum": float(item.sum()), "shape": list(item.shape)}
    return answer
"""
DIES_LATER = """
def load(settings):
    taken = []
    def answer(item, about):
        taken.append(item)
        if len(taken) == 4:
            raise SystemExit("it has had enough")
        return {"found": 1, "label": None}
    return answer
"""
HANGS = """
import time
def load(settings):
    return lambda item, about: time.sleep(3600)
"""


def system(name: str, adapter: str = "a.py", **more: Any) -> System:
    return System(
        name=name,
        job="text",
        adapter=adapter,
        environment="opencv",
        module="cv2",
        distributions=(),
        what="a test's",
        licence="none",
        trained_on="nothing",
        on_test_data="no",
        **more,
    )


def ready(folder: Path, name: str, code: str, files: tuple[Found, ...] = ()) -> Ready:
    adapter = folder / f"{name}.py"
    adapter.write_text(code)
    return Ready(system(name), (sys.executable, "-c", (HERE / "child.py").read_text(), str(adapter)), files)


def texts(count: int) -> dict[Any, list[Item]]:
    return {"text": [Item.text(f"text {number}") for number in range(count)]}


def measured(systems: list[Ready], *, patience: float = PATIENCE, **more: Any) -> Run:
    return measure(systems, texts(5), starts=1, rounds=3, warmup=2, threads=("shipped",), patience=patience, **more)


def test_items_come_through_the_pipe_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (480, 640, 3), np.uint8)
    sound = random.normal(size=8000).astype(np.float32)
    with SystemProcess(ready(tmp_path, "sums", SUMS), patience=PATIENCE) as process:
        told = process.take(Item.frame(frame, 0.5))
        assert told["answer"] == {"found": 1, "label": "uint8", "sum": frame.sum(), "shape": [480, 640, 3]}
        assert told["seconds"] >= 0
        assert told["cpu_seconds"] >= 0
        heard = process.take(Item.sound(sound, 16000))["answer"]
        assert heard["sum"] == pytest.approx(float(sound.sum()), rel=1e-3)
        assert process.take(Item.text("für dich 😀"))["answer"]["label"] == "für dich 😀"
        about = process.ask({"about": "process"})
        assert about["peak_kib"] >= about["resident_kib"] > 1000
        assert about["threads"] >= 1


def test_a_system_is_told_its_files_and_kept_on_one_core_only_then(tmp_path: Path) -> None:
    found = Found("weights.bin", tmp_path / "weights.bin", "0" * 64, 1, None)
    cores = {}
    choices: tuple[Threads, ...] = ("shipped", "one")
    for threads in choices:
        made = ready(tmp_path, "sums", SUMS, (found,))
        with SystemProcess(made, threads=threads, patience=PATIENCE) as process:
            answer = process.take(Item.text(""))["answer"]
        cores[threads] = answer["cores"]
        assert answer["settings"]["files"] == {"weights.bin": str(found.path)}
        assert answer["settings"]["threads"] == threads
    assert cores == {"shipped": len(os.sched_getaffinity(0)), "one": 1}


def test_one_that_dies_and_one_that_hangs_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    broken = [
        ready(tmp_path, "dies", DIES_LATER),
        ready(tmp_path, "cannot", "import a_package_that_nobody_has"),
    ]
    run = measured([ready(tmp_path, "sums", SUMS), *broken])
    assert run.interrupted == ""
    sums, dies, cannot = (run.systems[name] for name in ("sums", "dies", "cannot"))
    assert sums.failure == ""
    assert len(sums.seconds["shipped"]) == 3
    # One that is not counted, one alone, and the one that was then given the items.
    assert len(sums.starts) == 3
    assert figures(sums)["start"]["runs"] == 2
    assert "item 3 of 5" in dies.failure
    assert "ended with code 1; it has had enough" in dies.failure
    # What it did before that is kept: its first answer, two to warm up, then it was to count.
    assert dies.seconds["shipped"] == []
    assert "shipped" not in dies.process
    assert "starting: ended with code 1; ModuleNotFoundError" in cannot.failure
    assert cannot.starts == []
    assert figures(cannot) == {"threads": {}}
    assert figures(dies)["threads"] == {}
    assert figures(dies)["start"]["runs"] == 2


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    with SystemProcess(ready(tmp_path, "hangs", HANGS), patience=3.0) as process:
        pid = process._process.pid
        with pytest.raises(SystemFailedError, match="no answer within 3 s"):
            process.take(Item.text("text"))
    assert time.monotonic() - began >= 3.0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_reads_nothing_does_not_block_the_parent(tmp_path: Path) -> None:
    made = ready(tmp_path, "asleep", "import time\ntime.sleep(3600)")
    large = np.zeros((480, 640, 3), np.uint8)  # more than a pipe holds
    with SystemProcess(made, patience=2.0) as process, pytest.raises(SystemFailedError, match="no answer"):
        process.take(Item.frame(large, 0.0))


def test_what_was_measured_before_ctrl_c_is_kept(tmp_path: Path) -> None:
    steps = []

    def interrupt() -> None:
        steps.append(1)
        # Two starts, then two to warm up and one that counts.
        if len(steps) == 5:
            raise KeyboardInterrupt

    run = measured([ready(tmp_path, "sums", SUMS)], advance=interrupt)
    assert run.interrupted == "measuring, threads: shipped"
    assert len(run.systems["sums"].seconds["shipped"]) == 1
    told = figures(run.systems["sums"])
    assert told["start"]["runs"] == 2
    assert told["threads"]["shipped"]["items"] == 1
    assert told["threads"]["shipped"]["peak_mb"] is None


def test_without_starts_of_their_own_the_processes_that_are_measured_tell_theirs(tmp_path: Path) -> None:
    made = ready(tmp_path, "sums", SUMS)
    run = measure([made], texts(2), starts=0, rounds=1, warmup=1, threads=("shipped", "one"), patience=PATIENCE)
    told = figures(run.systems["sums"])
    assert told["start"]["runs"] == 1
    assert told["threads"].keys() == {"shipped", "one"}


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    absent = Ready(system("absent"), (str(tmp_path / "python"), "-c", "", ""))
    with pytest.raises(SystemFailedError, match=r"python cannot be started: No such file"):
        SystemProcess(absent)


def test_the_disk_is_that_of_a_package_and_all_that_it_asks_for() -> None:
    counted = child.disk_bytes(["opencv-python-headless"], [])
    alone = child.disk_bytes(["numpy"], [])
    assert {"numpy", "opencv-python-headless"} <= child.closure(["opencv-python-headless"]).keys()
    assert counted["disk_bytes"] > alone["disk_bytes"] > 1e6
    assert counted["versions"].keys() == {"opencv-python-headless"}
    # pytest is wanted by none of them but as an extra.
    assert "pytest" not in child.closure(["affect-edge"])


def test_a_checkout_counts_as_what_its_wheel_would_carry(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"0" * 500)
    (tmp_path / "a.py").write_bytes(b"0" * 300)
    assert child.folder_bytes(tmp_path) == 300
