"""Calibration data from a folder that tf.data.Dataset.save wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import environment
from edge.errors import DataError


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a saved tf.data set."""
    return (folder / "dataset_spec.pb").is_file() or (folder / "snapshot.metadata").is_file()


def read(folder: Path, shape: tuple[int, ...], *, progress: bool) -> dict[str, npt.NDArray[Any]]:
    """All elements of a saved set, as arrays x and, where its elements are pairs, y.

    Parameters
    ----------
    shape
        Of one sample: what has one axis more is a batch.

    Raises
    ------
    DataError
        It cannot be read, or its elements are neither x nor (x, y).
    """
    environment.prepare()
    import tensorflow as tf

    try:
        dataset = tf.data.Dataset.load(str(folder))
    except Exception as error:  # a protocol buffer may break in many ways
        raise DataError(f"{folder}: not a saved tf.data set that can be read: {_line(error)}") from None
    spec = dataset.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    if len(parts) not in (1, 2) or not all(isinstance(part, tf.TensorSpec) for part in parts):
        raise DataError(f"{folder}: its elements are {spec}; x or (x, y) of plain tensors is read")
    if parts[0].shape.rank in (len(shape) + 1, None):
        dataset = dataset.unbatch()
    columns: list[list[npt.NDArray[Any]]] = [[] for _ in parts]
    try:
        # TensorFlow tells at length of what it cannot read; the bar goes round `quiet`.
        with os.fdopen(os.dup(2), "w") as terminal, environment.quiet():
            elements = dataset.as_numpy_iterator()
            for element in tqdm(
                elements, desc="read", unit="sample", file=terminal, disable=None if progress else True
            ):
                values = element if isinstance(element, tuple) else (element,)
                for column, value in zip(columns, values, strict=True):
                    column.append(np.asarray(value))
    except (tf.errors.OpError, ValueError) as error:
        raise DataError(f"{folder}: its data cannot be read: {_line(error)}") from None
    if not columns[0]:
        raise DataError(f"{folder}: holds no samples")
    return {
        key: _stacked(f"{folder}: {key}", column) for key, column in zip(("x", "y"), columns, strict=False) if column
    }


def _stacked(what: str, column: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if kinds := sorted({str(each.shape) for each in column[1:] if each.shape != column[0].shape}):
        raise DataError(f"{what}: its elements have different shapes: {column[0].shape}, {', '.join(kinds[:3])}")
    return np.stack(column)


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
