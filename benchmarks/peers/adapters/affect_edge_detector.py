"""affect-edge's face detector alone, on every frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.config import Config
from edge.inference.catalog import find_model
from edge.recognizers.face_detector import FaceDetector


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The detector of the default configuration."""
    del settings
    face = Config().face
    detector = FaceDetector(
        find_model("face-detection", face.model), min_size=face.min_size, threshold=face.threshold, threads=face.threads
    )

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        return {"found": len(detector(image))}

    return answer
