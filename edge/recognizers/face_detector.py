"""From a frame to the faces in it: letterbox, one int8 inference, and the cells that say 'face' read as boxes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edge.features.cells import FloatArray, read_faces
from edge.features.face import PixelInput
from edge.features.letterbox import letterbox
from edge.inference import Accelerator
from edge.inference.interpreter import dequantise, load_model
from edge.observation import Box, Face, Image

MOST_CELLS = 200
"""Cells read in one frame at most, the surest: a crowd of twenty has fewer, and a frame of noise costs no more."""


class FaceDetector:
    """A loaded face detector.

    Parameters
    ----------
    model
        The .tflite file, with its manifest beside it.
    min_size
        Least side of a face (the longer one), as a part of the frame's height.
    threshold
        Least score of a face, 0 to 1; None takes the manifest's.
    threads
        Of the interpreter.
    accelerator
        What computes: see `edge.inference.accelerator`.

    Raises
    ------
    ModelError
        The file is damaged, of another task, or not what its manifest says.
    """

    def __init__(
        self,
        model: Path,
        *,
        min_size: float = 0.0,
        threshold: float | None = None,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
    ) -> None:
        self._interpreter, self.manifest = load_model(
            model, task="face-detection", threads=threads, accelerator=accelerator
        )
        detection = self.manifest.detection
        assert detection is not None  # a face detector's manifest is refused without it
        _, self._height, self._width, _ = self.manifest.input.shape
        self._grid = detection.grid(self._height, self._width)
        self._overlap_limit = detection.overlap_limit
        self._min_size = min_size
        self._least = self._stored_logit(detection.threshold if threshold is None else threshold)
        self._stored = PixelInput(self.manifest.image_input)

    def __call__(self, image: Image) -> list[Face]:
        """The faces in a picture, the largest first.

        Parameters
        ----------
        image
            (height, width) or (height, width, 3) BGR, uint8; of any size.

        Returns
        -------
        Faces of which at least a part is in the picture; a box reaches beyond it where the face does.
        """
        canvas, scale = letterbox(image, self._height, self._width)
        cells = self._interpreter.run(self._stored(canvas))[0]
        picked = np.flatnonzero(cells[:, 0] >= self._least)
        if not picked.size:
            return []
        if picked.size > MOST_CELLS:
            picked = picked[np.argpartition(cells[picked, 0], -MOST_CELLS)[-MOST_CELLS:]]
        boxes, landmarks, scores = read_faces(
            dequantise(cells[picked], self._interpreter.output),
            self._grid.centers[picked],
            self._grid.lengths[picked],
            unit=self._grid.unit,
            overlap_limit=self._overlap_limit,
        )
        return self._faces(boxes / scale, landmarks / scale, scores, image.shape[0], image.shape[1])

    def _stored_logit(self, score: float) -> float:
        """The least number in the output's first column that stands for a score of so much, 0 to 1."""
        if not 0 < score < 1:
            raise ValueError(f"a threshold lies between 0 and 1, not at {score}")
        logit = math.log(score / (1 - score))
        output = self._interpreter.output
        if output.dtype.kind == "f":
            return logit
        # The greatest number stands for whatever lies beyond, so it passes any threshold.
        greatest = int(np.iinfo(output.dtype).max)
        return min(math.ceil(logit / output.scale + output.zero_point), greatest)

    def _faces(
        self, boxes: FloatArray, landmarks: FloatArray, scores: FloatArray, rows: int, columns: int
    ) -> list[Face]:
        """The faces that are large enough and in the frame; boxes and landmarks in pixels of the frame."""
        least = self._min_size * rows
        found = []
        for (x, y, width, height), points, score in zip(
            boxes.tolist(), landmarks.tolist(), scores.tolist(), strict=True
        ):
            if max(width, height) < least:
                continue
            box = Box(round(x), round(y), max(1, round(width)), max(1, round(height)))
            if box.x < columns and box.y < rows and box.x + box.width > 0 and box.y + box.height > 0:
                found.append(Face(box, score, tuple((px, py) for px, py in points)))
        return sorted(found, key=lambda face: face.box.width * face.box.height, reverse=True)
