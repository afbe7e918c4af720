"""A Raspberry Pi's card, prepared for its first start: copies of boot partitions, and what the first start would do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware_config.bed import FIRMWARE

FOLDER = FIRMWARE / "raspberry_pi"

COMMAND_LINE = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait"

# As the kernel and Imager leave them, in short.
CONFIG = "dtparam=audio=on\ncamera_auto_detect=1\n\n[cm4]\notg_mode=1"

TEMPLATE = "#cloud-config\n# See the documentation of cloud-init.\n\n# hostname: raspberrypi\n"

IMAGER = """\
#cloud-config
hostname: kitchen
users:
- name: me
  groups: users,adm,sudo,video,audio
  shell: /bin/bash
timezone: Europe/Berlin
runcmd:
{indent}- [ rfkill, unblock, wifi ]
{indent}- sh -c "echo done"
final_message: ready
"""

FIRST_RUN = """\
#!/bin/bash

set +e

echo kitchen >/etc/hostname
rm -f /boot/firstrun.sh
sed -i 's| systemd.run.*||g' /boot/cmdline.txt
exit 0
"""

ITEM = ["sh", "/boot/firmware/affect-edge/first_boot.sh", "arrange"]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The boot partition of a Raspberry Pi OS of Debian 12, without settings."""
    folder = tmp_path / "bootfs"
    folder.mkdir()
    (folder / "cmdline.txt").write_text(f"{COMMAND_LINE}\n")
    (folder / "config.txt").write_text(CONFIG)
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    file = tmp_path / "affect-edge_0.1.0_all.deb"
    file.write_bytes(b"not looked into")
    return file


