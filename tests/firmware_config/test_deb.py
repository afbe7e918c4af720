"""The Debian package: what is in it, and what lintian says; test_nspawn.py installs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware_config.bed import FIRMWARE, build_package

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not on Debian")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands for affect-edge's: the package carries it as it is."""
    file = tmp_path_factory.mktemp("wheel") / "affect_edge-7.8.9-py3-none-any.whl"
    file.write_bytes(b"a wheel")
    return file


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")  # it does without portraits
        return build_package(tmp_path_factory.mktemp("deb"), "--wheel", str(wheel))


def ask(*command: str) -> str:
    return subprocess.run(["dpkg-deb", *command], capture_output=True, text=True, check=True).stdout


def test_it_is_for_all_boards_and_needs_what_it_imports_from_debian(package: Path) -> None:
    assert package.name == "affect-edge_7.8.9_all.deb"
    fields = ask("--field", str(package))
    assert "Architecture: all" in fields
    for needed in ("python3 (>= 3.10)", "python3 (<< 3.14)", "python3-venv", "python3-pyaudio"):
        assert needed in fields
    assert "@" not in fields.replace("nobody@debian.org", "")


def test_it_carries_the_files_that_the_installer_installs(package: Path, wheel: Path, tmp_path: Path) -> None:
    ask("--extract", str(package), str(tmp_path))
    for place, source in (
        ("usr/lib/systemd/system/affect-edge.service", "systemd/affect-edge.service"),
        ("usr/lib/udev/rules.d/70-affect-edge.rules", "udev/70-affect-edge.rules"),
        ("etc/affect-edge/config.toml", "config.toml"),
        ("usr/share/affect-edge/firmware_config/systemd/network.conf", "systemd/network.conf"),
        ("usr/share/affect-edge/firmware_config/install.sh", "install.sh"),
    ):
        assert (tmp_path / place).read_bytes() == (FIRMWARE / source).read_bytes(), place
    assert (tmp_path / "usr/share/affect-edge/wheels" / wheel.name).read_bytes() == b"a wheel"
    assert str((tmp_path / "usr/bin/affect-edge").readlink()) == "/opt/affect-edge/current/bin/affect-edge"


def test_its_configuration_is_the_administrators(package: Path) -> None:
    assert ask("--info", str(package), "conffiles") == "/etc/affect-edge/config.toml\n"


def test_the_same_checkout_gives_the_same_package(package: Path, wheel: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        assert build_package(tmp_path, "--wheel", str(wheel)).read_bytes() == package.read_bytes()


@pytest.mark.parametrize(
    ("names", "architecture"),
    [
        (["numpy-2-cp311-cp311-manylinux_2_28_x86_64.whl", "tqdm-4-py3-none-any.whl"], "amd64"),
        (["numpy-2-cp312-cp312-manylinux_2_28_aarch64.whl"], "arm64"),
    ],
)
def test_with_wheels_it_is_for_their_architecture_and_python(
    names: list[str], architecture: str, wheel: Path, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        package = build_package(tmp_path, "--wheel", str(wheel), "--wheels", str(tmp_path))
    minor = names[0].split("-cp3")[1][:2]
    fields = ask("--field", str(package))
    assert f"Architecture: {architecture}" in fields
    assert f"python3 (>= 3.{minor}), python3 (<< 3.{int(minor) + 1})" in fields
    assert names[0] in ask("--contents", str(package))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ["a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "a-1-cp311-cp311-manylinux_2_28_aarch64.whl"],
            "one architecture",
        ),
        (["a-1-cp311-cp311-linux_x86_64.whl", "a-1-cp312-cp312-linux_x86_64.whl"], "more than one Python"),
        (["a-1-py3-none-any.whl"], "no wheel for one Python"),
    ],
)
def test_wheels_that_do_not_go_together_are_refused(names: list[str], told: str, wheel: Path, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    done = subprocess.run(
        [
            str(FIRMWARE / "build_deb.sh"),
            "--wheel",
            str(wheel),
            "--wheels",
            str(tmp_path),
            "--out",
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_lintian_finds_no_error(package: Path) -> None:
    done = subprocess.run(
        ["lintian", "--fail-on=error", "--allow-root", str(package)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
