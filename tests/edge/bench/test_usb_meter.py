from __future__ import annotations

import os
import tty
from pathlib import Path

import pytest

from edge.bench.usb_meter import UsbMeter, watts_of


@pytest.mark.parametrize(
    ("line", "watts"),
    [
        ("5.12 V  0.61 A", 5.12 * 0.61),
        ("V: 5.12V, I: 610mA, P: 3.1W", 3.1),
        ("610 mA at 5000 mV", 3.05),
        ("3123mW", 3.123),
        ("5.0,0.5", 2.5),
        ("5.0;0.5\r", 2.5),
        ("5.0\t0.5", 2.5),
        ("3.25", 3.25),
        ("2 VA", None),
        ("hello", None),
        ("", None),
        ("1 2 3", None),
        ("12:30:05", None),
        ("5.1 V", None),
    ],
)
def test_reads_a_line(line: str, watts: float | None) -> None:
    found = watts_of(line)
    assert found is None if watts is None else found == pytest.approx(watts)


def test_reads_a_serial_port() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        meter = UsbMeter(f"{os.ttyname(slave)}:9600")
        with pytest.raises(ValueError, match="says nothing"):
            meter.joules(0.0)
        os.write(master, b"booting...\n5.0 V 0.4 A\n5.0 V 0.")
        assert meter.joules(1.0) == 0
        os.write(master, b"8 A\n")
        assert meter.joules(3.0) == pytest.approx(2 * 3)  # from 2 to 4 W
        assert meter.joules(4.0) == pytest.approx(6 + 4)  # nothing new: 4 W go on
        with pytest.raises(ValueError, match="says nothing"):
            meter.joules(60.0)
        meter.close()
    finally:
        os.close(master)
        os.close(slave)


def test_a_speed_that_no_port_has_is_told() -> None:
    master, slave = os.openpty()
    try:
        with pytest.raises(ValueError, match="12345 baud"):
            UsbMeter(f"{os.ttyname(slave)}:12345")
    finally:
        os.close(master)
        os.close(slave)


def test_a_file_will_do(tmp_path: Path) -> None:
    file = tmp_path / "meter.txt"
    file.write_text("2 W\n")
    meter = UsbMeter(str(file))
    meter.joules(0.0)
    with file.open("a") as stream:
        stream.write("2 W\n")
    assert meter.joules(5.0) == pytest.approx(10.0)
    meter.close()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        UsbMeter(str(tmp_path / "ttyUSB0"))
