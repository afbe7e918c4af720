"""The unit and its drop-ins, as systemd's own tools see them; the rules and the configuration that come along."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config import Config, parse_config
from tests.firmware_config.bed import FIRMWARE, ROOT

UNIT = FIRMWARE / "systemd" / "affect-edge.service"
DROP_INS = sorted((FIRMWARE / "systemd").glob("*.conf"))

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def unit_folder(folder: Path, *drop_ins: Path) -> Path:
    """The unit beside its drop-ins; with a command that is there, for `verify` looks whether it can be executed."""
    text = UNIT.read_text(encoding="utf-8")
    unit = folder / UNIT.name
    unit.write_text(text.replace("/opt/affect-edge/current/bin/affect-edge", "/bin/true"), encoding="utf-8")
    (folder / f"{UNIT.name}.d").mkdir()
    for drop_in in drop_ins:
        shutil.copy(drop_in, folder / f"{UNIT.name}.d")
    return unit


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("drop_ins", [[], *([one] for one in DROP_INS), DROP_INS], ids=lambda some: str(len(some)))
def test_systemd_has_nothing_to_say(drop_ins: list[Path], tmp_path: Path) -> None:
    """`verify` passes over unknown keys with exit code 0: its stderr has to be empty."""
    done = analyze("verify", "--man=no", str(unit_folder(tmp_path, *drop_ins)))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_verify_would_tell_a_typing_error(tmp_path: Path) -> None:
    unit = unit_folder(tmp_path)
    unit.write_text(unit.read_text(encoding="utf-8").replace("WatchdogSec=", "WatchdogSecs="), encoding="utf-8")
    assert "WatchdogSecs" in analyze("verify", "--man=no", str(unit)).stderr


@needs_systemd
@pytest.mark.parametrize(
    ("drop_in", "tenths"), [(None, 10), ("gpio", 10), ("gpu", 20), ("jetson", 10), ("network", 20)]
)
def test_it_is_hardened_with_camera_and_microphone(drop_in: str | None, tenths: int, tmp_path: Path) -> None:
    """The scale of systemd goes from 0 to 10, in which it calls 0 to 2 'SAFE'."""
    drop_ins = [FIRMWARE / "systemd" / f"{drop_in}.conf"] if drop_in else []
    done = analyze("security", "--offline=true", f"--threshold={tenths}", str(unit_folder(tmp_path, *drop_ins)))
    assert done.returncode == 0, done.stdout
    assert "char-81:rw" in done.stdout
    assert "char-116:rw" in done.stdout


@needs_systemd
def test_the_threshold_is_one_that_can_be_missed(tmp_path: Path) -> None:
    unit = unit_folder(tmp_path)
    text = unit.read_text(encoding="utf-8").replace("PrivateNetwork=yes", "PrivateNetwork=no")
    unit.write_text(text.replace("SystemCallFilter=", "# "), encoding="utf-8")
    assert analyze("security", "--offline=true", "--threshold=10", str(unit)).returncode == 1


def test_the_file_that_comes_along_changes_no_default() -> None:
    """So that a later version's better defaults reach those who changed nothing."""
    file = FIRMWARE / "config.toml"
    assert parse_config(file.read_text(encoding="utf-8"), file) == Config()


def test_its_exit_codes_are_those_that_do_not_start_it_again() -> None:
    from edge.errors import ConfigError

    (line,) = re.findall(r"^RestartPreventExitStatus=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert str(ConfigError.exit_code) in line.split()


def test_the_command_of_the_unit_is_one_that_there_is() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (command,) = re.findall(
        r"^ExecStart=\S+/affect-edge (\S+) --config", UNIT.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert re.search(rf"^{command} = ", setup["options.entry_points"]["affect_edge.commands"], re.MULTILINE)


@pytest.mark.parametrize("name", ["network", "gpu", "jetson", "gpio", "card"])
def test_what_the_installer_knows_is_there(name: str) -> None:
    assert re.search(rf'^OPTIONS=".*\b{name}\b', (FIRMWARE / "common.sh").read_text(encoding="utf-8"), re.MULTILINE)
    file = FIRMWARE / ("journald/affect-edge.conf" if name == "card" else f"systemd/{name}.conf")
    assert "[Service]" in file.read_text(encoding="utf-8") or name == "card"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    # What is sourced is looked at with what sources it.
    scripts = ["install.sh", "uninstall.sh", "build_deb.sh"]
    done = subprocess.run(
        ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts],
        cwd=FIRMWARE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
