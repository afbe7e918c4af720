"""Where the installed models lie, and how to find one by its name.

A models folder is laid out as <task>/<name>.tflite, with the manifest <name>.json and the card <name>.md beside it.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ModelError
from edge.inference.manifest import manifest_path

MODELS_VARIABLE = "AFFECT_EDGE_MODELS"
"""Environment variable that names a models folder to look in before all others."""

_SHARE = Path("share", "affect-edge", "models")
_SUFFIX = ".tflite"


@dataclass(frozen=True, slots=True, order=True)
class InstalledModel:
    """One model file in a models folder. Nothing of it has been read yet."""

    task: str
    """The folder that it lies in, empty for a file outside a models folder. `verify_model` finds where its manifest
    disagrees."""
    name: str
    path: Path
    """The .tflite file."""

    @property
    def manifest(self) -> Path:
        return manifest_path(self.path)

    @property
    def card(self) -> Path:
        """The model card, Markdown."""
        return self.path.with_suffix(".md")


def model_folders() -> list[Path]:
    """The folders to look in, first to last, whether they exist or not.

    $AFFECT_EDGE_MODELS; the models/ of a checkout; then where an installed wheel puts its data: beside the package (pip
    install --target), under the prefix that the package lies in (Debian's pip uses /usr/local while Python says /usr),
    Python's own prefix, the user's. What came with this very package goes before what another one left.
    """
    package = Path(__file__).resolve().parents[1]
    root = package.parent
    folders = [root / "models", root / _SHARE]
    if chosen := os.environ.get(MODELS_VARIABLE):
        folders.insert(0, Path(chosen))
    if root.name in ("site-packages", "dist-packages"):
        # <prefix>/lib/python3.x/site-packages
        folders.append(root.parents[2] / _SHARE)
    folders.append(Path(sys.prefix) / _SHARE)
    if site.USER_BASE:
        folders.append(Path(site.USER_BASE) / _SHARE)
    return list(dict.fromkeys(folders))


def list_models(folders: Sequence[Path] | None = None) -> list[InstalledModel]:
    """All models in the folders, sorted by task and name; of two with the same task and name, the first found."""
    found: dict[tuple[str, str], InstalledModel] = {}
    for folder in model_folders() if folders is None else folders:
        for path in folder.glob(f"*/*{_SUFFIX}"):
            found.setdefault((path.parent.name, path.stem), InstalledModel(path.parent.name, path.stem, path))
    return sorted(found.values())


def find_model(task: str = "expression", name: str | None = None, folders: Sequence[Path] | None = None) -> Path:
    """Find a model file by its name or take the path that was given instead of one.

    Parameters
    ----------
    task
        The folder to look in.
    name
        A model's name, or a path to a .tflite file; None is the task's own model, which has the task's name.
    folders
        Where to look instead of `model_folders()`.

    Raises
    ------
    ModelError
        There is none; the message names where it was looked for.
    """
    name = task if name is None else name
    if name.endswith(_SUFFIX) or os.sep in name:
        path = Path(name)
        with contextlib.suppress(RuntimeError):  # no home folder: "~" stays as it is, and will not be found
            path = path.expanduser()
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; `affect-edge models` lists those installed")
        return path
    looked_in = model_folders() if folders is None else folders
    for folder in looked_in:
        path = folder / task / f"{name}{_SUFFIX}"
        if path.is_file():
            return path
    others = [model.name for model in list_models(looked_in) if model.task == task]
    mend = f"installed are: {', '.join(others)}" if others else "install affect-edge again or give the path of a file"
    raise ModelError(
        f"no model '{name}' for the task '{task}' in {', '.join(str(folder) for folder in looked_in)}; {mend}"
    )
