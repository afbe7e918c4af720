"""The checks behind `affect-edge doctor`: each looks at one thing and says its state and the mend.

What they look at can be handed in (a folder in place of /), so that they are tested against the real files' formats.
"""

from __future__ import annotations

import grp
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.inference.manifest import Task

State = Literal["ok", "info", "warn", "fail"]

HOT_CELSIUS = 80.0
"""A Raspberry Pi lowers its clock from 80 degrees Celsius on; a Jetson's limits lie above."""

_PYTHONS = ((3, 10), (3, 13))

_POWER_MEND = "use the board's own power supply and a short cable"
_HEAT_MEND = "give it a heat sink or a fan"
_THROTTLE_MENDS = {"under-voltage": _POWER_MEND, "soft temperature limit": _HEAT_MEND}


@dataclass(frozen=True, slots=True)
class Check:
    """What was found out about one thing."""

    topic: str
    name: str
    state: State
    """'fail': `affect-edge run` cannot work so; 'warn': it works, less well or not everywhere; 'info': good to know."""
    detail: str
    mend: str | None = None
    """What to do about it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return asdict(self)


def check_platform(root: Path = Path("/"), python: tuple[int, int] = sys.version_info[:2]) -> Iterator[Check]:
    """Python, the operating system and the board."""
    from edge.board import board_model

    detail = f"{platform.python_version()} ({sys.executable})"
    if _PYTHONS[0] <= python <= _PYTHONS[1]:
        yield Check("machine", "Python", "ok", detail)
    else:
        supported = " to ".join(".".join(map(str, bound)) for bound in _PYTHONS)
        yield Check("machine", "Python", "warn", f"{detail} is not tested", f"use Python {supported}")
    yield Check("machine", "system", "info", f"{platform.system()} {platform.release()} on {platform.machine()}")
    yield Check("machine", "board", "info", board_model(root) or "no device tree: a PC or a virtual machine")


def check_packages() -> Iterator[Check]:
    """The packages that the runtime cannot do without, imported, and those that a board may have."""
    for module, mend in (
        ("numpy", "pip install 'numpy>=1.26'"),
        ("cv2", "pip install 'opencv-python-headless>=4.9'"),
        ("pydantic", "pip install 'pydantic>=2.7'"),
        ("soundfile", "pip install 'soundfile>=0.12'"),
        ("tqdm", "pip install 'tqdm>=4.66'"),
    ):
        yield check_package(module, mend)
    picamera2 = check_package("picamera2", "sudo apt install python3-picamera2 (see README), for camera modules only")
    yield Check("packages", "picamera2", "info", picamera2.detail, picamera2.mend)
    pyaudio = check_package("pyaudio", "sudo apt install portaudio19-dev; pip install 'affect-edge[microphone]'")
    yield Check("packages", "pyaudio", "info", f"{pyaudio.detail}, for microphones", pyaudio.mend)


def check_package(module: str, mend: str) -> Check:
    """Whether one package can be imported, and its version."""
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        detail = "not installed" if error.name == module else f"lacks {error.name}"
        return Check("packages", module, "fail", detail, mend)
    except Exception as error:  # a native module may fail in any way; telling how is what this command is for
        detail = f"installed, but importing it fails: {' '.join(str(error).split())}"
        return Check("packages", module, "fail", detail, mend)
    return Check("packages", module, "ok", str(getattr(imported, "__version__", "installed")))


def check_runtimes() -> Iterator[Check]:
    """The TensorFlow Lite runtimes: one is needed."""
    from edge.inference.interpreter import available_runtimes

    usable = False
    for runtime in available_runtimes():
        if runtime.error:
            mend = f"pip install --force-reinstall {runtime.distribution}"
            yield Check(
                "runtimes", runtime.name, "warn", f"{runtime.version} cannot be imported: {runtime.error}", mend
            )
        elif runtime.version:
            note = "" if runtime.name == "litert" or usable else "; ai-edge-litert would be faster"
            yield Check("runtimes", runtime.name, "ok", f"{runtime.version}{note}")
            usable = True
        else:
            yield Check("runtimes", runtime.name, "info", "not installed")
    if not usable:
        mend = "pip install ai-edge-litert, or on a board without a wheel of it 'affect-edge[tflite-runtime]'"
        yield Check("runtimes", "any", "fail", "no TensorFlow Lite runtime can be used", mend)


def check_models(config: Config) -> Iterator[Check]:
    """Every installed model, and those that the configuration names: hash, task, loading, tensors."""
    from edge.inference.catalog import find_model, list_models

    models = {(model.path, model.task): f"{model.task}/{model.name}" for model in list_models()}
    for task, name in (("face-detection", config.face.model), ("expression", config.expression.model)):
        try:
            models.setdefault((find_model(task, name), task), task)
        except AffectEdgeError as error:
            yield Check("models", task, "fail", str(error))
    yield from (_check_model(name, task, path) for (path, task), name in models.items())


def check_config() -> tuple[Config, Check]:
    """The configuration in force, or the defaults where it is broken, and what to say about it."""
    from edge.config import Config, load_config

    try:
        config = load_config()
    except AffectEdgeError as error:
        return Config(), Check("configuration", "file", "fail", str(error), "correct the file, then run this again")
    detail = str(config.file) if config.file else "none: the defaults hold"
    return config, Check("configuration", "file", "ok", detail)


def check_cameras(config: Config, root: Path = Path("/")) -> Iterator[Check]:
    """The cameras, and whether this user may open them."""
    for device in sorted((root / "dev").glob("video[0-9]*")):
        if not os.access(device, os.R_OK | os.W_OK):
            yield Check("cameras", str(device), "warn", "no permission to open it", _camera_mend(device))
    try:
        from edge.sources import list_cameras

        cameras = list_cameras()
    except Exception as error:  # OpenCV or libcamera may be broken in any way; the other checks must go on
        yield Check("cameras", "list", "warn", f"cannot be listed: {' '.join(str(error).split())}")
        return
    for camera in cameras:
        yield Check("cameras", camera.path, "ok", camera.name)
    if not cameras:
        # The demonstration, files and streams work without one.
        state: State = "warn" if config.camera.source == "auto" else "info"
        yield Check("cameras", "any", state, "none found", "plug one in, or try  affect-edge run --source demo")


def check_journal(config: Config) -> Iterator[Check]:
    """Whether the journal can be written where it should lie, and whether the disk has room for it."""
    from edge.journal import default_journal_path

    if not config.journal.enabled:
        yield Check("journal", "file", "info", "switched off in the configuration")
        return
    try:
        path = config.journal.path or default_journal_path()
    except AffectEdgeError as error:
        yield Check("journal", "file", "fail", str(error))
        return
    nearest = path
    while not _exists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    # SQLite writes its -wal file beside the journal: the folder must be writable too.
    folder = path.parent if nearest == path else nearest
    mend = f"sudo chown $USER {nearest}, or set journal.path"
    if nearest == path and path.is_dir():
        yield Check("journal", "file", "fail", f"{path} is a folder", "name a file in journal.path")
    elif not folder.is_dir():
        yield Check("journal", "file", "fail", f"{path}: {folder} is not a folder", "set journal.path")
    elif not os.access(folder, os.W_OK | os.X_OK) or (nearest == path and not os.access(path, os.R_OK | os.W_OK)):
        yield Check("journal", "file", "fail", f"{path}: no permission to write to {nearest}", mend)
    else:
        yield Check("journal", "file", "ok", str(path))
        yield check_space(path, shutil.disk_usage(folder).free, config.journal.max_size_mb)


def check_space(path: Path, free_bytes: int, max_size_mb: float) -> Check:
    """Whether the journal can grow to its cap (megabytes of 10**6 bytes) on the disk that `path` lies on."""
    size = path.stat().st_size if _exists(path) else 0
    detail = f"{free_bytes / 1e6:,.0f} MB free; the journal takes up to {max_size_mb:g} MB"
    if free_bytes + size >= max_size_mb * 1e6:
        return Check("journal", "disk", "ok", detail)
    return Check("journal", "disk", "warn", detail, "free some space, or lower journal.max_size_mb")


def check_board(root: Path = Path("/"), *, vcgencmd: str = "vcgencmd") -> Iterator[Check]:
    """Temperature, and what holds a Raspberry Pi back."""
    from edge.board import temperatures, throttling

    for temperature in temperatures(root):
        detail = f"{temperature.celsius:.1f} degrees Celsius"
        if temperature.celsius >= HOT_CELSIUS:
            yield Check("board", temperature.zone, "warn", detail, _HEAT_MEND)
        else:
            yield Check("board", temperature.zone, "ok", detail)
    found = throttling(root, vcgencmd=vcgencmd)
    if found is None:
        return
    if found.now:
        yield Check("board", "throttling", "warn", f"now: {', '.join(found.now)}", _throttle_mend(found.now))
    past = [name for name in found.occurred if name not in found.now]
    if past:
        yield Check("board", "throttling", "warn", f"since the start: {', '.join(past)}", _throttle_mend(past))
    if not found.now and not past:
        yield Check("board", "throttling", "ok", "none since the start")


def _check_model(name: str, task: str, path: Path) -> Check:
    from edge.inference.interpreter import load_model

    try:
        interpreter, manifest = load_model(path, task=cast("Task", task))
    except AffectEdgeError as error:
        return Check("models", name, "fail", str(error))
    return Check("models", name, "ok", f"{manifest.name} {manifest.version}, loads in {interpreter.runtime}")


def _throttle_mend(names: list[str] | tuple[str, ...]) -> str:
    """Capping and throttling are what the board does about the other two, which are what can be mended."""
    mends = [mend for name, mend in _THROTTLE_MENDS.items() if name in names]
    return "; ".join(mends or [f"{_HEAT_MEND}, and {_POWER_MEND}"])


def _camera_mend(device: Path) -> str:
    try:
        group = grp.getgrgid(device.stat().st_gid).gr_name
    except (KeyError, OSError):
        group = "video"
    return f"sudo usermod -aG {group} $USER, then log in again"


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True
