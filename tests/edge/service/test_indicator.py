from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import edge.service.indicator as module
from edge.config_service import IndicatorConfig
from edge.service.indicator import Indicator
from tests.edge.service.gpio_bed import FakeGpiod


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def script(folder: Path, body: str) -> list[str]:
    """A command that notes what it was told, then does as `body` says."""
    tool = folder / "indicate"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {folder}/told\n{body}\n')
    tool.chmod(0o755)
    return [str(tool), "--colour", "red"]


def told(folder: Path) -> list[str]:
    file = folder / "told"
    return [line.removeprefix("--colour red ") for line in file.read_text().splitlines()] if file.exists() else []


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(groups: list[str]) -> list[str]:
    """Processes of these groups that are no mere entries in the table."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, *_ = stat.read_text().rpartition(")")[2].split()
            if group in groups and state != "Z":
                found.append(stat.parent.name)
    return found


def settled(indicator: Indicator, sensing: bool) -> bool:
    """What it says in the end: at first, what it was told is still done."""
    indicator.show(sensing)
    until(lambda: not any(part.is_busy for part in indicator._parts))
    return indicator.show(sensing)


def test_without_one_sensing_may_begin() -> None:
    indicator = Indicator(IndicatorConfig())
    assert indicator.show(False)
    assert indicator.show(True)
    assert indicator.problem is None
    indicator.close()


def test_a_lamp_is_lit_at_once_and_dark_at_the_end(gpiod: FakeGpiod) -> None:
    line = gpiod.named("GPIO27")
    indicator = Indicator(IndicatorConfig(led="GPIO27", required=True))
    states = [(line.user, line.level)]
    for sensing in (True, False, True):
        assert indicator.show(sensing)
        states.append((line.user, line.level))
    indicator.close()
    states.append((line.user, line.level))
    mine = "affect-edge"
    assert states == [(None, False), (mine, True), (mine, False), (mine, True), (None, False)]


def test_the_line_is_touched_only_when_something_changes(gpiod: FakeGpiod) -> None:
    indicator = Indicator(IndicatorConfig(led="GPIO27"))
    indicator.show(True)
    gpiod.named("GPIO27").level = False
    for _ in range(100):
        indicator.show(True)
    assert not gpiod.named("GPIO27").level


@pytest.mark.parametrize("required", [False, True])
def test_a_lamp_that_is_not_there_is_told_once_and_tried_again(
    gpiod: FakeGpiod, caplog: pytest.LogCaptureFixture, *, required: bool
) -> None:
    gpiod.named("GPIO27").user = "somebody"
    clock = Clock()
    indicator = Indicator(IndicatorConfig(led="GPIO27", required=required), clock=clock)
    for _ in range(100):
        assert indicator.show(True) is not required
        clock.now += 0.5
    (message,) = [record.getMessage() for record in caplog.records]
    assert "GPIO line GPIO27: another program or driver uses it" in message
    assert ("nothing is sensed" in message) is required
    gpiod.named("GPIO27").user = None
    clock.now += 10
    assert indicator.show(True)
    assert gpiod.named("GPIO27").level
    assert caplog.records[-1].getMessage() == "the indicator can be shown again"


def test_a_command_has_ended_before_sensing_may_begin(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    indicator = Indicator(IndicatorConfig(command=script(tmp_path, f"read _ < {gate}")))
    assert not indicator.show(True)
    until(lambda: told(tmp_path) == ["on"])
    assert not indicator.show(True)
    gate.write_text("go\n")
    until(lambda: indicator.show(True))
    assert indicator.problem is None
    assert told(tmp_path) == ["on"]


def test_a_command_is_run_only_when_something_changes_and_one_after_the_other(tmp_path: Path) -> None:
    indicator = Indicator(IndicatorConfig(command=script(tmp_path, "sleep 0.1")))
    for sensing in (False, True, True, False):
        for _ in range(5):
            assert settled(indicator, sensing)
    assert told(tmp_path) == ["off", "on", "off"]
    # What is asked while it is at work is done after it; what was asked last holds.
    for sensing in (True, False, True, False):
        indicator.show(sensing)
    indicator.close()
    until(lambda: not any(part.is_busy for part in indicator._parts))
    assert told(tmp_path)[3] in ("on", "off")
    assert told(tmp_path)[-1] == "off"


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("exit 3", "indicate on' ended with exit code 3"),
        ("kill -9 $$", "indicate on' ended with exit code -9"),
        ("sleep 600 & sleep 600", "indicate on' took longer than 1 s and was killed"),
        ("trap '' TERM; while :; do sleep 0.05; done", "was killed"),
    ],
)
def test_a_command_that_fails_or_hangs_never_holds_anything_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    body: str,
    problem: str,
    *,
    required: bool,
) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 1.0 if "killed" in problem else 60.0)
    clock = Clock()
    command = script(tmp_path, f"echo $$ >> {tmp_path}/pids\n{body}")
    indicator = Indicator(IndicatorConfig(command=command, required=required), clock=clock)
    assert settled(indicator, True) is not required
    assert indicator.problem is not None
    assert problem in indicator.problem
    assert told(tmp_path) == ["on"]
    # Tried again, told once.
    clock.now += 10
    assert settled(indicator, True) is not required
    assert told(tmp_path) == ["on", "on"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    script(tmp_path, "")
    monkeypatch.setattr(module, "COMMAND_SECONDS", 60.0)
    clock.now += 10
    assert settled(indicator, True)
    assert caplog.records[-1].getMessage() == "the indicator can be shown again"
    # Whatever it has started is gone with it.
    groups = (tmp_path / "pids").read_text().split()
    until(lambda: not alive(groups))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["/nowhere/indicate"], "'/nowhere/indicate' cannot be run: No such file or directory"),
        (["/dev/null"], "'/dev/null' cannot be run: Permission denied"),
        (["a\0b"], "cannot be run: embedded null byte"),
        ([""], "'' cannot be run"),
    ],
)
def test_a_command_that_cannot_be_run_is_told(words: list[str], problem: str) -> None:
    indicator = Indicator(IndicatorConfig(command=words))
    assert settled(indicator, True)
    assert indicator.problem is not None
    assert problem in indicator.problem


def test_both_have_to_be_shown(gpiod: FakeGpiod, tmp_path: Path) -> None:
    indicator = Indicator(IndicatorConfig(led="GPIO27", command=script(tmp_path, "exit 1"), required=True))
    assert not settled(indicator, True)
    assert gpiod.named("GPIO27").level
    indicator = Indicator(IndicatorConfig(led="GPIO99", command=["false"]))
    settled(indicator, True)
    assert indicator.problem is not None
    assert "GPIO99" in indicator.problem
    assert "'false on' ended with exit code 1" in indicator.problem


def test_closing_puts_an_end_to_a_command_that_hangs_and_tells_it_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(module, "COMMAND_SECONDS", 600.0)
    indicator = Indicator(IndicatorConfig(command=script(tmp_path, 'test "$3" = off || sleep 600')))
    indicator.show(True)
    until(lambda: told(tmp_path) == ["on"])
    indicator.close()
    until(lambda: told(tmp_path) == ["on", "off"])
    until(lambda: not any(part.is_busy for part in indicator._parts))


def test_closing_does_not_wait_for_an_end_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "COMMAND_SECONDS", 3.0)
    indicator = Indicator(IndicatorConfig(command=script(tmp_path, "sleep 600")))
    indicator.close()
    assert any(part.is_busy for part in indicator._parts)
    until(lambda: not any(part.is_busy for part in indicator._parts))
    assert told(tmp_path) == ["off"]
