"""Emulated Arm processors: the folder that they run from, and the shipped models' bits. No test looks at a time."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import aarch64, aarch64_root
from benchmarks.fetching import UnavailableError
from benchmarks.interpreter_process import InterpreterProcess, Place
from benchmarks.model_inputs import Folders
from edge.errors import ModelError
from edge.inference.catalog import InstalledModel, list_models
from tests.benchmarks.conftest import Benchmark
from tests.edge.text_helpers import install_trait_model

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def root() -> Path:
    """The folder that the command builds and keeps; skips where it can be neither found nor built."""
    try:
        aarch64_root.build()
    except UnavailableError as error:
        pytest.skip(str(error))
    return aarch64_root.DEFAULT


def test_all_models_give_the_same_bits_on_arm(root: Path, benchmark: Benchmark) -> None:
    # The far face detector is the near one's network on more pixels, which takes as long as all others.
    names = [model.name for model in list_models() if model.name != "face_far"]
    done = benchmark("aarch64", "--json", "--quick", "--root", str(root), "--model", *names)
    assert done.returncode == 0, done.stderr or done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    assert [place["machine"] for place in found["places"][1:]] == ["aarch64", "aarch64"]
    assert len({place["runtime"] for place in found["places"]}) == 1
    assert [model["name"] for model in found["models"]] == names
    for model in found["models"]:
        assert model["differing_rows"] == {"cortex-a72": 0, "cortex-a76": 0}
        assert model["rows"] == model["different_answers"] == 2
    assert "Raspberry Pi 5" in aarch64.table(found)


def fake_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[InstalledModel]:
    """The interpreter of this machine in a board's stead, and a model."""
    monkeypatch.setattr(aarch64_root, "board", lambda root, cpu: Place(cpu, "litert", (sys.executable,)))
    monkeypatch.setattr(aarch64_root, "qemu_version", lambda: "0")
    return [InstalledModel("traits", "traits", install_trait_model(tmp_path))]


def test_a_bit_that_differs_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = fake_board(monkeypatch, tmp_path)
    monkeypatch.setattr(InterpreterProcess, "kernels", "XNNPACK")
    right = InterpreterProcess.run

    def wrong(process: InterpreterProcess, rows: Any) -> Any:
        answers = right(process, rows)
        if process.place.name == "cortex-a76":
            answers[1, 2] ^= 1
        return answers

    monkeypatch.setattr(InterpreterProcess, "run", wrong)
    found = aarch64.measure(tmp_path, ["cortex-a72", "cortex-a76"], models, Folders(), rows=4, progress=False)
    assert found["models"][0]["differing_rows"] == {"cortex-a72": 0, "cortex-a76": 1}
    assert found["models"][0]["rows"] == 4


def test_other_kernels_are_no_comparison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = fake_board(monkeypatch, tmp_path)
    monkeypatch.setattr(InterpreterProcess, "kernels", "builtin")
    with pytest.raises(ModelError, match="here: XNNPACK did not take the models over"):
        aarch64.measure(tmp_path, ["cortex-a72"], models, Folders(), rows=1, progress=False)


def test_the_board_is_described_to_xnnpack(tmp_path: Path) -> None:
    place = aarch64_root.board(tmp_path, "cortex-a76")
    described = (tmp_path / "proc" / "cpuinfo").read_text()
    assert described == aarch64_root.cpuinfo("cortex-a76")
    assert described.count("processor\t: ") == 4 and "asimddp" in described and "0xd0b" in described
    assert "asimddp" not in aarch64_root.cpuinfo("cortex-a72")
    assert place.python[:3] == ("qemu-aarch64-static", "-cpu", "cortex-a76")
    assert place.environment["QEMU_LD_PREFIX"] == str(tmp_path)


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError) as caught:
        aarch64_root.build(tmp_path / "root")
    for part in ("apt install qemu-user-static", "apt install mmdebstrap", "needs root"):
        assert part in str(caught.value)
    assert not (tmp_path / "root").exists()


def test_a_folder_is_built_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def call(command: list[str], purpose: str) -> None:
        calls.append(command)
        if "mmdebstrap" in command:
            (Path(command[-1]) / "opt").mkdir(parents=True)
        elif fails:
            raise UnavailableError(f"{purpose}: no network")

    monkeypatch.setattr(aarch64_root, "missing_tools", lambda root: [])
    monkeypatch.setattr(aarch64_root, "call", call)
    root = tmp_path / "root"
    fails = True
    with pytest.raises(UnavailableError, match="no network"):
        aarch64_root.build(root)
    assert list(tmp_path.iterdir()) == []
    fails = False
    aarch64_root.build(root)
    assert list(tmp_path.iterdir()) == [root]
    done = len(calls)
    aarch64_root.build(root)
    assert len(calls) == done, "built twice"
    # Another LiteRT here: the comparison wants the same one there.
    monkeypatch.setattr(aarch64_root, "version", lambda package: "99.0")
    aarch64_root.build(root)
    assert "ai-edge-litert==99.0" in calls[-1] and len(calls) == done + 2
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").touch()
    with pytest.raises(UnavailableError, match="holds something else; remove it, or name another folder with --root"):
        aarch64_root.build(mine)
    assert (mine / "letter.txt").exists()


def test_different_answers_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = fake_board(monkeypatch, tmp_path)
    monkeypatch.setattr(InterpreterProcess, "kernels", "XNNPACK")
    monkeypatch.setattr(InterpreterProcess, "run", lambda process, rows: np.zeros((len(rows), 5), np.int8))
    found = aarch64.measure(tmp_path, ["cortex-a72"], models, Folders(), rows=3, progress=False)
    assert found["models"][0]["different_answers"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--model", "unheard-of"), 1, "no model or task 'unheard-of'; installed are: "),
        (("--cpu", "max"), 2, "invalid choice: 'max'"),
        (("--rows", "0"), 2, "0 is not 1 or more"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark("aarch64", *arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
