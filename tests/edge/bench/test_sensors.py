from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge.bench.sensors import clocks, governors, why_no_policy, why_no_temperature, why_unreadable
from tests.edge.bench.boards import put, raspberry_pi

POLICIES = "sys/devices/system/cpu/cpufreq"


def test_reads_clocks_and_governors(tmp_path: Path) -> None:
    raspberry_pi(tmp_path)
    put(
        tmp_path,
        {f"{POLICIES}/policy4/scaling_governor": "performance\n", f"{POLICIES}/policy4/scaling_cur_freq": "<unknown>"},
    )
    assert governors(tmp_path) == {"policy0": "ondemand", "policy4": "performance"}
    assert clocks(tmp_path) == {"policy0": 1500.0}


def test_a_virtual_machine_has_neither_and_it_is_said(tmp_path: Path) -> None:
    assert not governors(tmp_path)
    assert not clocks(tmp_path)
    assert "has no policy" in why_no_policy("scaling_governor", tmp_path)
    assert "no thermal zone" in why_no_temperature(tmp_path)


def test_a_sensor_that_breaks_is_told_with_its_file(tmp_path: Path) -> None:
    (tmp_path / POLICIES / "policy0/scaling_cur_freq").mkdir(parents=True)
    assert clocks(tmp_path) == {}
    reason = why_no_policy("scaling_cur_freq", tmp_path)
    assert "policy0/scaling_cur_freq: cannot be read: Is a directory" in reason
    put(tmp_path, {"sys/class/thermal/thermal_zone0/temp": "warm\n"})
    assert "says 'warm', which is no reading" in why_no_temperature(tmp_path)


def test_no_permission_is_told_with_the_mend(unprivileged: Callable[[Callable[[], str]], str]) -> None:
    folder = Path(tempfile.mkdtemp())  # where another user may look
    try:
        folder.chmod(0o755)
        file = folder / "energy_uj"
        file.write_text("1\n")
        file.chmod(0)
        assert unprivileged(lambda: why_unreadable(file)) == (
            f"{file}: no permission to read it: run as root, or  sudo chmod a+r {file}"
        )
    finally:
        shutil.rmtree(folder)
