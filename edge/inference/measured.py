"""What `accelerator = "auto"` measured, and the small file in which it is remembered.

The file is a convenience: where it cannot be read or written, the next start measures again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_SCHEMA = 1
_NAME = "accelerators.json"
_VULKAN_FOLDERS = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_VULKAN_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH")
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release", "/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to compute a model, measured or found not to work."""

    milliseconds: float | None
    """Median of one run; None where it does not work."""
    device: str = ""
    """Name of the GPU, empty where it is not known."""
    error: str | None = None
    """Why it does not work."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All ways to compute one model on one machine."""

    cpu_milliseconds: float
    """Median of one run by the TensorFlow Lite runtime on the CPU."""
    ways: Mapping[str, Measured]


def cache_folder() -> Path | None:
    """Where what can be made anew is kept; None where this user has no place for it.

    `$CACHE_DIRECTORY`, else `$STATE_DIRECTORY` (systemd sets them for a service that has one; the first where they
    name several), else `$XDG_CACHE_HOME/affect-edge`, else `~/.cache/affect-edge`.
    """
    for variable in ("CACHE_DIRECTORY", "STATE_DIRECTORY"):
        if named := os.environ.get(variable, "").split(":")[0]:
            return Path(named)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification has relative paths ignored
        return xdg / "affect-edge"
    try:
        return Path.home() / ".cache" / "affect-edge"
    except RuntimeError:
        return None


def machine(versions: Mapping[str, str | None]) -> str:
    """What a measurement depends on besides the model: the GPUs, their drivers and the runtimes; SHA-256, hexadecimal.

    Nothing is asked of a GPU for it: only files of the system are looked at.

    Parameters
    ----------
    versions
        Of the runtimes and files that are measured, by name.
    """
    facts: list[Any] = [platform.machine(), platform.release(), sorted(versions.items(), key=lambda item: item[0])]
    facts += [os.environ.get(variable) for variable in _VULKAN_VARIABLES]
    facts += [sorted(_cards()), sorted(_drivers())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def recall(sha256: str, threads: int, machine_key: str) -> Measurement | None:
    """What was measured of a model on this machine as it is now; None where nothing was."""
    entry = _read().get(_key(sha256, threads))
    if not isinstance(entry, dict) or entry.get("machine") != machine_key:
        return None
    try:
        ways = {name: Measured(**measured) for name, measured in entry["ways"].items()}
        return Measurement(float(entry["cpu_milliseconds"]), ways)
    except (AttributeError, KeyError, TypeError, ValueError):  # not as we write it
        return None


def remember(sha256: str, threads: int, machine_key: str, measurement: Measurement) -> None:
    """Keep a measurement for the next start, in place of an older one of the same model."""
    folder = cache_folder()
    if folder is None:
        return
    path = folder / _NAME
    partial = path.with_suffix(f".{os.getpid()}.partial")
    entries = _read() | {_key(sha256, threads): {"machine": machine_key, **asdict(measurement)}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({"schema": _SCHEMA, "models": entries}, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        log.info("%s: cannot be written (%s): the next start measures again", path, error.strerror or error)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _key(sha256: str, threads: int) -> str:
    return f"{sha256} {threads}"


def _read() -> dict[str, Any]:
    folder = cache_folder()
    if folder is None:
        return {}
    try:
        document = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, not readable, not JSON
        return {}
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        return {}
    models = document.get("models")
    return models if isinstance(models, dict) else {}


def _cards() -> Iterator[str]:
    """The GPUs that the kernel knows: vendor and device of PCI ones, the driver's name for those of a board."""
    for card in Path("/sys/class/drm").glob("renderD*"):
        for name in ("vendor", "device", "uevent"):
            with contextlib.suppress(OSError):
                yield f"{card.name} {(card / 'device' / name).read_text(errors='replace')}"
    yield from (str(device) for device in Path("/dev").glob("nvidia*"))


def _drivers() -> Iterator[str]:
    for name in _DRIVER_FILES:
        with contextlib.suppress(OSError):
            yield Path(name).read_text(errors="replace")
    for folder in _VULKAN_FOLDERS:
        for manifest in Path(folder).glob("*.json"):
            with contextlib.suppress(OSError):
                yield f"{manifest} {manifest.stat().st_mtime_ns} {manifest.stat().st_size}"
