"""A folder with Debian's Python for arm64 and LiteRT's own aarch64 wheel, and the emulated boards that run them.

Nothing is started as root in it and no kernel module is needed: qemu-user runs the one process, which finds its
libraries under the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.fetching import UnavailableError, call
from benchmarks.interpreter_process import Place

DEFAULT = Path(__file__).resolve().parents[1] / "build" / "aarch64"
"""In the checkout; `make clean` removes it."""

QEMU = "qemu-aarch64-static"

_SUITE = "bookworm"
PYTHON = "python3.11"
"""Debian's."""
_DEBIAN = ("python3", "libpython3-stdlib", "libstdc++6", "libgomp1")
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
WHEELS = Path("opt", "wheels")
"""In the folder: LiteRT and what it needs."""
_DONE = Path("opt", "affect-edge")

_FEATURES = {
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
_CORES = 4

BOARDS = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5"}
"""The processors that can be emulated, and where they are found.

QEMU's 'max' is not among them: QEMU 7.2 computes int8 wrongly with its SVE.
"""


def missing_tools(root: Path) -> list[str]:
    """What this machine lacks to build the folder, or to use it where it stands."""
    found = []
    if not shutil.which(QEMU):
        found.append(f"{QEMU} is not installed: apt install qemu-user-static")
    if not _stands(root):
        if not shutil.which("mmdebstrap"):
            found.append("mmdebstrap is not installed: apt install mmdebstrap")
        if os.geteuid() != 0:
            found.append(f"building {root} needs root: run it once with sudo")
    return found


def build(root: Path = DEFAULT) -> None:
    """Make the folder where it is not there yet, of Debian's archive and the package index: some 200 MB.

    LiteRT is of the version that this environment has, so that the two can be compared.

    Raises
    ------
    UnavailableError
        A tool is missing; a download fails; the folder holds something else. What was begun is removed.
    """
    if missing := missing_tools(root):
        raise UnavailableError(f"aarch64: {'; '.join(missing)}")
    with locked(root):
        _build(root)


def _build(root: Path) -> None:
    if _stands(root):
        return
    if root.is_dir() and any(root.iterdir()) and not (root / _DONE).is_file():
        raise UnavailableError(f"{root}: holds something else; remove it, or name another folder with --root")
    partial = root.with_name(f"{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial)
        shutil.rmtree(root, ignore_errors=True)
        partial.rename(root)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Nobody else changes the folder, or makes it, meanwhile: a second process waits."""
    root.parent.mkdir(parents=True, exist_ok=True)
    # The folder itself is exchanged; the one that holds it stays.
    handle = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def board(root: Path, cpu: str) -> Place:
    """An emulated processor with LiteRT's aarch64 wheel, one of `BOARDS`; one at a time in a folder."""
    # QEMU shows its guest the host's /proc/cpuinfo, from which XNNPACK learns nothing good: it drops out or crashes.
    described = root / "proc" / "cpuinfo"
    described.parent.mkdir(exist_ok=True)
    described.write_text(cpuinfo(cpu))
    return Place(
        cpu,
        "litert",
        (QEMU, "-cpu", cpu, str(root / "usr" / "bin" / PYTHON), "-S", "-s"),
        {"QEMU_LD_PREFIX": str(root), "PYTHONPATH": str(root / WHEELS)},
    )


def cpuinfo(cpu: str) -> str:
    """What the kernel of a board with this processor shows in /proc/cpuinfo."""
    part, features = _FEATURES[cpu]
    return "\n".join(
        f"processor\t: {core}\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n"
        for core in range(_CORES)
    )


def qemu_version() -> str:
    """As QEMU says it, such as '7.2.17'."""
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True).stdout
    return said.partition("version ")[2].split(" ")[0].strip()


def _wanted() -> str:
    return f"ai-edge-litert=={version('ai-edge-litert')}"


def _stands(root: Path) -> bool:
    """Whether it was built, with the LiteRT that is wanted now."""
    return (root / _DONE).is_file() and (root / _DONE).read_text().strip() == _wanted()


def _fill(folder: Path) -> None:
    debian = ["mmdebstrap", "--arch=arm64", "--variant=extract", f"--include={','.join(_DEBIAN)}", _SUITE, str(folder)]
    call(debian, "aarch64")
    install(folder / WHEELS, [_wanted(), "numpy"])
    (folder / _DONE).write_text(f"{_wanted()}\n")


def install(folder: Path, packages: Sequence[str], *options: str) -> None:
    """Put wheels for Debian's Python on aarch64 into a folder, with what they need.

    Raises
    ------
    UnavailableError
        A download fails.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), *options]
    pip += [f"--platform={platform}" for platform in _PLATFORMS]
    pip += [f"--python-version={PYTHON.removeprefix('python')}", "--implementation=cp"]
    pip += ["--abi=cp311", "--abi=abi3", "--abi=none", "--only-binary=:all:", *packages]
    call(pip, "aarch64")
