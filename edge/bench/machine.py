"""Which machine and which versions a figure belongs to; nothing that names its owner."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge.bench.document import Machine, Versions
from edge.board import board_model

# Arm's own numbers ("implementer" 0x41), in /proc/cpuinfo and the kernel's arch/arm64/include/asm/cputype.h.
_ARM_PARTS = {
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse N1",
    "0xd40": "Neoverse V1",
    "0xd42": "Cortex-A78AE",
    "0xd4f": "Neoverse V2",
}


def machine(root: Path = Path("/")) -> Machine:
    """What this machine is.

    Parameters
    ----------
    root
        Where /proc and /etc lie.
    """
    return Machine(
        board=board_model(root),
        cpu=_cpu(root),
        cores=cores(),
        architecture=platform.machine(),
        memory_mb=_memory(root),
        os=_system(root),
        kernel=f"{platform.system()} {platform.release()}",
        emulator=_emulator(root),
    )


def cores() -> int:
    """That this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not Linux, or an emulator without it
        return os.cpu_count() or 1


def versions() -> Versions:
    """Of what runs."""
    import numpy as np

    from edge.inference.interpreter import available_runtimes

    try:
        import cv2

        opencv: str | None = cv2.__version__
    except ImportError:
        opencv = None
    try:
        own = version("affect-edge")
    except PackageNotFoundError:  # run from a checkout that was not installed
        own = "not installed"
    return Versions(
        affect_edge=own,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        numpy=np.__version__,
        opencv=opencv,
        runtimes={info.name: info.version for info in available_runtimes() if info.version and not info.error},
    )


def runtime_name() -> str:
    """The TensorFlow Lite runtime that computes, with its version; empty where there is none."""
    from edge.inference.interpreter import available_runtimes

    return next((f"{info.name} {info.version}" for info in available_runtimes() if info.version and not info.error), "")


def load_average() -> float | None:
    """Of the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _cpu(root: Path) -> str | None:
    """The name on x86; on Arm, where the kernel tells only numbers, what they stand for."""
    fields: dict[str, str] = {}
    try:
        for line in (root / "proc/cpuinfo").read_text(errors="replace").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                fields[name.strip()] = value.strip()
    except OSError:
        return None
    if "model name" in fields:
        return fields["model name"]
    if part := fields.get("CPU part"):
        known = _ARM_PARTS.get(part.lower()) if fields.get("CPU implementer", "0x41") == "0x41" else None
        return known or f"Arm part {part} of implementer {fields.get('CPU implementer', 'unknown')}"
    return None


def _memory(root: Path) -> float | None:
    try:
        first = (root / "proc/meminfo").read_text().splitlines()[0]
        return round(int(first.split()[1]) * 1024 / 1e6)
    except (OSError, ValueError, IndexError):
        return None


def _system(root: Path) -> str | None:
    try:
        for line in (root / "etc/os-release").read_text(errors="replace").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip("\"' ") or None
    except OSError:
        pass
    return None


def _emulator(root: Path) -> str | None:
    """QEMU's user mode shows a process its own /proc/self/exe, but not what the threads' folder says."""
    try:
        for link in (root / "proc/self/task").glob("*/exe"):
            program = link.readlink().name
            return program if program.startswith("qemu") else None
    except OSError:
        pass
    return None
