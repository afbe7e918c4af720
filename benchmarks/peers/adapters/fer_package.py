"""The `fer` package: a Haar cascade, then mini_XCEPTION, as TFLite (its default) or with Keras."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """`FER().detect_emotions`; option 'tflite' is its own `use_tflite`."""
    _restrain(settings)
    detector = import_module("fer.fer").FER(use_tflite=settings["options"]["tflite"])

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        faces = detector.detect_emotions(image)
        return {"found": len(faces), "label": _surest(faces[0]["emotions"]) if faces else None}

    return answer


def expressions(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, float]]:
    """Its network on a face alone, prepared as the package prepares a face that it has cut out."""
    import cv2
    import numpy as np

    _restrain(settings)
    detector = import_module("fer.fer").FER(use_tflite=settings["options"]["tflite"])

    def answer(face: Any, about: dict[str, Any]) -> dict[str, float]:
        del about
        scaled = (cv2.resize(face, (64, 64)).astype("float32") / 255.0 - 0.5) * 2.0
        numbers = np.asarray(detector._classify_emotions(scaled[None]))[0]
        return {label: float(numbers[place]) for place, label in detector._get_labels().items()}

    return answer


def _surest(emotions: dict[str, float]) -> str:
    return max(emotions, key=lambda label: emotions[label])


def _restrain(settings: dict[str, Any]) -> None:
    if settings["threads"] == "one":
        import_module("cv2").setNumThreads(1)
