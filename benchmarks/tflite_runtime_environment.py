"""A virtual environment with tflite-runtime 2.14 and NumPy 1, for it cannot live with what this project runs on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.fetching import UnavailableError, call

DEFAULT = Path(__file__).resolve().parents[1] / ".venv-tflite-runtime"
"""In the checkout, beside its other environments; `make clean` removes it."""

PACKAGES = ("numpy<2", "tflite-runtime==2.14.0")
"""The last one that was published; built for NumPy 1."""

PYTHONS = ("3.11", "3.10", "3.9")
"""That it has wheels for, the newest first."""

_DONE = ".installed"


def environment_python(folder: Path = DEFAULT) -> Path:
    """The environment's Python; the environment is made where it is not there yet, which downloads some 20 MB.

    Raises
    ------
    UnavailableError
        No Python that tflite-runtime has wheels for is installed; pip fails; the folder holds something else. What was
        begun is removed.
    """
    python = folder / "bin" / "python"
    if (folder / _DONE).is_file():
        return python
    if folder.is_dir() and any(folder.iterdir()):
        raise UnavailableError(
            f"{folder}: holds something else, or an environment cut short: remove it, or name another"
        )
    interpreter = _find_python()
    try:
        call([interpreter, "-m", "venv", str(folder)], "tflite-runtime")
        call([str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *PACKAGES], "tflite-runtime")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _DONE).touch()
    return python


def _find_python() -> str:
    if f"{sys.version_info.major}.{sys.version_info.minor}" in PYTHONS:
        return sys.executable
    for version in PYTHONS:
        found = shutil.which(f"python{version}")
        # It may be a version manager's stand-in that starts nothing.
        if found and subprocess.run([found, "-V"], capture_output=True).returncode == 0:
            return found
    raise UnavailableError(
        f"tflite-runtime: none of Python {', '.join(PYTHONS)} is installed, and it has wheels for no others: install "
        f"one, for example python{PYTHONS[0]} with its venv module"
    )
