"""Where each system can run: its environment, its files, and what is to be said where one is absent."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.peers.system import HERE, ROOT, PeerFile, System
from edge.errors import AffectEdgeError

NODE = "face-api"
"""The environment that is a folder with node_modules."""

INSTALLED = ".installed"
"""The file that says that an environment was made to its end."""

EDITABLE = ("edge", "converter", "training", "models")
"""What a wheel of this project carries, for the size of one that is installed from a checkout."""


class PeerError(AffectEdgeError):
    """A peer's environment or file that was named is not there or not what it should be."""


@dataclass(frozen=True)
class Folders:
    """What the user named."""

    files: Path | None = None
    """Peers' files."""
    environments: Path | None = None
    """Environments, each by its name, as `benchmarks.peers.environments` makes them."""
    pythons: Mapping[str, Path] = field(default_factory=dict)
    """By environment; '' stands for every one that is not named."""


@dataclass(frozen=True)
class Found:
    """A file that is used."""

    name: str
    path: Path
    sha256: str
    bytes: int
    listed: bool | None
    """Whether the hash is the one that is listed; None where none is listed."""


@dataclass(frozen=True)
class Ready:
    """A system that can be started."""

    system: System
    command: tuple[str, ...]
    """The interpreter and the program, before its settings."""
    files: tuple[Found, ...] = ()

    def settings(self, *, threads: str, scratch: Path) -> dict[str, Any]:
        """What the child is told."""
        return {
            "files": {file.name: str(file.path) for file in self.files},
            "options": dict(self.system.options),
            "threads": threads,
            "scratch": str(scratch),
            "distributions": list(self.system.distributions),
            "editable": [str(ROOT / folder) for folder in EDITABLE] if self.system.ours else [],
        }


@dataclass(frozen=True)
class Absent:
    """A system that cannot be started here."""

    system: System
    reason: str
    """What is missing, and what to put where."""
    refused: bool = False
    """Its file is there and not the one that is listed."""


def place(system: System, folders: Folders) -> Ready | Absent:
    """Find what a system needs.

    Raises
    ------
    PeerError
        A Python that was named cannot be started.
    """
    if system.environment == NODE:
        interpreter, home = shutil.which("node"), _node_folder(folders)
        if interpreter is None:
            return Absent(system, "node is not installed: its packages run in Node 18 or newer")
        if home is None:
            return Absent(system, _install(system))
        packages = home / "node_modules"
        program: tuple[str, ...] = (interpreter, str(HERE / system.adapter), str(home))
    else:
        python = _python(system.environment, folders)
        package = _package_folder(python, system.module)
        if package is None:
            return Absent(system, _install(system))
        packages = Path(package).parent
        # Given as text, for a script's folder comes first on the path.
        program = (str(python), "-c", (HERE / "child.py").read_text(), str(HERE / "adapters" / system.adapter))
    found = []
    for file in system.files:
        path = _path(file, packages, folders)
        if path is None or not path.is_file():
            if file.optional:
                continue
            return Absent(system, _missing(file))
        seen = look(file, path)
        if seen.listed is False and file.package is None:
            return Absent(system, _refusal(file, seen), refused=True)
        found.append(seen)
    return Ready(system, program, tuple(found))


def look(file: PeerFile, path: Path) -> Found:
    """Its hash and size, held against those that are listed."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = None if file.sha256 is None else digest == file.sha256
    return Found(file.name, path, digest, path.stat().st_size, listed)


def _path(file: PeerFile, packages: Path, folders: Folders) -> Path | None:
    if file.package is not None:
        return packages / file.package / file.name
    return None if folders.files is None else folders.files / file.name


def _missing(file: PeerFile) -> str:
    if file.package is not None:
        return f"{file.package}/{file.name} is missing: install its package again"
    known = f" (sha256 {file.sha256})" if file.sha256 else ""
    return f"needs {file.name}: put it{known} from {file.origin} into the folder that --files names"


def _refusal(file: PeerFile, seen: Found) -> str:
    size = f"{seen.bytes} bytes of {file.bytes}, " if file.bytes and file.bytes != seen.bytes else ""
    return (
        f"{seen.path} is not the file that is listed ({size}sha256 {seen.sha256[:12]}... in place of "
        f"{(file.sha256 or '')[:12]}...): fetch it again from {file.origin}"
    )


def _install(system: System) -> str:
    return (
        f"{system.module} is not installed:  python -m benchmarks.peers.environments DIR {system.environment}  "
        "makes an environment with it; then name it:  --environments DIR"
    )


def _node_folder(folders: Folders) -> Path | None:
    if folders.environments is None:
        return None
    home = folders.environments.resolve() / NODE
    return home if (home / INSTALLED).is_file() else None


def _python(environment: str, folders: Folders) -> Path:
    """The one that is named for an environment, or that lies in the folder, or that is named for all, or this one."""
    if environment in folders.pythons:
        return folders.pythons[environment]
    if folders.environments is not None:
        # Not resolved: a virtual environment is known by the place of its link.
        home = folders.environments.absolute() / environment
        if (home / INSTALLED).is_file():
            return home / "bin" / "python"
    return folders.pythons.get("", Path(sys.executable))


_FIND = """
import importlib.util, json, sys
spec = importlib.util.find_spec(sys.argv[1])
places = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps(places[0] if places else None))
"""


@cache
def _package_folder(python: Path, name: str) -> str | None:
    """Where a package lies in an environment; it is not imported."""
    try:
        done = subprocess.run([str(python), "-c", _FIND, name], capture_output=True, text=True, cwd="/")
    except OSError as error:
        raise PeerError(f"{python}: cannot be started: {error.strerror}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PeerError(f"{python}: is no Python that works: {last}")
    found: str | None = json.loads(done.stdout)
    return found
