from __future__ import annotations

from pathlib import Path

import pytest

from edge.bench.energy import board_meter
from tests.edge.bench.boards import jetson, pc, put


def test_a_jetson_s_rail_of_everything_counts_alone(tmp_path: Path) -> None:
    meter, reasons = board_meter(jetson(tmp_path))
    assert meter is not None
    assert not reasons
    assert meter.rails == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]
    assert "VDD_IN" in meter.name
    assert meter.joules(10.0) == 0
    assert meter.joules(12.0) == pytest.approx(12.0)  # 6 W
    put(tmp_path, {"sys/class/hwmon/hwmon1/curr1_input": "2400\n"})
    assert meter.joules(14.0) == pytest.approx(12.0 + 2 * 9)  # from 6 to 12 W


def test_rails_without_one_of_everything_are_added_up(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon2/name": "ina226\n",
            "sys/class/hwmon/hwmon2/power1_input": "1500000\n",
            "sys/class/hwmon/hwmon3/name": "ina3221\n",
            "sys/class/hwmon/hwmon3/in1_label": "NC\n",
            "sys/class/hwmon/hwmon3/in1_input": "5000\n",
            "sys/class/hwmon/hwmon3/curr1_input": "5000\n",
            "sys/class/hwmon/hwmon3/in2_label": "CPU\n",
            "sys/class/hwmon/hwmon3/in2_input": "5000\n",
            "sys/class/hwmon/hwmon3/curr2_input": "100\n",
        },
    )
    meter, _ = board_meter(tmp_path)
    assert meter is not None
    assert meter.rails == ["hwmon2 1", "CPU"]
    meter.joules(0.0)
    assert meter.joules(1.0) == pytest.approx(2.0)


def test_the_driver_of_old_jetpacks(tmp_path: Path) -> None:
    device = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    put(tmp_path, {f"{device}/rail_name_0": "POM_5V_IN\n", f"{device}/in_power0_input": "2500\n"})
    meter, _ = board_meter(tmp_path)
    assert meter is not None
    meter.joules(0.0)
    assert meter.joules(2.0) == pytest.approx(5.0)


def test_a_pc_s_counter_runs_over(tmp_path: Path) -> None:
    meter, _ = board_meter(pc(tmp_path))
    assert meter is not None
    assert meter.rails == ["package-0"]
    pc(tmp_path, 1_800_000)
    assert meter.joules(1.0) == pytest.approx(0.8)
    pc(tmp_path, 300_000)
    assert meter.joules(2.0) == pytest.approx(1.3)


def test_nothing_is_told_as_nothing(tmp_path: Path) -> None:
    meter, reasons = board_meter(tmp_path)
    assert meter is None
    assert [what for what, _ in reasons] == ["energy: INA sensors", "energy: RAPL"]


def test_counters_that_may_not_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pc(tmp_path)
    read = Path.read_text

    def denied(path: Path, *arguments: str, **options: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", denied)
    meter, reasons = board_meter(root)
    assert meter is None
    (reason,) = [reason for what, reason in reasons if what == "energy: RAPL"]
    assert "energy_uj: no permission to read it: run as root, or  sudo chmod a+r" in reason


def test_a_sensor_that_says_no_number_is_told(tmp_path: Path) -> None:
    jetson(tmp_path)
    put(tmp_path, {"sys/class/hwmon/hwmon1/curr1_input": "much\n"})
    meter, reasons = board_meter(tmp_path)
    assert meter is None
    assert "much" in dict(reasons)["energy: INA sensors"]
