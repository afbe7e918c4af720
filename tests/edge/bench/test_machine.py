from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bench.machine import machine, versions
from edge.bench.memory import memory_mb
from tests.edge.bench.boards import put, raspberry_pi


def test_tells_the_board_and_nothing_of_its_owner(tmp_path: Path) -> None:
    found = machine(raspberry_pi(tmp_path))
    assert (found.board, found.cpu) == ("Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72")
    assert (found.os, found.memory_mb) == ("Debian GNU/Linux 12 (bookworm)", 3977)
    told = found.model_dump_json()
    assert "abcdef01" not in told
    assert os.uname().nodename not in told


def test_an_unknown_board_is_fine(tmp_path: Path) -> None:
    found = machine(tmp_path)
    assert (found.board, found.cpu, found.os, found.memory_mb, found.emulator) == (None, None, None, None, None)
    assert found.cores >= 1


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model name\t: Some CPU @ 2 GHz\nflags\t: fpu\n", "Some CPU @ 2 GHz"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n", "Cortex-A76"),
        ("CPU implementer\t: 0x61\nCPU part\t: 0x022\n", "Arm part 0x022 of implementer 0x61"),
        ("nothing that is known\n", None),
    ],
)
def test_names_the_processor(tmp_path: Path, cpuinfo: str, name: str | None) -> None:
    assert machine(put(tmp_path, {"proc/cpuinfo": cpuinfo})).cpu == name


def test_an_emulator_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "proc/self/task/7"
    folder.mkdir(parents=True)
    (folder / "exe").symlink_to("/usr/bin/qemu-aarch64-static")
    assert machine(tmp_path).emulator == "qemu-aarch64-static"


@pytest.mark.parametrize("status", ["", "VmRSS:\n", "VmRSS:\tmuch kB\n", "Name:\tpython\n"])
def test_memory_that_proc_does_not_tell_is_none(tmp_path: Path, status: str) -> None:
    assert memory_mb("VmRSS", root=put(tmp_path, {"proc/self/status": status})) is None
    assert memory_mb("VmRSS", process=123, root=tmp_path) is None


def test_memory_is_that_of_the_process(tmp_path: Path) -> None:
    root = put(tmp_path, {"proc/self/status": "Name:\tpython\nVmHWM:\t  97656 kB\nVmRSS:\t 1000 kB\n"})
    assert memory_mb("VmHWM", root=root) == 100.0


def test_the_runtime_that_computes_comes_first() -> None:
    assert next(iter(versions().runtimes)) == "litert"
