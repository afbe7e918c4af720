"""What calibration data comes from: an .npz file, a folder of pictures, a saved tf.data set, a recipe's own data."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.subject import Subject
from edge.errors import DataError

RECIPE = "recipe:"
RECIPE_GROUP = "affect_edge.recipe_samples"
"""Entry-point group of a function (name, data_dir, count, seed, shape) -> `Raw`; training provides it."""


@dataclass(frozen=True)
class Wanted:
    """What a model takes and gives, as far as data has to fit it."""

    shape: tuple[int, ...]
    """Of one sample."""
    dtype: np.dtype[Any]
    output_shape: tuple[int, ...]
    """Of one answer."""
    input_range: tuple[float, float] | None
    labels: tuple[str, ...] | None

    @classmethod
    def of(
        cls, subject: Subject, input_range: tuple[float, float] | None, labels: tuple[str, ...] | None = None
    ) -> Wanted:
        return cls(subject.shape, subject.dtype, subject.output_shape, input_range, labels)

    @property
    def classes(self) -> int | None:
        """How many; None for a model that is no classifier."""
        return self.output_shape[0] if len(self.output_shape) == 1 and self.output_shape[0] > 1 else None

    @property
    def pixel_range(self) -> tuple[float, float]:
        """What pixel values 0 and 255 stand for."""
        return self.input_range or (0.0, 1.0)


@dataclass(frozen=True)
class Raw:
    """What a source holds; fits the model."""

    x: npt.NDArray[Any]
    y: npt.NDArray[Any] | None = None
    x_validation: npt.NDArray[Any] | None = None
    y_validation: npt.NDArray[Any] | None = None
    labels: tuple[str, ...] | None = None
    input_range: tuple[float, float] | None = None


def read_source(
    source: str, wanted: Wanted, *, data_dir: Path | None, most: int | None, seed: int, progress: bool
) -> Raw:
    """See `data.read_data`."""
    from converter import pictures, tf_datasets

    if source.startswith(RECIPE):
        return _read_recipe(source, wanted, data_dir, most, seed)
    path = Path(source)
    if path.is_dir():
        if tf_datasets.is_dataset(path):
            arrays = tf_datasets.read(path, wanted.shape, progress=progress)
            return _fitted(source, Raw(**_drawn(arrays, most, seed)), wanted)
        x, y, labels = pictures.read(path, wanted, most=most, seed=seed, progress=progress)
        return Raw(x, y, labels=labels, input_range=wanted.pixel_range)
    return _fitted(source, Raw(**_drawn(_read_npz(path), most, seed)), wanted)


def _fitted(source: str, raw: Raw, wanted: Wanted) -> Raw:
    """The same, as the model takes it; raises `DataError`."""
    if raw.x_validation is not None and raw.x_validation.dtype != raw.x.dtype:
        raise DataError(f"{source}: x is {raw.x.dtype} and x_validation {raw.x_validation.dtype}; save both alike")
    if raw.x_validation is None and raw.y_validation is not None:
        raise DataError(f"{source}: has y_validation without x_validation")
    x, y = _fitted_part(source, "", raw.x, raw.y, wanted)
    x_validation, y_validation = (
        _fitted_part(source, "_validation", raw.x_validation, raw.y_validation, wanted)
        if raw.x_validation is not None
        else (None, None)
    )
    pixels = raw.x.dtype == np.uint8
    ends = raw.input_range or (wanted.pixel_range if pixels else wanted.input_range)
    return Raw(x, y, x_validation, y_validation, raw.labels, ends)


def _fitted_part(
    source: str, part: str, x: npt.NDArray[Any], y: npt.NDArray[Any] | None, wanted: Wanted
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    fitted = fit_input(f"{source}: x{part}", x, wanted)
    return fitted, None if y is None else fit_targets(f"{source}: y{part}", y, len(x), wanted)


def fit_input(what: str, x: npt.NDArray[Any], wanted: Wanted) -> npt.NDArray[Any]:
    """Check one array of input, and scale pixels.

    Raises
    ------
    DataError
        Beginning with `what`.
    """
    if wanted.shape[-1:] == (1,) and x.shape[1:] == wanted.shape[:-1]:
        x = x[..., None]
    if x.shape[1:] != wanted.shape or x.ndim == 0:
        raise DataError(f"{what} has shape {x.shape}, where the model takes (n, {', '.join(map(str, wanted.shape))})")
    if len(x) == 0:
        raise DataError(f"{what} holds no samples")
    if wanted.dtype == np.int32:
        return _ids(what, x)
    if x.dtype == np.uint8 and len(wanted.shape) in (2, 3):
        return scaled(x, wanted.pixel_range)
    if x.dtype.kind != "f":
        raise DataError(f"{what} has dtype {x.dtype}; pixels of pictures are uint8, all else float32: save it as such")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    if not np.isfinite(x).all():
        raise DataError(f"{what} holds NaN or infinite numbers")
    if wanted.input_range is not None:
        low, high = wanted.input_range
        if x.min() < low or x.max() > high:
            raise DataError(
                f"{what} goes from {x.min():g} to {x.max():g}, where the input goes from {low:g} to {high:g}; "
                "scale it, or tell the model's own range with --pixel-range"
            )
    return x


def fit_targets(what: str, y: npt.NDArray[Any], count: int, wanted: Wanted) -> npt.NDArray[Any]:
    """Check one array of targets; see `data.Samples.y` for the kinds.

    Raises
    ------
    DataError
        Beginning with `what`.
    """
    classes = wanted.classes
    if classes is None:
        if y.shape != (count, *wanted.output_shape) or y.dtype.kind != "f" or not np.isfinite(y).all():
            raise DataError(
                f"{what} has shape {y.shape} and dtype {y.dtype}; for a model that is no classifier it must be finite "
                f"float32, ({', '.join(map(str, (count, *wanted.output_shape)))})"
            )
        return y.astype(np.float32)
    if y.shape == (count,) and y.dtype.kind in "iu":
        if y.min() < 0 or y.max() >= classes:
            raise DataError(
                f"{what} goes from {y.min()} to {y.max()}, where the model has the classes 0 to {classes - 1}"
            )
        return y.astype(np.int64)
    if y.shape == (count, classes) and y.dtype.kind == "f":
        if not np.isfinite(y).all() or y.min() < 0 or not np.allclose(y.sum(axis=1), 1, atol=1e-3):
            raise DataError(
                f"{what}: its rows are not probabilities that add up to 1; where several classes may hold at once, "
                "save integers 0 and 1"
            )
        return y.astype(np.float32)
    if y.shape == (count, classes) and y.dtype.kind in "iub":
        if y.min() < 0 or y.max() > 1:
            raise DataError(f"{what}: integers of shape (n, classes) must be 0 and 1")
        return y.astype(np.int8)
    raise DataError(
        f"{what} has shape {y.shape} and dtype {y.dtype}; it must be ({count},) class numbers or ({count}, {classes}) "
        "probabilities"
    )


def scaled(pixels: npt.NDArray[np.uint8], ends: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Pixels as real numbers, 0 and 255 standing for the ends."""
    low, high = ends
    # In place: a data set may fill much of the memory.
    x: npt.NDArray[np.float32] = pixels.astype(np.float32)
    x *= (high - low) / 255
    x += low
    return np.clip(x, low, high, out=x)


