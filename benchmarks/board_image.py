"""A Debian for an emulated arm64 board: kernel, initial ram disk and a disk image, of Debian's packages alone."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fetching import UnavailableError, call

DEFAULT = Path(__file__).resolve().parents[1] / "build" / "board"
"""In the checkout; `make clean` removes it."""

_SUITE = "bookworm"
_PACKAGES = (
    # The system; the kernel has vivid (a camera) and snd-aloop (a sound card) as modules.
    *("systemd", "systemd-sysv", "udev", "dbus", "kmod", "linux-image-arm64", "initramfs-tools", "procps"),
    # What affect-edge's package asks of Debian, for the board has no network; what feeds camera and sound card.
    *("python3", "python3-venv", "python3-pyaudio", "alsa-utils", "v4l-utils"),
)

# An emulated processor does all of it: so no files that nobody reads, no waiting for the disk, and the modules of the
# initial RAM disk are named, not searched for.
_LEAN = (
    '--setup-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"',
    '--setup-hook=echo MODULES=list >"$1/etc/initramfs-tools/conf.d/board"',
    "--setup-hook=printf 'virtio_pci\\nvirtio_blk\\next4\\n' >\"$1/etc/initramfs-tools/modules\"",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)

_DISK_MB = 4096

# As Raspberry Pi OS has it: the boot partition, here a folder of the host, is mounted below /boot.
_FSTAB = """\
/dev/vda / ext4 defaults,noatime 0 1
boot /boot/firmware 9p trans=virtio,version=9p2000.L,msize=1048576 0 0
"""

_UNIT = """\
[Unit]
Description=What benchmarks.board has the board do
After=basic.target
RequiresMountsFor=/boot/firmware

[Service]
Type=oneshot
ExecStart=/bin/sh /boot/firmware/board_guest.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyAMA0

[Install]
WantedBy=multi-user.target
"""

# The processor is emulated, some twenty times slower than a board's own: what is only about time gets more of it.
_DROP_IN = """\
[Service]
TimeoutStartSec=30min
WatchdogSec=5min
"""


@dataclass(frozen=True)
class BoardImage:
    """What QEMU starts."""

    kernel: Path
    ram_disk: Path
    disk: Path


def missing_tools() -> list[str]:
    """What this machine lacks to make the image and to start it."""
    tools = {
        "mmdebstrap": "mmdebstrap",
        "qemu-system-aarch64": "qemu-system-arm",
        "qemu-aarch64-static": "qemu-user-static",
        "mke2fs": "e2fsprogs",
        "dpkg-deb": "dpkg",
        "espeak-ng": "espeak-ng",
    }
    found = [f"{tool} is not installed: apt install {package}" for tool, package in tools.items() if not _has(tool)]
    if os.geteuid() != 0:
        found.append("making its disk needs root: run it with sudo")
    return found


def build(folder: Path = DEFAULT) -> BoardImage:
    """Make the image where it is not there yet: some 300 MB from Debian's archive, a quarter of an hour or more.

    Raises
    ------
    UnavailableError
        A tool is missing, or a download fails. What was begun is removed.
    """
    if missing := missing_tools():
        raise UnavailableError(f"board: {'; '.join(missing)}")
    image = BoardImage(folder / "vmlinuz", folder / "initrd.img", folder / "disk.img")
    made, wanted = folder / "made", _mark()
    if made.is_file() and made.read_text() == wanted:
        return image
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    made.unlink(missing_ok=True)
    try:
        _run_foreign_programs()
        shutil.rmtree(root, ignore_errors=True)
        # In a mount namespace of its own: if it is killed, nothing of this machine stays mounted in what is removed.
        command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--arch=arm64", "--variant=minbase", *_LEAN]
        call([*command, f"--include={','.join(_PACKAGES)}", _SUITE, str(root)], "board")
        set_up(root)
        shutil.copyfile(_newest(root, "vmlinuz-*"), image.kernel)
        shutil.copyfile(_newest(root, "initrd.img-*"), image.ram_disk)
        image.disk.unlink(missing_ok=True)
        call(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(image.disk), f"{_DISK_MB}M"], "board")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    made.write_text(wanted)
    return image


def set_up(root: Path) -> None:
    """What makes Debian this board: it mounts the folder that stands for the boot partition, and runs what is there."""
    (root / "etc/hostname").write_text("board\n")
    (root / "etc/fstab").write_text(_FSTAB)
    # Empty: a new one at each start.
    (root / "etc/machine-id").write_text("")
    units = root / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
    (units / "board.service").write_text(_UNIT)
    (units / "multi-user.target.wants/board.service").symlink_to("../board.service")
    (units / "affect-edge.service.d").mkdir(exist_ok=True)
    (units / "affect-edge.service.d/emulated.conf").write_text(_DROP_IN)
    (root / "boot/firmware").mkdir(parents=True, exist_ok=True)


def _mark() -> str:
    """What the image is made of; another one is made when that has changed."""
    parts = [_SUITE, *_PACKAGES, _FSTAB, _UNIT, _DROP_IN, str(_DISK_MB)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _run_foreign_programs() -> None:
    """Have the kernel start arm64's programs by QEMU, as systemd has done at boot, but not in containers."""
    formats = Path("/proc/sys/fs/binfmt_misc")
    if (formats / "qemu-aarch64").exists():
        return
    if not (formats / "register").exists():
        call(["mount", "-t", "binfmt_misc", "binfmt_misc", str(formats)], "board")
    call(["/usr/lib/systemd/systemd-binfmt", "/usr/lib/binfmt.d/qemu-aarch64.conf"], "board")


def _newest(root: Path, pattern: str) -> Path:
    found = sorted((root / "boot").glob(pattern))
    if not found:
        raise UnavailableError(f"board: Debian's kernel package brought no {pattern}")
    return found[-1]


def _has(tool: str) -> bool:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
