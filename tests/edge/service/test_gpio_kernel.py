"""The GPIO lines of a real kernel, through the real libgpiod: on the kernel's simulator, gpio-sim.

Needs root, Linux 5.17 or newer with gpio-sim (a module that not every distribution ships), and the extra `gpio`.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.config_service import IndicatorConfig, PauseConfig
from edge.service.gpio import Button, GpioError, Led, LineSpec
from edge.service.indicator import Indicator
from edge.service.pause import Pause

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
LINES = {2: "GPIO17", 5: "GPIO27", 6: "TAKEN"}


def _has_simulator() -> bool:
    if os.geteuid() != 0:
        return False
    for command in (["modprobe", "gpio-sim"], ["mount", "-t", "configfs", "none", str(CONFIGFS.parent)]):
        if not CONFIGFS.exists():
            with suppress(OSError):
                subprocess.run(command, check=False, capture_output=True)
    return CONFIGFS.exists()


pytestmark = pytest.mark.skipif(not _has_simulator(), reason="needs root and a kernel with gpio-sim")
pytest.importorskip("gpiod", reason="needs the extra gpio")


class Chip:
    """A chip of the simulator; its lines are pressed and looked at from the other side."""

    def __init__(self, name: str, lines: dict[int, str], *, hog: int | None = None) -> None:
        self._device = CONFIGFS / name
        self._made = [self._device, self._device / "bank0"]
        for folder in self._made:
            folder.mkdir()
        (self._made[-1] / "num_lines").write_text("8")
        (self._made[-1] / "label").write_text(f"{name}-label")
        for number, line in lines.items():
            folder = self._device / "bank0" / f"line{number}"
            folder.mkdir()
            self._made.append(folder)
            (folder / "name").write_text(line)
            if number == hog:
                (folder / "hog").mkdir()
                self._made.append(folder / "hog")
                (folder / "hog" / "name").write_text("somebody")
        (self._device / "live").write_text("1")
        self.chip = (self._device / "bank0" / "chip_name").read_text().strip()
        self._lines = Path("/sys/devices/platform") / (self._device / "dev_name").read_text().strip() / self.chip
        self._numbers = {line: number for number, line in lines.items()}

    def level(self, line: str) -> int:
        return int((self._lines / f"sim_gpio{self._numbers[line]}" / "value").read_text())

    def pull(self, line: str, *, up: bool) -> None:
        (self._lines / f"sim_gpio{self._numbers[line]}" / "pull").write_text("pull-up" if up else "pull-down")

    def press(self, line: str, *, active_low: bool = True, seconds: float = 0.1) -> None:
        self.pull(line, up=not active_low)
        time.sleep(seconds)
        self.pull(line, up=active_low)

    def remove(self) -> None:
        (self._device / "live").write_text("0")
        for folder in reversed(self._made):
            folder.rmdir()


@pytest.fixture
def chip() -> Iterator[Chip]:
    chip = Chip("affect-edge", LINES, hog=6)
    yield chip
    chip.remove()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("spec", [LineSpec("GPIO27"), LineSpec("5", "affect-edge-label"), LineSpec("GPIO27", "CHIP")])
@pytest.mark.parametrize("active_low", [False, True])
def test_a_lamp(chip: Chip, spec: LineSpec, *, active_low: bool) -> None:
    led = Led(LineSpec(spec.line, chip.chip) if spec.chip == "CHIP" else spec, active_low=active_low)
    levels = [chip.level("GPIO27")]
    for lit in (True, False, True, False):
        led.set(lit)
        levels.append(chip.level("GPIO27"))
    led.close()
    assert levels == [level ^ active_low for level in (0, 1, 0, 1, 0)]
    Led(LineSpec("GPIO27")).close()


@pytest.mark.parametrize("active_low", [False, True])
def test_a_button_is_heard_of_without_a_thread(chip: Chip, *, active_low: bool) -> None:
    button = Button(LineSpec("GPIO17"), active_low=active_low)
    assert button.presses() == 0
    for _ in range(2):
        chip.press("GPIO17", active_low=active_low)
        # The kernel keeps it, for whoever looks twice a second.
        time.sleep(1.2)
        assert button.presses() == 1
        assert button.presses() == 0
    chip.press("GPIO17", active_low=active_low, seconds=0.002)  # a spark, not a finger
    time.sleep(0.2)
    assert button.presses() == 0
    time.sleep(1)
    for _ in range(5):
        chip.press("GPIO17", active_low=active_low, seconds=0.003)  # contacts that bounce
        time.sleep(0.003)
    chip.press("GPIO17", active_low=active_low, seconds=0.2)
    time.sleep(0.2)
    assert button.presses() == 1
    button.close()


def test_what_cannot_be_had(chip: Chip) -> None:
    led = Led(LineSpec("GPIO27"))
    other = Chip("affect-edge-2", {0: "GPIO27", 1: "TAKEN-TOO"})
    try:
        for spec, told in (
            (LineSpec("TAKEN"), "another program or driver uses it"),
            (LineSpec("GPIO27"), "several chips have one of that name"),
            (LineSpec("GPIO27", chip.chip), "another program or driver uses it"),
            (LineSpec("GPIO99"), "there is no line of that name or number"),
            (LineSpec("8", chip.chip), "there is no line of that name or number"),
            (LineSpec("1", "gpiochip77"), "there is no GPIO chip 'gpiochip77'"),
        ):
            with pytest.raises(GpioError, match=told):
                Button(spec)
    finally:
        other.remove()
        led.close()


def test_the_button_pauses_and_the_lamp_shows_it(chip: Chip, tmp_path: Path) -> None:
    pause = Pause(PauseConfig(button="GPIO17"), folder=tmp_path)
    lamp = Indicator(IndicatorConfig(led="GPIO27", required=True))

    def tick() -> tuple[str | None, int]:
        reason = pause.wanted(time.monotonic())
        lamp.show(reason is None)
        return reason, chip.level("GPIO27")

    assert tick() == (None, 1)
    chip.press("GPIO17")
    until(lambda: tick() == ("paused by button", 0))
    assert (tmp_path / "pause").exists()
    time.sleep(1)
    chip.press("GPIO17")
    until(lambda: tick() == (None, 1))
    lamp.close()
    pause.close()
    assert chip.level("GPIO27") == 0


def test_a_chip_that_is_unplugged_is_a_pause(chip: Chip, tmp_path: Path) -> None:
    unplugged = Chip("affect-edge-2", {0: "USB1"})
    pause = Pause(PauseConfig(button="USB1"), folder=tmp_path)
    assert pause.wanted(0.0) is None
    unplugged.remove()
    reason = pause.wanted(1.0)
    assert reason is None or "cannot be read" in reason
    until(lambda: "cannot be read" in (pause.wanted(time.monotonic()) or ""))
    again = Chip("affect-edge-2", {0: "USB1"})
    assert pause.wanted(time.monotonic() + 100) is None
    pause.close()
    again.remove()
