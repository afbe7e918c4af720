"""Reading Keras models from files: .keras and .h5, of Keras 3 and of legacy Keras."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from converter import environment
from converter.bridge_layers import first_line
from edge.errors import ModelError

HDF5 = (".h5", ".hdf5")

_WITHOUT_CODE = (
    "replace it by stock layers, or save the model with model.export(FOLDER) and convert that folder, with any method "
    "but qat"
)


def load_keras(path: Path) -> Any:
    """Read a model of Keras 3 (.keras, or .h5) without its optimizer.

    Raises
    ------
    ModelError
        The file is missing, truncated, or no Keras model, or it needs code that is not at hand.
    """
    environment.prepare()
    import keras

    _check(path)
    return _read(path, keras, "Keras")


def load_legacy(path: Path) -> Any:
    """Read a model of legacy Keras (.keras, or .h5) without its optimizer; raises as `load_keras` does."""
    environment.prepare()
    import tf_keras

    _check(path)
    return _read(path, tf_keras, "legacy Keras")


def is_legacy(path: Path) -> bool:
    """Whether legacy Keras wrote a .keras or .h5 file; raises `ModelError` where it is missing or damaged."""
    environment.prepare()
    _check(path)
    return not _version(path).startswith("3.")


def _check(path: Path) -> None:
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; save the model as one .keras file with model.save('name.keras')")
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a .keras file or truncated (its zip directory is missing): save it again")


def _version(path: Path) -> str:
    """Of the Keras that wrote a file. What Keras 1 and 2 wrote without one, legacy Keras reads."""
    if path.suffix in HDF5:
        import h5py  # type: ignore[import-untyped]

        try:
            with h5py.File(path, "r") as file:
                if "model_config" not in file.attrs:
                    raise ModelError(
                        f"{path}: holds weights without a model; save the whole model with model.save('name.keras')"
                    )
                version = file.attrs.get("keras_version", "2.")
        except OSError as error:
            raise ModelError(
                f"{path}: not an HDF5 file or truncated ({first_line(error)}): save the model again"
            ) from error
        return version.decode() if isinstance(version, bytes) else str(version)
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: Keras cannot load it: no metadata.json of Keras in it; save it again") from error


def _read(path: Path, package: Any, called: str) -> Any:
    try:
        with environment.quiet():
            model = package.models.load_model(path, compile=False)
    # Keras lets through whatever its readers (zip, HDF5, JSON, user classes) raise.
    except Exception as error:
        own = _own_code(path)
        if own:
            raise ModelError(
                f"{path}: {called} cannot load it without the code of {', '.join(own)}, which is no stock layer: "
                f"{_WITHOUT_CODE}"
            ) from error
        reason = first_line(error)
        hint = f"; {_WITHOUT_CODE}" if "Unknown layer" in reason or "custom_objects" in reason else ""
        raise ModelError(f"{path}: {called} cannot load it: {reason}{hint}") from error
    if not isinstance(model, package.Model):
        raise ModelError(f"{path}: holds a {type(model).__name__}, not a model")
    return model


def _own_code(path: Path) -> list[str]:
    """The classes and functions that a .keras file names and that are none of Keras."""
    if path.suffix in HDF5:  # names no modules, but Keras names the class
        return []
    found: dict[str, None] = {}

    def search(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("registered_name") and not str(part.get("module")).startswith("keras"):
                name = part.get("config") if part.get("class_name") == "function" else part.get("class_name")
                found[f"'{name}'"] = None
            if part.get("class_name") == "__lambda__":
                found["a lambda"] = None
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            search(value)

    try:
        with zipfile.ZipFile(path) as archive:
            search(json.loads(archive.read("config.json")))
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        return []
    return list(found)
