"""The GPIO lines, at the boundary of the module `gpiod`; on a real kernel's lines: test_gpio_kernel.py."""

from __future__ import annotations

import errno
import sys
from types import SimpleNamespace

import pytest

from edge.errors import MissingDependencyError
from edge.service.gpio import Button, GpioError, Led, LineSpec, parse_line
from tests.edge.service.gpio_bed import FakeGpiod


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("GPIO17", LineSpec("GPIO17")),
        (" PQ.05 ", LineSpec("PQ.05")),
        ("gpiochip0:17", LineSpec("17", "gpiochip0")),
        ("0:17", LineSpec("17", "0")),
        ("/dev/gpiochip4:GPIO17", LineSpec("GPIO17", "/dev/gpiochip4")),
        ("pinctrl-rp1:17", LineSpec("17", "pinctrl-rp1")),
    ],
)
def test_reads_the_names_of_lines(text: str, spec: LineSpec) -> None:
    assert parse_line(text) == spec
    assert parse_line(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("17", "write the line's name, such as 'GPIO17', or its chip too, such as 'gpiochip0:17'"),
        ("", "'' is not a GPIO line"),
        ("GPIO 17", "is not a GPIO line"),
        ("a:b:c", "is not a GPIO line"),
        ("gpiochip0:", "is not a GPIO line"),
        (":17", "is not a GPIO line"),
    ],
)
def test_says_what_names_no_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"GPIO|number") as raised:
        parse_line(text)
    assert told in str(raised.value)


@pytest.mark.parametrize("name", ["GPIO17", "gpiochip0:GPIO17", "gpiochip0:1", "0:1", "label-0:GPIO17"])
@pytest.mark.parametrize("active_low", [False, True])
def test_a_lamp_is_dark_until_it_is_lit(gpiod: FakeGpiod, name: str, *, active_low: bool) -> None:
    line = gpiod.named("GPIO17")
    led = Led(parse_line(name), active_low=active_low)
    levels = [line.level]
    for lit in (True, True, False):
        led.set(lit)
        levels.append(line.level)
    assert levels == [active_low, not active_low, not active_low, active_low]
    assert line.user == "affect-edge"
    led.close()
    assert line.user is None


def test_the_whole_path_of_a_chip_names_it(gpiod: FakeGpiod) -> None:
    path = next(path for path in gpiod.chips if path.endswith("4"))
    Led(LineSpec("BOTH", path)).set(True)
    assert gpiod.chips[path][1].level
    # A second name of the same chip is the same chip, and makes no line ambiguous.
    Led(LineSpec("PWR_LED")).close()
    Led(LineSpec("PWR_LED", "gpiochip10")).close()


def test_counts_presses_since_the_last_look(gpiod: FakeGpiod) -> None:
    button = Button(LineSpec("GPIO17"))
    settings = gpiod.named("GPIO17").settings
    assert (settings.direction, settings.bias, settings.edge_detection) == ("input", "pull-up", "rising")
    assert settings.active_low
    assert settings.debounce_period.total_seconds() > 0
    assert button.presses() == 0
    gpiod.press("GPIO17")
    assert button.presses() == 1
    assert button.presses() == 0
    gpiod.press("GPIO17")
    gpiod.press("GPIO17", after=0.3)  # somebody was in doubt whether it was taken
    gpiod.press("GPIO17")
    assert button.presses() == 2
    gpiod.press("GPIO17", after=0.3)
    assert button.presses() == 0


def test_a_button_to_the_supply_is_pulled_down(gpiod: FakeGpiod) -> None:
    Button(LineSpec("GPIO17"), active_low=False)
    settings = gpiod.named("GPIO17").settings
    assert (settings.bias, settings.active_low) == ("pull-down", False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GPIO99", "GPIO line GPIO99: there is no line of that name or number (`gpioinfo` lists all)"),
        ("gpiochip0:99", "there is no line of that name or number"),
        ("gpiochip7:1", "there is no GPIO chip 'gpiochip7'"),
        ("BOTH", "several chips have one of that name; write gpiochip0:3 or gpiochip4:1"),
        ("ID_SDA", "another program or driver uses it"),
    ],
)
def test_says_why_a_line_cannot_be_had(gpiod: FakeGpiod, name: str, told: str) -> None:
    gpiod.named("ID_SDA").user = "i2c"
    for part in (Led, Button):
        with pytest.raises(GpioError) as raised:
            part(parse_line(name))
        assert told in str(raised.value)
        assert str(raised.value).startswith(f"GPIO line {name}: ")


def test_says_who_may(gpiod: FakeGpiod) -> None:
    led, button = Led(LineSpec("GPIO17")), Button(LineSpec("GPIO27"))
    gpiod.error = errno.EACCES
    with pytest.raises(GpioError, match="add it to the group gpio"):
        Led(LineSpec("GPIO17"))
    gpiod.error = errno.ENODEV
    with pytest.raises(GpioError, match=r"^GPIO line GPIO17: refused$"):
        led.set(True)
    with pytest.raises(GpioError, match=r"^GPIO line GPIO27: refused$"):
        button.presses()


def test_a_machine_without_gpio(gpiod: FakeGpiod) -> None:
    gpiod.chips.clear()
    with pytest.raises(GpioError, match="no GPIO chip is there"):
        Led(LineSpec("GPIO17"))


def test_says_which_package_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(MissingDependencyError, match=r"package 'gpiod': .*affect-edge\[gpio\]"):
        Led(LineSpec("GPIO17"))
    monkeypatch.setitem(sys.modules, "gpiod", SimpleNamespace(Chip=object))  # libgpiod 1
    with pytest.raises(MissingDependencyError, match="package 'gpiod>=2'"):
        Button(LineSpec("GPIO17"))
