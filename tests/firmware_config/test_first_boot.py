"""A Raspberry Pi's first start under the real systemd, in a Debian of its own without a network: the card that
prepare_card.sh has prepared, the real package with all its wheels, and a service that gets ready.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware_config.bed import FIRMWARE, Bed, build_package, build_wheel, skip_unless_possible, wheel_folder

pytestmark = pytest.mark.timeout(1800)

UNIT = "affect-edge-first-boot.service"

SETTINGS = """\
[camera]
source = "demo"
[microphone]
source = "none"
"""


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    skip_unless_possible()
    (tmp_path / "bed").mkdir()
    booted = Bed(tmp_path / "bed")
    try:
        yield booted
    finally:
        booted.close()


def test_a_fresh_card_becomes_a_device(bed: Bed, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "wheel")
    package = build_package(tmp_path / "deb", "--wheel", str(wheel), "--wheels", str(wheel_folder()))
    card = bed.own / "card"
    card.mkdir()
    (card / "cmdline.txt").write_text("root=/dev/mmcblk0p2\n")
    (card / "config.txt").write_text("")
    (tmp_path / "site.toml").write_text(SETTINGS)
    prepare = ["sh", str(FIRMWARE / "raspberry_pi/prepare_card.sh"), "--config", str(tmp_path / "site.toml")]
    subprocess.run([*prepare, "--package", str(package), str(card)], check=True, capture_output=True)
    bed.sh("mkdir -p /boot/firmware; cp -R /own/card/. /boot/firmware")

    # What was put to run at the first start; it does not wait for what it arranges.
    first_run = (card / "firstrun.sh").read_text()
    assert first_run.splitlines()[1] in bed.sh("cat /boot/firmware/firstrun.sh")
    bed.sh("sh /boot/firmware/firstrun.sh")
    assert bed.sh("cat /boot/firmware/cmdline.txt") == "root=/dev/mmcblk0p2\n"
    wait = "timeout 500 sh -c 'until [ -e /boot/firmware/affect-edge/install.done ]; do sleep 1; done'"
    # pip alone takes a minute, and many where the machine is busy.
    any(bed.run("sh", "-c", wait, check=False).returncode == 0 for _ in range(3))
    log = bed.sh("cat /boot/firmware/affect-edge/first_boot.log")
    assert "affect-edge: installed;" in log, log
    bed.wait_until(lambda: bed.show("ActiveState") == "active")
    assert bed.sh("cat /etc/affect-edge/config.toml") == SETTINGS
    assert bed.status()["loops"]["camera"]["source"] == "demo"
    # It is not done again, and the system's log is in memory.
    bed.wait_until(lambda: bed.run("systemctl", "cat", UNIT, check=False).returncode != 0)
    assert bed.sh("systemctl is-enabled affect-edge") == "enabled\n"
    assert "Storage=volatile" in bed.sh("cat /etc/systemd/journald.conf.d/affect-edge.conf")
