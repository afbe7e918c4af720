"""Calibration and training data for a conversion: an .npz with arrays x and optionally y, or a folder of pictures."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.face import to_gray

FloatArray = npt.NDArray[np.float32]

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".tif", ".tiff"}


@dataclass(frozen=True)
class Samples:
    """What a conversion measures and learns with."""

    x: FloatArray
    """(n, height, width, channels) real numbers, as the model takes them."""
    y: npt.NDArray[Any] | None
    """(n,) class indices or (n, classes) probabilities; None where there are none."""


def read_samples(path: Path, *, shape: tuple[int, ...], classes: int, pixel_range: tuple[float, float]) -> Samples:
    """Read an .npz file or a folder of pictures.

    Parameters
    ----------
    path
        .npz with `x`, (n, height, width[, channels]) uint8 pixels, or float32 within `pixel_range`, and optionally `y`;
        or a folder, searched through, whose pictures are made grey and scaled to the model's size.
    shape
        (height, width, channels) that the model takes.

    Raises
    ------
    DataError
        Naming the file, and the key or picture, that is wrong.
    """
    if path.is_dir():
        return Samples(_scaled(_read_folder(path, shape), pixel_range), None)
    arrays = _read_npz(path)
    if "x" not in arrays:
        raise DataError(f"{path}: has no array 'x' (it has: {', '.join(arrays) or 'none'}); save np.savez(..., x=...)")
    x = arrays["x"]
    if x.shape[1:] == shape[:-1] and shape[-1] == 1:
        x = x[..., None]
    if x.shape[1:] != shape:
        raise DataError(f"{path}: x has shape {x.shape}, where the model takes (n, {', '.join(map(str, shape))})")
    if len(x) == 0:
        raise DataError(f"{path}: x holds no samples")
    y = arrays.get("y")
    return Samples(_real(path, x, pixel_range), None if y is None else _targets(path, y, len(x), classes))


def _real(path: Path, x: npt.NDArray[Any], pixel_range: tuple[float, float]) -> FloatArray:
    if x.dtype == np.uint8:
        return _scaled(x, pixel_range)
    if x.dtype != np.float32:
        raise DataError(f"{path}: x has dtype {x.dtype}; pixels are uint8, or float32 from low to high")
    if not np.isfinite(x).all():
        raise DataError(f"{path}: x holds NaN or infinite numbers")
    low, high = pixel_range
    if x.min() < low or x.max() > high:
        raise DataError(
            f"{path}: x goes from {x.min():g} to {x.max():g}, where pixels go from {low:g} to {high:g}; "
            "scale it, or tell the model's own range with --pixel-range"
        )
    return x.astype(np.float32, copy=False)


def _targets(path: Path, y: npt.NDArray[Any], count: int, classes: int) -> npt.NDArray[Any]:
    if y.shape == (count,) and y.dtype.kind in "iu":
        if y.min() < 0 or y.max() >= classes:
            raise DataError(
                f"{path}: y goes from {y.min()} to {y.max()}, where the model has the classes 0 to {classes - 1}"
            )
        return y
    if y.shape == (count, classes) and y.dtype.kind == "f":
        if not np.isfinite(y).all() or y.min() < 0 or not np.allclose(y.sum(axis=1), 1, atol=1e-3):
            raise DataError(f"{path}: the rows of y are not probabilities that add up to 1")
        return y.astype(np.float32)
    raise DataError(
        f"{path}: y has shape {y.shape} and dtype {y.dtype}; it must be ({count},) class numbers or "
        f"({count}, {classes}) probabilities"
    )


def _scaled(pixels: npt.NDArray[Any], pixel_range: tuple[float, float]) -> FloatArray:
    low, high = pixel_range
    # In place: a data set may fill much of the memory.
    x: FloatArray = pixels.astype(np.float32)
    x *= (high - low) / 255
    x += low
    return np.clip(x, low, high, out=x)


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an .npz file, or truncated; write one with np.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if key in ("x", "y")} or {
                key: np.empty(0) for key in archive.files
            }
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _read_folder(folder: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    height, width, channels = shape
    if channels != 1:
        raise DataError(f"{folder}: pictures are read as grey, and the model takes {channels} channels; give an .npz")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise DataError(f"{folder}: holds no pictures ({', '.join(sorted(_PICTURES))})")
    pictures = np.empty((len(paths), height, width, 1), np.uint8)
    for index, path in enumerate(tqdm(paths, desc="read", unit="picture", disable=None)):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise DataError(f"{path}: not a picture that OpenCV can read; remove or mend it")
        shrinks = picture.shape[0] > height
        pictures[index, ..., 0] = cv2.resize(
            to_gray(picture.astype(np.uint8)),
            (width, height),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
    return pictures