def prepare(card: Path, package: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(FOLDER / "prepare_card.sh"), "--package", str(package), *options, str(card)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def parsed(file: Path) -> dict[str, object]:
    """YAML by the system's Python, for the environment of the tests has none."""
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    done = subprocess.run(["/usr/bin/python3", "-c", program, str(file)], capture_output=True, text=True, check=False)
    if "No module named 'yaml'" in done.stderr:
        pytest.skip("apt install python3-yaml")
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def check_schema(file: Path) -> None:
    """By cloud-init itself, where it is installed."""
    if shutil.which("cloud-init") is not None:
        done = subprocess.run(
            ["cloud-init", "schema", "--config-file", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_card_without_settings_of_debian_12(card: Path, package: Path) -> None:
    done = prepare(card, package)
    assert done.returncode == 0, done.stderr
    assert (card / "affect-edge" / package.name).read_bytes() == package.read_bytes()
    line = (card / "cmdline.txt").read_text()
    assert line == (
        f"{COMMAND_LINE} systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot "
        "systemd.unit=kernel-command-line.target\n"
    )
    first_run = (card / "firstrun.sh").read_text().splitlines()
    assert first_run[0] == "#!/bin/sh"
    assert first_run[1] == " ".join(ITEM)
    # What it does to the command line when it has run: the card starts as ever.
    (sed,) = (entry for entry in first_run if entry.startswith("sed "))
    subprocess.run(["sh", "-c", sed.replace("/boot/firmware", str(card))], check=True)
    assert (card / "cmdline.txt").read_text() == f"{COMMAND_LINE}\n"


def test_imagers_own_first_run_goes_on(card: Path, package: Path) -> None:
    (card / "firstrun.sh").write_text(FIRST_RUN)
    line = f"{COMMAND_LINE} systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot\n"
    (card / "cmdline.txt").write_text(line)
    assert prepare(card, package).returncode == 0
    lines = FIRST_RUN.splitlines()
    assert (card / "firstrun.sh").read_text().splitlines() == [lines[0], f"{' '.join(ITEM)} || true", *lines[1:]]
    assert (card / "cmdline.txt").read_text() == line
    subprocess.run(["sh", "-n", str(card / "firstrun.sh")], check=True)


def test_a_template_is_replaced(card: Path, package: Path) -> None:
    (card / "user-data").write_text(TEMPLATE)
    assert prepare(card, package).returncode == 0
    assert (card / "user-data").read_bytes() == (FOLDER / "user-data").read_bytes()
    assert (card / "user-data.before-affect-edge").read_text() == TEMPLATE
    assert (card / "cmdline.txt").read_text() == f"{COMMAND_LINE}\n"
    check_schema(card / "user-data")
    assert parsed(card / "user-data") == {"hostname": "affect-edge", "ssh_pwauth": False, "runcmd": [ITEM]}


@pytest.mark.parametrize("indent", ["", "  ", "    "])
def test_imagers_settings_stay(card: Path, package: Path, indent: str) -> None:
    (card / "user-data").write_text(IMAGER.format(indent=indent))
    before = parsed(card / "user-data")
    assert prepare(card, package).returncode == 0
    check_schema(card / "user-data")
    after = parsed(card / "user-data")
    assert after.pop("runcmd") == [ITEM, ["rfkill", "unblock", "wifi"], 'sh -c "echo done"']
    before.pop("runcmd")
    assert after == before


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_settings_without_commands_get_one(card: Path, package: Path, end: str) -> None:
    (card / "user-data").write_bytes(f"#cloud-config\nhostname: kitchen{end}".encode())
    assert prepare(card, package).returncode == 0
    check_schema(card / "user-data")
    assert parsed(card / "user-data") == {"hostname": "kitchen", "runcmd": [ITEM]}


@pytest.mark.parametrize("kind", ["plain", "imager 12", "template", "imager 13"])
def test_again_changes_nothing_and_a_dry_run_never(card: Path, package: Path, kind: str) -> None:
    if kind == "imager 12":
        (card / "firstrun.sh").write_text(FIRST_RUN)
        (card / "cmdline.txt").write_text(f"{COMMAND_LINE} systemd.run=/boot/firstrun.sh\n")
    elif kind == "template":
        (card / "user-data").write_text(TEMPLATE)
    elif kind == "imager 13":
        (card / "user-data").write_text(IMAGER.format(indent="  "))
    before = content(card)
    dry = prepare(card, package, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "affect-edge/first_boot.sh" in dry.stdout
    assert "nothing was changed" in dry.stdout
    assert content(card) == before
    assert prepare(card, package).returncode == 0
    once = content(card)
    assert prepare(card, package).returncode == 0
    assert content(card) == once
    # What was there is kept as it was.
    for name, data in before.items():
        assert data in (once[name], once.get(f"{name}.before-affect-edge"))


def test_the_firmwares_settings(card: Path, package: Path) -> None:
    assert prepare(card, package).returncode == 0
    text = (card / "config.txt").read_text()
    assert text.startswith(f"{CONFIG}\n# --- affect-edge")
    added = text.removeprefix(CONFIG).splitlines()
    # [all] ends the part that is for one model alone, with which the file ended.
    assert added[2] == "[all]"
    assert "dtparam=watchdog=on" in added
    assert max(map(len, added)) < 98  # the firmware reads no more of a line


def test_a_newer_package_and_settings(card: Path, package: Path, tmp_path: Path) -> None:
    assert prepare(card, package).returncode == 0
    newer = package.rename(package.with_name("affect-edge_0.2.0_arm64.deb"))
    settings = tmp_path / "site.toml"
    settings.write_text('[camera]\nsource = "none"\n')
    assert prepare(card, newer, "--config", str(settings)).returncode == 0
    assert sorted(file.name for file in (card / "affect-edge").iterdir()) == [
        "affect-edge_0.2.0_arm64.deb",
        "config.toml",
        "first_boot.sh",
        "journald.conf",
    ]


@pytest.mark.parametrize(
    ("user_data", "problem"),
    [
        ("#!/bin/sh\necho\n", "is not a #cloud-config; have it run"),
        ("#cloud-config\nruncmd: [ls]\n", "runcmd in .* is not a list of one item a line; have it run"),
    ],
)
def test_settings_that_cannot_be_added_to(card: Path, package: Path, user_data: str, problem: str) -> None:
    (card / "user-data").write_text(user_data)
    done = prepare(card, package)
    assert done.returncode == 1
    assert re.search(problem, done.stderr)
    assert (card / "user-data").read_text() == user_data


def test_wrong_use(card: Path, package: Path, tmp_path: Path) -> None:
    def fails(code: int, said: str, *arguments: str) -> None:
        command = ["sh", str(FOLDER / "prepare_card.sh"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr

    fails(2, "where is the card", "--package", str(package))
    fails(2, "--package is missing", str(card))
    fails(2, "--package needs a value", "--package")
    fails(2, "unknown option --what", "--what")
    fails(2, "one folder, not two", "--package", str(package), str(card), str(card))
    fails(1, "there is no file", "--package", "/none/affect-edge_1_all.deb", str(card))
    fails(1, "is not affect-edge_VERSION", "--package", str(tmp_path / "x.whl"), str(card))
    fails(1, "there is no file /none.toml", "--package", str(package), "--config", "/none.toml", str(card))
    fails(1, "is not the boot partition", "--package", str(package), str(tmp_path))
    (card / "cmdline.txt").write_text("root=/dev/sda systemd.run=/bin/other\n")
    fails(1, "has systemd run something else", "--package", str(package), str(card))


def test_the_first_start_says_what_it_would_do(card: Path, package: Path) -> None:
    assert prepare(card, package).returncode == 0
    script = str(card / "affect-edge" / "first_boot.sh")
    before = content(card)

    def dry(command: str) -> str:
        done = subprocess.run(["sh", script, command, "--dry-run"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "systemctl --quiet enable affect-edge-first-boot.service" in dry("arrange")
    told = dry("install")
    assert str(card / "affect-edge" / package.name) in told
    assert "journald.conf" in told
    assert content(card) == before
    assert not Path("/etc/systemd/system/affect-edge-first-boot.service").exists()
    (card / "affect-edge" / package.name).unlink()
    lost = subprocess.run(["sh", script, "install", "--dry-run"], capture_output=True, text=True, check=False)
    assert (lost.returncode, "run prepare_card.sh again" in lost.stderr) == (1, True)
    wrong = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "usage:" in wrong.stderr) == (2, True)
    if os.geteuid() != 0:
        refused = subprocess.run(["sh", script, "arrange"], capture_output=True, text=True, check=False)
        assert (refused.returncode, "only root" in refused.stderr) == (1, True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt install shellcheck")
@pytest.mark.parametrize("board", ["raspberry_pi", "jetson"])
def test_the_boards_scripts_pass_shellcheck(board: str) -> None:
    scripts = [str(file) for file in (FIRMWARE / board).glob("*.sh")]
    assert scripts
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
