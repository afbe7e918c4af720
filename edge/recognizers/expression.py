"""From faces to calibrated probabilities of their expressions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.features.face import PixelInput, crop_face
from edge.inference import Accelerator
from edge.inference.interpreter import load_model
from edge.observation import Face, Image


class ExpressionRecognizer:
    """A loaded expression model.

    Parameters
    ----------
    model
        The .tflite file, with its manifest beside it.
    threads
        Of the interpreter.
    accelerator
        What computes: see `edge.inference.accelerator`.

    Raises
    ------
    ModelError
        The file is damaged, of another task, or not what its manifest says.
    """

    def __init__(self, model: Path, *, threads: int = 1, accelerator: Accelerator = "cpu") -> None:
        self._interpreter, self.manifest = load_model(
            model, task="expression", threads=threads, accelerator=accelerator
        )
        self._size = self.manifest.input.shape[1]
        self._stored = PixelInput(self.manifest.image_input)
        # softmax((scale * (stored - zero_point)) / temperature): the zero point drops out of a softmax.
        self._slope = self.manifest.output.scale / self.manifest.calibration.temperature

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.manifest.labels

    def __call__(self, image: Image, face: Face) -> npt.NDArray[np.float32]:
        """Probabilities of one face's expression.

        Parameters
        ----------
        image
            (height, width) or (height, width, 3) BGR, uint8.
        face
            Box and landmarks in pixels.

        Returns
        -------
        (labels,) float32
            They add up to 1.
        """
        return self.recognize(crop_face(image, face, size=self._size))

    def recognize(self, crop: Image) -> npt.NDArray[np.float32]:
        """Probabilities of a ready-made grey crop, (size, size) uint8 as `crop_face` cuts it."""
        stored = self._interpreter.run(self._stored(crop))[0].tolist()
        # Of so few numbers Python's own are faster than NumPy's calls.
        most = max(stored)
        odds = [math.exp((number - most) * self._slope) for number in stored]
        probabilities: npt.NDArray[np.float32] = np.array(odds, np.float32) / np.float32(sum(odds))
        return probabilities
