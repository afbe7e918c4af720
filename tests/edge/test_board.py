from __future__ import annotations

from pathlib import Path

import pytest

from edge.board import Temperature, board_model, decode_throttling, temperatures, throttling


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Raspberry Pi 4 Model B Rev 1.4\0", "Raspberry Pi 4 Model B Rev 1.4"),
        (b"NVIDIA Jetson Orin Nano Developer Kit\0", "NVIDIA Jetson Orin Nano Developer Kit"),
        (b"\0", None),
    ],
)
def test_reads_the_board_s_name(tmp_path: Path, content: bytes, name: str | None) -> None:
    write(tmp_path / "proc/device-tree/model", content)
    assert board_model(tmp_path) == name


def test_a_pc_has_no_board_name_no_zones_and_no_bits(tmp_path: Path) -> None:
    assert board_model(tmp_path) is None
    assert temperatures(tmp_path) == []
    assert throttling(tmp_path, vcgencmd=str(tmp_path / "vcgencmd")) is None


def test_reads_the_zones_that_answer(tmp_path: Path) -> None:
    zones = tmp_path / "sys/class/thermal"
    for number, (name, temp) in enumerate(
        [(b"cpu-thermal\n", b"48312\n"), (b"gpu-thermal\n", b""), (b"x\n", b"-5000\n")]
    ):
        write(zones / f"thermal_zone{number}/type", name)
        write(zones / f"thermal_zone{number}/temp", temp)
    write(zones / "thermal_zone10/type", b"tj-thermal\n")
    write(zones / "thermal_zone10/temp", b"50000\n")
    write(zones / "thermal_zone3/type", b"switched-off\n")
    write(zones / "cooling_device0/type", b"pwm-fan\n")
    assert temperatures(tmp_path) == [
        Temperature("cpu-thermal", 48.312),
        Temperature("x", -5.0),
        Temperature("tj-thermal", 50.0),
    ]


@pytest.mark.parametrize(
    ("bits", "now", "occurred"),
    [
        (0x0, (), ()),
        (0x50005, ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        (0x50000, (), ("under-voltage", "throttled")),
        (0x20002, ("frequency capped",), ("frequency capped",)),
        (0x80008, ("soft temperature limit",), ("soft temperature limit",)),
    ],
)
def test_decodes_the_throttling_bits(bits: int, now: tuple[str, ...], occurred: tuple[str, ...]) -> None:
    assert decode_throttling(bits).now == now
    assert decode_throttling(bits).occurred == occurred


def vcgencmd(folder: Path, script: str) -> str:
    tool = write(folder / "vcgencmd", f"#!/bin/sh\n{script}\n".encode())
    tool.chmod(0o755)
    return str(tool)


def test_reads_the_kernel_s_file_before_it_asks_the_firmware(tmp_path: Path) -> None:
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", b"50005\n")
    tool = vcgencmd(tmp_path, "echo throttled=0x0")
    assert throttling(tmp_path, vcgencmd=tool) == decode_throttling(0x50005)


@pytest.mark.parametrize(
    ("script", "bits"),
    [
        ('test "$1" = get_throttled && echo throttled=0xe0008', 0xE0008),
        ("echo 'VCHI initialization failed'; exit 1", None),
        ("echo error=2", None),
    ],
)
def test_asks_the_firmware_s_tool(tmp_path: Path, script: str, bits: int | None) -> None:
    expected = None if bits is None else decode_throttling(bits)
    found = throttling(tmp_path, vcgencmd=vcgencmd(tmp_path, script))
    assert found == expected
