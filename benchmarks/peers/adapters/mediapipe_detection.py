"""MediaPipe's BlazeFace, the short-range model, through `mp.solutions.face_detection` with its own defaults."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """Its conversion to RGB is part of each frame, as in MediaPipe's example."""
    del settings
    detector = import_module("mediapipe").solutions.face_detection.FaceDetection()

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        return {"found": len(detector.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).detections or ())}

    return answer
