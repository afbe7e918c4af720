"""DeepFace (Serengil): `DeepFace.analyze` with the emotion alone and its own defaults, OpenCV's cascade among them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2

WEIGHTS = "facial_expression_model_weights.onnx"


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """No face is an empty answer here, not the error that it is by default."""
    package = _package(settings)
    no_face = import_module("deepface.modules.exceptions").FaceNotDetected

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        try:
            faces = package.analyze(image, actions=["emotion"], silent=True)
        except no_face:
            faces = []
        return {"found": len(faces), "label": faces[0]["dominant_emotion"] if faces else None}

    return answer


def expressions(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, float]]:
    """The same with its detection skipped."""
    package = _package(settings)

    def answer(face: Any, about: dict[str, Any]) -> dict[str, float]:
        del about
        picture = cv2.cvtColor(face, cv2.COLOR_GRAY2BGR)
        read = package.analyze(picture, actions=["emotion"], detector_backend="skip", silent=True)[0]["emotion"]
        return {label: float(value) for label, value in read.items()}

    return answer


def _package(settings: dict[str, Any]) -> Any:
    if settings["threads"] == "one":
        cv2.setNumThreads(1)
    # It looks for its files there and would download them: these are the user's files and nothing else.
    os.environ["DEEPFACE_HOME"] = settings["scratch"]
    folder = Path(settings["scratch"], ".deepface", "weights")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in settings["files"].items():
        if not (folder / name).exists():
            (folder / name).symlink_to(path)
    return import_module("deepface").DeepFace
