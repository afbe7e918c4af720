"""The emulated board that instructions are counted on: the versions that it always has, and what counts them.

It is `aarch64_root`'s folder with the package's other dependencies, of versions that are pinned here: a count belongs
to them, and a release of one of them shall not look like a change of this project.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import aarch64_root
from benchmarks.ending import last_line
from benchmarks.fetching import UnavailableError, call
from edge.errors import MissingDependencyError, ModelError

CHECKOUT = Path(__file__).resolve().parents[1]

PINS = {
    "ai-edge-litert": "2.3.0",
    "numpy": "2.4.6",
    "opencv-python-headless": "4.14.0.94",
    "pydantic": "2.14.3",
    "pydantic-core": "2.50.4",
    "annotated-types": "0.8.0",
    "typing-inspection": "0.4.5",
    "soundfile": "0.14.0",
    "cffi": "2.1.1",
    "pycparser": "3.12",
    "tqdm": "4.70.1",
}
"""What is counted with. Whoever changes one records anew: python -m benchmarks.instructions --write."""

# The one of qemu-user-static is linked statically and cannot load a plugin.
_QEMU = "qemu-aarch64"
_COUNTER = Path(__file__).with_name("instructions_counter.c")
_PACKAGES = Path("opt", "counted")
_STAMP = Path(".pins")
_COMPILED = _PACKAGES / ".compiled"
"""What Python compiled of itself and of the packages; the project is compiled anew each time, as its files change."""
_PROJECT = Path("affect-edge")
_PORTRAIT = Path("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")

_TAKEN = ("edge", "benchmarks", "models")
"""Of the checkout."""

_FIXED = {
    # Sets and dicts of text have the same order in each run.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPYCACHEPREFIX": f"/{_COMPILED}",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",
    "PATH": "/usr/bin",
}

# Guest addresses do not depend on the host's then: the caches of Python's type system are hashed by addresses.
_RESERVED = "0x2000000000"


@dataclass(frozen=True)
class Mark:
    """What the counter said when the guest asked for it."""

    instructions: int
    threads: int


def missing_tools(root: Path) -> list[str]:
    """What this machine lacks."""
    found = aarch64_root.missing_tools(root)
    if not shutil.which(_QEMU):
        found.append(f"{_QEMU} is not installed: apt install qemu-user")
    if not shutil.which("gcc"):
        found.append("gcc is not installed, which compiles the counter: apt install gcc libc6-dev")
    return found


def prepare(root: Path = aarch64_root.DEFAULT) -> None:
    """Make the folder where it is not there yet, and put the pinned packages into it: some 110 MB more.

    Raises
    ------
    UnavailableError
        A tool is missing, a download fails.
    """
    if missing := missing_tools(root):
        raise UnavailableError(f"instructions: {'; '.join(missing)}")
    aarch64_root.build(root)
    folder, stamp = root / _PACKAGES, json.dumps(PINS)
    with aarch64_root.locked(root):
        if (folder / _STAMP).is_file() and (folder / _STAMP).read_text() == stamp:
            return
        if not os.access(root, os.W_OK):
            raise UnavailableError(f"instructions: {folder} cannot be made: run it once with sudo")
        shutil.rmtree(folder, ignore_errors=True)
        # The folder's own wheels serve where they are of the version.
        there = {path.name.removesuffix(".dist-info") for path in (root / aarch64_root.WHEELS).glob("*.dist-info")}
        wanted = [
            f"{name}=={version}" for name, version in PINS.items() if f"{name.replace('-', '_')}-{version}" not in there
        ]
        aarch64_root.install(folder, wanted, "--no-deps")
        _compile(root)
        (folder / _STAMP).write_text(stamp)


def _compile(root: Path) -> None:
    """Keep what Python compiles of everything but the project, which saves some 10 s of each start."""
    with guest(root, next(iter(aarch64_root.BOARDS))) as place:
        code = "import benchmarks.instructions_child"
        # By its own name: QEMU finds files in the guest's folder, but makes none there.
        kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(root / _COMPILED)}
        done = place.run("-c", code, environment=kept)
    if done.returncode:
        raise UnavailableError(f"instructions: {done.stderr.strip().splitlines()[-1]}")
    shutil.rmtree(root / _COMPILED / _PROJECT)


class Guest:
    """A folder that an emulated processor takes for its own, with this project in it.

    Its names are the same on each machine, and it is not shared: several can run at once.

    Parameters
    ----------
    root
        That was prepared.
    cpu
        One of `aarch64_root.BOARDS`.
    folder
        Empty, writable.
    source
        The checkout whose package is run, with its models.
    """

    def __init__(self, root: Path, cpu: str, folder: Path, source: Path = CHECKOUT) -> None:
        self.cpu = cpu
        self._folder = folder / "guest"
        self._marks = folder / "marks.txt"
        self._plugin = folder / "counter.so"
        self._folder.mkdir()
        for entry in root.iterdir():
            if entry.name not in ("proc", "tmp"):
                (self._folder / entry.name).symlink_to(entry)
        (self._folder / "tmp").mkdir()
        (self._folder / "proc").mkdir()
        (self._folder / "proc" / "cpuinfo").write_text(aarch64_root.cpuinfo(cpu))
        project = self._folder / _PROJECT
        project.mkdir()
        for name in _TAKEN:
            # A copy: who edits meanwhile does no harm, and nothing that Python compiled before is in it.
            taken = (CHECKOUT if name == "benchmarks" else source) / name
            shutil.copytree(taken, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        self._take_portrait(project)

    def take_command(self) -> None:
        """Let `python -m edge` find its subcommands there, as they are installed here."""
        here = distribution("affect-edge")
        folder = self._folder / _PROJECT / f"affect_edge-{here.version}.dist-info"
        folder.mkdir()
        # As pip writes it, or as it stands in a checkout.
        (folder / "METADATA").write_text(here.read_text("METADATA") or here.read_text("PKG-INFO") or "")
        (folder / "entry_points.txt").write_text(here.read_text("entry_points.txt") or "")

    def _take_portrait(self, project: Path) -> None:
        """The demonstration reads it out of a package that need not be there as a whole."""
        spec = find_spec("matplotlib")
        found = Path(spec.origin).parents[1] / _PORTRAIT if spec and spec.origin else None
        if found is None or not found.is_file():
            raise MissingDependencyError("matplotlib", "demo", "the portrait of the built-in demonstration")
        (project / _PORTRAIT).parent.mkdir(parents=True)
        shutil.copy(found, project / _PORTRAIT)

    def command(self, *options: str) -> list[str]:
        """What starts Debian's Python there: the emulator with these options of its own."""
        python = Path("usr", "bin", aarch64_root.PYTHON)
        emulator = [shutil.which(_QEMU) or _QEMU, "-L", str(self._folder), "-cpu", self.cpu, *options]
        return [*emulator, "-0", f"/{python}", str(self._folder / python), "-S", "-s", "-P"]

    def run(
        self, *arguments: str, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Python with these arguments, to its end; variables beside those that are the same in each run."""
        path = ":".join(f"/{place}" for place in (_PROJECT, _PACKAGES, aarch64_root.WHEELS))
        return subprocess.run(
            [*self.command(*options), *arguments],
            capture_output=True,
            text=True,
            cwd="/",
            env={**_FIXED, "PYTHONPATH": path, **(environment or {})},
        )

    def count(self, module: str, asked: Mapping[str, Any], *, seed: int = 0) -> tuple[dict[str, Any], list[Mark]]:
        """Run a module of this project that answers with JSON, and what was noted meanwhile.

        Raises
        ------
        ModelError
            It fails; QEMU has no plugins.
        """
        if not self._plugin.exists():
            call(["gcc", "-O2", "-shared", "-fPIC", "-o", str(self._plugin), str(_COUNTER)], "instructions")
        options = ["-plugin", f"{self._plugin},out={self._marks}", "-R", _RESERVED, "-seed", "1", "-U", "LD_PRELOAD"]
        chosen = {"PYTHONHASHSEED": str(seed), "AFFECT_EDGE_SEED": str(seed), "LD_PRELOAD": str(self._plugin)}
        done = self.run("-m", module, json.dumps(asked), options=options, environment=chosen)
        if done.returncode or not done.stdout:
            raise ModelError(f"{self.cpu}: {module} ended with code {done.returncode}: {last_line(done.stderr)}")
        marks = [Mark(*map(int, line.split())) for line in self._marks.read_text().splitlines()]
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer, marks


@contextlib.contextmanager
def guest(root: Path, cpu: str, source: Path = CHECKOUT) -> Iterator[Guest]:
    """A board for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        yield Guest(root, cpu, Path(folder), source)


def differing(recorded: Mapping[str, str], here: Mapping[str, str]) -> Sequence[str]:
    """Which versions are not the recorded ones: 'numpy: recorded with 2.4.6, here 2.5.0'."""
    return [
        f"{name}: recorded with {recorded.get(name, 'none')}, here {here.get(name, 'none')}"
        for name in sorted({*recorded, *here})
        if recorded.get(name) != here.get(name)
    ]
