"""A Debian under systemd-nspawn, in which the real installer puts the real unit.

The root file system and the wheels are made once and kept in $AFFECT_EDGE_BEDS (~/.cache/affect-edge/beds if it is not
set), outside the project; each bed writes to an overlay in memory of its own and is gone afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware_config"

BEDS = Path(os.environ.get("AFFECT_EDGE_BEDS") or Path.home() / ".cache" / "affect-edge" / "beds")

_SUITE, _PYTHON = "bookworm", "3.11"
_DEBIAN_PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,libpython3-stdlib,python3-pyaudio,procps"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_WAIT_SECONDS = 120.0
"""Generous: what is waited for takes a few seconds."""

# In a mount namespace of its own, so that nothing stays mounted, whatever happens.
_BOOT = """\
set -eu
mount -t tmpfs -o size=4G tmpfs "$1/over"
mkdir "$1/over/upper" "$1/over/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/over/upper,workdir=$1/over/work" "$1/root"
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
exec systemd-nspawn --quiet --directory "$1/root" --register=no --keep-unit --private-network \
    --bind-ro="$3:/firmware_config" --bind-ro="$4:/wheels" --bind-ro="$1/own:/own" --boot
"""


def skip_unless_possible() -> None:
    """With a reason, where no bed can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can start systemd-nspawn")
    for tool in ("systemd-nspawn", "mmdebstrap", "nsenter", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt install systemd-container mmdebstrap util-linux")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces can be made here")


def root_folder() -> Path:
    """The Debian, which is made where it is not there yet; skips the test where it cannot be."""
    folder = BEDS / f"{_SUITE}-{hashlib.sha256(_DEBIAN_PACKAGES.encode()).hexdigest()[:8]}"
    if not (folder / "etc/os-release").exists():
        half = _clean(BEDS / f".{folder.name}.new")
        command = ["mmdebstrap", "--variant=minbase", f"--include={_DEBIAN_PACKAGES}", _SUITE, str(half)]
        _made(command, half, folder)
    return folder


def wheel_folder() -> Path:
    """A folder of all that the installer needs where there is no network, affect-edge of this checkout among it."""
    requirements = _requirements()
    name = hashlib.sha256("\n".join([_PYTHON, *requirements]).encode()).hexdigest()[:8]
    folder = BEDS / f"wheels-{name}"
    if not folder.exists():
        half = _clean(BEDS / f".{folder.name}.new")
        machine = platform.machine()
        platforms = [
            f"--platform={kind}_{machine}"
            for kind in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
        ]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", f"--python-version={_PYTHON}"]
        pip += ["--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none", *platforms, f"--dest={half}"]
        # The demonstration's portraits are taken out of the last two.
        _made([*pip, "--no-deps", "matplotlib", "scikit-image"], half, None)
        _made([*pip, *requirements], half, folder)
    return folder


def build_wheel(out: Path) -> Path:
    """affect-edge as this checkout has it, uncommitted changes and all."""
    source = out / "source"
    source.mkdir(parents=True)
    for part in ("edge", "converter", "training", "models"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(out), str(source)], check=True)
    shutil.rmtree(source)
    (wheel,) = out.glob("*.whl")
    return wheel


def build_package(out: Path, *options: str) -> Path:
    """The Debian package, as build_deb.sh makes it."""
    done = subprocess.run(
        [str(FIRMWARE / "build_deb.sh"), *options, "--out", str(out), "--python", sys.executable],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBFULLNAME": "Nobody", "DEBEMAIL": "nobody@debian.org", "SOURCE_DATE_EPOCH": "1700000000"},
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


class Bed:
    """A Debian that was booted.

    Parameters
    ----------
    scratch
        An empty folder for mount points and logs; what is put into `own` there is at /own inside.
    """

    def __init__(self, scratch: Path) -> None:
        for name in ("over", "root", "own"):
            (scratch / name).mkdir()
        # A copy: a shell reads its script as it goes, and somebody may be at work on it.
        firmware = Path(shutil.copytree(FIRMWARE, scratch / "firmware_config"))
        self.own = scratch / "own"
        self._console = (scratch / "console").open("wb")
        arguments = [str(scratch), str(root_folder()), str(firmware), str(wheel_folder())]
        self._nspawn = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", _BOOT, "boot", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
        )
        self._leader = 0
        self._log = scratch / "console"
        self.wait_until(self._has_booted)

    def close(self) -> None:
        """Power off; the overlay goes with its mount namespace."""
        self._nspawn.terminate()
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._console.close()

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root."""
        enter = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        clean = ["env", "--ignore-environment", f"PATH={_PATH}", "HOME=/root"]
        done = subprocess.run(
            [*enter, *clean, *command],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=600,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sh(self, script: str) -> str:
        """What a shell script prints inside."""
        return self.run("sh", "-euc", script).stdout

    def show(self, name: str) -> str:
        """A property of the service."""
        return self.run("systemctl", "show", f"--property={name}", "--value", "affect-edge").stdout.strip()

    def log(self) -> str:
        """What journald has of the service."""
        return self.run("journalctl", "--unit=affect-edge", "--no-pager", "--output=cat").stdout

    def status(self) -> dict[str, Any]:
        """What the service says of itself; empty if it says nothing."""
        done = self.run("cat", "/run/affect-edge/status.json", check=False)
        document: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}
        return document

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """With a generous limit."""
        end = time.monotonic() + _WAIT_SECONDS
        while not condition():
            assert self._nspawn.poll() is None, f"systemd-nspawn ended:\n{self._log.read_text(errors='replace')}"
            assert time.monotonic() < end, f"in vain; console:\n{self._log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.3)

    def _has_booted(self) -> bool:
        found = subprocess.run(
            ["pgrep", "--parent", str(self._nspawn.pid), "systemd"], capture_output=True, text=True, check=False
        )
        if not found.stdout.split():
            return False
        self._leader = int(found.stdout.split()[0])
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")


def _requirements() -> list[str]:
    import configparser

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].strip().splitlines()
    return [line.split(";")[0].strip() for line in lines if "python_version" not in line]


def _clean(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _made(command: list[str], half: Path, whole: Path | None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(half, ignore_errors=True)
        pytest.skip(f"{command[0]} cannot make the bed, is there a network? {done.stderr.strip()[-300:]}")
    if whole is not None:
        half.rename(whole)
