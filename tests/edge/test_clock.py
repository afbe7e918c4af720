from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.clock import is_synchronised


def machine(root: Path, *, seccomp: str | None) -> Path:
    status = root / "proc/self/status"
    status.parent.mkdir(parents=True)
    lines = "Name:\tpython\nUid:\t0\t0\t0\t0\n"
    status.write_text(lines if seccomp is None else f"{lines}Seccomp:\t{seccomp}\nSeccomp_filters:\t0\n")
    return root


def kernel(monkeypatch: pytest.MonkeyPatch, answer: int) -> list[bytes]:
    """What adjtimex says; the list gets what it was given."""
    given: list[bytes] = []

    def adjtimex(buffer: Any) -> int:
        given.append(buffer.raw)
        return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(adjtimex=adjtimex))
    return given


@pytest.mark.parametrize(("answer", "expected"), [(0, True), (1, True), (5, False), (-1, None)])
def test_the_kernel_is_asked_and_nothing_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int, expected: bool | None
) -> None:
    given = kernel(monkeypatch, answer)
    assert is_synchronised(machine(tmp_path, seccomp="0")) is expected
    assert len(given) == 1
    assert not any(given[0])


@pytest.mark.parametrize("seccomp", ["1", "2", None])
def test_no_system_call_that_a_filter_may_kill_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seccomp: str | None
) -> None:
    given = kernel(monkeypatch, 0)
    assert is_synchronised(machine(tmp_path, seccomp=seccomp)) is None
    assert is_synchronised(tmp_path / "without-proc") is None
    assert given == []


def test_what_timesyncd_leaves_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = kernel(monkeypatch, 5)
    mark = machine(tmp_path, seccomp="2") / "run/systemd/timesync/synchronized"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert is_synchronised(tmp_path) is True
    assert given == []


def test_this_machine_answers() -> None:
    assert is_synchronised() in (True, False, None)