def drawn(count: int, most: int | None, seed: int) -> npt.NDArray[np.intp]:
    """Numbers of at most `most` of `count` samples, in their order."""
    if most is None or count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _ids(what: str, x: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    if x.dtype.kind not in "iu":
        raise DataError(f"{what} has dtype {x.dtype}, where the model takes whole numbers: save int32")
    if x.min() < 0 or x.max() > np.iinfo(np.int32).max:
        raise DataError(f"{what} goes from {x.min()} to {x.max()}: no numbers of a table's rows")
    return x.astype(np.int32)


def _drawn(arrays: dict[str, npt.NDArray[Any]], most: int | None, seed: int) -> dict[str, Any]:
    for part in ("", "_validation"):
        keys = [key for key in (f"x{part}", f"y{part}") if key in arrays and arrays[key].ndim]
        if len({len(arrays[key]) for key in keys}) == 1:  # what does not fit together is refused later
            picked = drawn(len(arrays[keys[0]]), most, seed)
            arrays |= {key: arrays[key][picked] for key in keys}
    return arrays


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an .npz file, or truncated; write one with np.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            arrays = {key: archive[key] for key in ("x", "y", "x_validation", "y_validation") if key in names}
    except (OSError, ValueError, zipfile.BadZipFile, zipfile.zlib.error, EOFError) as error:  # type: ignore[attr-defined]
        raise DataError(f"{path}: cannot be read: {error}") from None
    if "x" not in arrays:
        raise DataError(f"{path}: has no array 'x' (it has: {', '.join(names) or 'none'}); save np.savez(..., x=...)")
    return arrays


def _read_recipe(source: str, wanted: Wanted, data_dir: Path | None, most: int | None, seed: int) -> Raw:
    name = source.removeprefix(RECIPE)
    if data_dir is None:
        raise DataError(f"{source}: name the folder of its public data with --data-dir")
    entries = list(entry_points(group=RECIPE_GROUP))
    if not entries:
        raise DataError(f"{source}: needs the recipes: install them with  pip install 'affect-edge[train]'")
    raw: Raw = entries[0].load()(name, data_dir, most, seed, wanted.shape)
    return _fitted(source, raw, wanted)
