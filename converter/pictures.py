"""A folder of pictures as calibration data; its sub-folders may be the classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.face import to_gray

if TYPE_CHECKING:
    from converter.sources import Wanted

logger = logging.getLogger(__name__)

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm", ".tif", ".tiff"}


def read(
    folder: Path, wanted: Wanted, *, most: int | None, seed: int, progress: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Input, targets and labels of a folder; see `data.read_data`.

    Raises
    ------
    DataError
        The model takes no pictures, the folder holds none, or one cannot be read.
    """
    from converter.sources import drawn, scaled

    height, width, channels = _sides(folder, wanted)
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    labels = _classes(folder, paths, wanted)
    paths = [paths[index] for index in drawn(len(paths), most, seed)]
    pixels = np.empty((len(paths), height, width, channels), np.uint8)
    for index, path in enumerate(tqdm(paths, desc="read", unit="picture", disable=None if progress else True)):
        pixels[index] = _read_picture(path, height, width, channels)
    x = scaled(pixels.reshape(len(paths), *wanted.shape), wanted.pixel_range)
    if labels is None:
        return x, None, None
    return x, np.array([labels.index(_class_of(folder, path)) for path in paths], np.int64), labels


def _sides(folder: Path, wanted: Wanted) -> tuple[int, int, int]:
    sides = wanted.shape if len(wanted.shape) == 3 else (*wanted.shape, 1)
    if len(sides) != 3 or sides[2] not in (1, 3) or wanted.dtype != np.float32:
        raise DataError(
            f"{folder}: a folder is read as pictures, and the model takes {wanted.dtype} of shape {wanted.shape}, not "
            "(height, width, 1 or 3); give an .npz, or a folder written by tf.data.Dataset.save"
        )
    return sides[0], sides[1], sides[2]


def _class_of(folder: Path, path: Path) -> str:
    """The sub-folder that a picture lies in; empty for the folder itself."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def _classes(folder: Path, paths: Sequence[Path], wanted: Wanted) -> tuple[str, ...] | None:
    """The labels that the sub-folders stand for; None where they are no classes."""
    names = sorted({_class_of(folder, path) for path in paths})
    if wanted.classes is None or names == [""]:
        return None
    if wanted.labels is not None and set(names) <= set(wanted.labels):
        return wanted.labels
    if wanted.labels is None and "" not in names and len(names) == wanted.classes:
        return tuple(names)
    logger.warning(
        "%s: its sub-folders (%s) are not taken as classes: the model has %d outputs%s",
        folder,
        ", ".join(name or "." for name in names[:10]),
        wanted.classes,
        "" if wanted.labels is None else f", {', '.join(wanted.labels)}",
    )
    return None


def _read_picture(path: Path, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """(height, width, channels), grey or RGB."""
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV's limit
        picture = None
    if picture is None:
        raise DataError(f"{path}: not a picture that OpenCV can read; remove or mend it")
    picture = picture.astype(np.uint8)
    plain = to_gray(picture) if channels == 1 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    way = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    result: npt.NDArray[np.uint8] = cv2.resize(plain, (width, height), interpolation=way)
    return result.reshape(height, width, channels)
