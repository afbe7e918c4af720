"""The logits of a model file on many faces: Keras models as trained, TFLite files on the device's own path."""

from __future__ import annotations

import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import MissingDependencyError, ModelError
from edge.features.face import FACE_SIZE, pixel_table
from edge.inference.interpreter import dequantise, load_interpreter, load_model
from edge.inference.manifest import ImageInput, Manifest, manifest_path
from training.datasets.fer2013 import LABELS

BATCH = 256
"""Faces that a Keras model takes at once."""


class FaceModel(ABC):
    """An expression model, opened and checked; `open_face_model` makes one."""

    def __init__(self, path: Path, manifest: Manifest | None, runtime: str) -> None:
        self.path = path
        self.manifest = manifest
        """What lies beside a .tflite file; None where nothing does."""
        self.runtime = runtime
        """What computes the logits, with its version."""

    @abstractmethod
    def _steps(self, images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.float32]]:
        """Logits of the faces in their order, some at a time: each (m, classes)."""

    def logits(self, images: npt.NDArray[np.uint8], *, progress: bool = False) -> npt.NDArray[np.float32]:
        """Logits of faces, before any temperature.

        Parameters
        ----------
        images
            (n, 48, 48) uint8.
        progress
            Draw a progress bar on stderr.

        Returns
        -------
        (n, 7) float32, in the order of `LABELS`

        Raises
        ------
        ModelError
            The outputs are probabilities: the device would take a softmax of a softmax.
        """
        logits = np.zeros((len(images), len(LABELS)), np.float32)
        done = 0
        with tqdm(total=len(images), desc=self.path.name, unit="face", disable=not progress, leave=False) as bar:
            for step in self._steps(images):
                logits[done : done + len(step)] = step
                done += len(step)
                bar.update(len(step))
        # Quantised probabilities may each be off by half a step of 1/256.
        if done and (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1.0, atol=len(LABELS) / 512):
            raise ModelError(
                f"{self.path}: its outputs are probabilities (each row adds up to 1), not logits; "
                "remove the final softmax and save the model again"
            )
        return logits


class KerasFaceModel(FaceModel):
    """A `.keras` file: (n, 48, 48, 1) float32 from 0 to 1 -> logits."""

    def __init__(self, path: Path) -> None:
        if not zipfile.is_zipfile(path):
            raise ModelError(f"{path}: not a .keras file, or cut short; save the model again")
        # TensorFlow greets with a page of notices otherwise; who wants them sets the variable.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            import keras
        except ImportError:
            raise MissingDependencyError("keras", "train", "evaluating a .keras model") from None
        try:
            self._model = keras.models.load_model(path, compile=False)
        # Keras has no error of its own for a damaged file: zip, JSON, h5py and layer errors all come through.
        except Exception as error:
            raise ModelError(f"{path}: not a readable Keras 3 model: {_first_line(error)}") from error
        # A Sequential model saved before it saw an input has neither.
        _check_shapes(path, getattr(self._model, "input_shape", ()), getattr(self._model, "output_shape", ()))
        backend = keras.backend.backend()
        # On a CPU the TensorFlow backend runs through XLA otherwise, which is many times slower there.
        if backend == "tensorflow":
            self._model.jit_compile = False
        super().__init__(path, None, f"keras {keras.__version__}, {backend} {installed_version(backend)}")

    def _steps(self, images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(images), BATCH):
            faces = images[start : start + BATCH, :, :, None].astype(np.float32) / np.float32(255)
            yield np.asarray(self._model.predict_on_batch(faces), np.float32)


class TfliteFaceModel(FaceModel):
    """A `.tflite` file, float32 or int8, run face by face as the device does it.

    Where a manifest lies beside the file, it must fit; without one, the numbers that the file itself gives for its
    quantisation are used and pixels are taken to run from 0 to 1.
    """

    def __init__(self, path: Path) -> None:
        manifest: Manifest | None = None
        if manifest_path(path).is_file():
            self._interpreter, manifest = load_model(path, task="expression")
            if manifest.labels != LABELS:
                raise ModelError(
                    f"{path}: its labels are {', '.join(manifest.labels)}, where FER-2013's are {', '.join(LABELS)}"
                )
            spec = manifest.image_input
        else:
            self._interpreter = load_interpreter(path)
            tensor = self._interpreter.input
            if tensor.dtype.name not in ("int8", "uint8", "float32"):
                raise ModelError(
                    f"{path}: takes {tensor.dtype.name}; models that take int8, uint8 or float32 can be used"
                )
            spec = ImageInput.model_validate(
                {
                    "shape": tensor.shape,
                    "dtype": tensor.dtype.name,
                    "scale": tensor.scale,
                    "zero_point": tensor.zero_point,
                }
            )
        _check_shapes(path, self._interpreter.input.shape, self._interpreter.output.shape)
        self._table = pixel_table(spec)
        super().__init__(path, manifest, self._interpreter.runtime)

    def _steps(self, images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.float32]]:
        shape = self._interpreter.input.shape
        for image in images:
            yield dequantise(self._interpreter.run(self._table[image].reshape(shape)), self._interpreter.output)


def open_face_model(path: Path) -> FaceModel:
    """Open a `.keras` or `.tflite` file as an expression model.

    Raises
    ------
    ModelError
        The file is missing, of another kind, damaged, made for another task, or has other inputs or outputs than
        (1, 48, 48, 1) -> (1, 7).
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    if path.suffix == ".keras":
        return KerasFaceModel(path)
    if path.suffix == ".tflite":
        return TfliteFaceModel(path)
    raise ModelError(f"{path}: models that end in .keras or .tflite can be evaluated, not '{path.suffix}'")


def installed_version(package: str) -> str:
    """Version of an installed package, or 'unknown'."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _check_shapes(path: Path, takes: Any, gives: Any) -> None:
    """Refuse another picture size or number of classes. Keras gives lists of shapes where there are several tensors."""
    wanted_in, wanted_out = (FACE_SIZE, FACE_SIZE, 1), (len(LABELS),)
    if tuple(takes[1:]) != wanted_in:
        raise ModelError(f"{path}: takes {_plain(takes)} where an expression model takes (n, 48, 48, 1)")
    if tuple(gives[1:]) != wanted_out:
        raise ModelError(f"{path}: gives {_plain(gives)} where one output of (n, {len(LABELS)}) logits is needed")


def _plain(shape: Any) -> str:
    """A shape as NumPy writes it, with n for the batch axis."""
    return str(tuple(shape)).replace("None", "n")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
