"""The installer as somebody meets it who asks what it would do, or asks wrongly; test_nspawn.py has it install."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware_config.bed import FIRMWARE

PLACES = ("/opt/affect-edge", "/etc/affect-edge", "/etc/systemd/system", "/etc/udev/rules.d", "/usr/local/bin")


def call(script: str, *arguments: str, user: int | None = None, path: str | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", str(FIRMWARE / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        env={**os.environ, "PATH": path or os.environ["PATH"]},
    )
    return done.returncode, done.stdout, done.stderr


def present() -> dict[str, list[Path]]:
    return {place: sorted(Path(place).glob("*")) for place in PLACES}


def test_a_dry_run_tells_each_step_and_changes_nothing(tmp_path: Path) -> None:
    before = present()
    wheel = tmp_path / "affect_edge-7.8.9-py3-none-any.whl"
    wheel.touch()
    code, said, errors = call("install.sh", "--dry-run", "--no-apt", "--from", str(tmp_path), "--with", "gpio")
    assert (code, errors) == (0, "")
    # Where Debian's Python has what is better taken from there.
    plain = said.replace(" --ignore-installed", "").replace(" --system-site-packages", "")
    for part in (
        "-m venv /opt/affect-edge/7.8.9-1",
        f"pip install --quiet {wheel}",
        "run --source demo",
        "/etc/systemd/system/affect-edge.service",
        "/etc/udev/rules.d/70-affect-edge.rules",
        "affect-edge.service.d/gpio.conf",
        "mv -fT /opt/affect-edge/.current.new /opt/affect-edge/current",
        "systemctl start --no-block affect-edge",
        "nothing was changed",
    ):
        assert part in plain, part
    assert said.index("models verify") < said.index("current.new") < said.index("systemctl start")
    assert present() == before


def test_a_dry_run_of_a_checkout_builds_nothing() -> None:
    before = sorted(FIRMWARE.parent.iterdir())
    code, said, _ = call("install.sh", "--dry-run", "--no-apt")
    assert code == 0
    assert "this checkout" in said
    assert sorted(FIRMWARE.parent.iterdir()) == before


def test_removing_can_be_tried_as_well() -> None:
    before = present()
    code, said, errors = call("uninstall.sh", "--dry-run", "--purge")
    assert (code, errors) == (0, "")
    assert "nothing was changed" in said
    assert present() == before


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh", "build_deb.sh"])
def test_help_is_for_everybody(script: str) -> None:
    code, said, _ = call(script, "--help")
    assert code == 0
    assert said.startswith(f"usage: {script}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dry"], "unknown option --dry"),
        (["--with"], "--with needs a value"),
        (["--with", "gpgpu"], "there is no 'gpgpu' to have; known are: network gpu jetson gpio card"),
        (["--without", ""], "there is no '' to have"),
        (["--wheel", "a.whl", "--from", "."], "--wheel and --from do not go together"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_is_wrong(arguments: list[str], told: str) -> None:
    code, _, errors = call("install.sh", *arguments)
    assert code == 2
    assert told in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "/nowhere"], "there is no folder /nowhere"),
        (["--from", "/proc/self/fdinfo"], "there is no affect_edge-*.whl in"),
        (["--wheel", "/nowhere/affect_edge-1-py3-none-any.whl"], "there is no file /nowhere/"),
        (["--wheel", "/etc/hostname"], "/etc/hostname is no wheel of affect-edge"),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], told: str) -> None:
    code, _, errors = call("install.sh", "--dry-run", "--no-apt", *arguments)
    assert code == 1
    assert told in errors


def test_a_python_that_will_not_do_is_told_with_the_mend(tmp_path: Path) -> None:
    """Too old, or where the service cannot see it."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    _, said, _ = call("install.sh", "--dry-run", "--no-apt", "--python", str(old))
    assert f"it would end here: {old} is no Python 3.10 to 3.13 below /usr" in said
    assert "sudo apt install python3 python3-venv" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_only_root_installs_but_all_may_ask(script: str, tmp_path: Path) -> None:
    for file in ("install.sh", "uninstall.sh", "common.sh", "version.sh"):
        (tmp_path / file).write_bytes((FIRMWARE / file).read_bytes())
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    done = subprocess.run(["sh", str(tmp_path / script)], capture_output=True, text=True, check=False, user=65534)
    assert done.returncode == 1
    assert "only root can do this: sudo" in done.stderr
