"""YuNet (Wu, Peng and Yu 2023) through OpenCV's FaceDetectorYN, with OpenCV's own thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """Score 0.9, overlap 0.3, 5000 candidates: what OpenCV's example has."""
    if settings["threads"] == "one":
        cv2.setNumThreads(1)
    model = settings["files"]["face_detection_yunet_2023mar.onnx"]
    detector = cv2.FaceDetectorYN.create(model, "", (320, 320), 0.9, 0.3, 5000)

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        detector.setInputSize((image.shape[1], image.shape[0]))
        faces = detector.detect(image)[1]
        return {"found": 0 if faces is None else len(faces)}

    return answer
