from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge.bench.watch import Watch
from tests.edge.bench.boards import put, raspberry_pi

GOVERNOR = "sys/devices/system/cpu/cpufreq/policy0/scaling_governor"


class Growing:
    """A meter that takes two watts."""

    name = "two watts"
    rails: tuple[str, ...] = ()

    def joules(self, now: float) -> float:
        return 2 * now


class Broken(Growing):
    def joules(self, now: float) -> float:
        raise OSError(5, "Input/output error")


def test_a_governor_that_changes_midway_is_told(tmp_path: Path) -> None:
    watch = Watch(None, root=raspberry_pi(tmp_path))
    watch.look()
    watch.during = "camera"
    put(tmp_path, {GOVERNOR: "powersave\n"})
    watch.look()
    watch.look()
    (change,) = watch.changes
    assert (change.policy, change.before, change.after, change.during) == (
        "policy0",
        "ondemand",
        "powersave",
        "camera",
    )


def test_a_moment_is_what_the_board_says_then(tmp_path: Path) -> None:
    watch = Watch(None, root=raspberry_pi(tmp_path))
    moment = watch.moment()
    assert moment.governors == {"policy0": "ondemand"}
    assert moment.clocks_mhz == {"policy0": 1500.0}
    assert moment.celsius == 48.312
    assert moment.throttled == []
    put(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/temp": "82000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        },
    )
    assert watch.moment().throttled == ["under-voltage", "throttled"]
    assert watch.hottest == 82.0
    assert watch.throttled == {"under-voltage", "throttled"}


def test_no_sensor_says_nothing(tmp_path: Path) -> None:
    watch = Watch(None, root=tmp_path, vcgencmd=str(tmp_path / "vcgencmd"))
    with watch:
        moment = watch.moment()
    assert (moment.governors, moment.clocks_mhz, moment.celsius, moment.throttled) == ({}, {}, None, [])
    assert watch.clock_mhz() is None
    assert not watch.changes


def test_energy_is_told_between_two_moments(tmp_path: Path) -> None:
    with Watch(Growing(), root=tmp_path) as watch:  # type: ignore[arg-type]
        watch.look()
        begin = time.monotonic()
        time.sleep(0.01)
        watch.look()
        time.sleep(0.01)
        end = time.monotonic()
        watch.look()
    joules = watch.joules(begin, end)
    assert joules == pytest.approx(2 * (end - begin))
    assert watch.joules(begin - 1000, end) is None


def test_a_meter_that_breaks_is_told(tmp_path: Path) -> None:
    watch = Watch(Broken(), root=tmp_path)  # type: ignore[arg-type]
    watch.look()
    assert "Input/output error" in str(watch.energy_error)
    assert watch.joules(0.0, 1.0) is None
