"""A network of face_classification (Arriaga et al. 2017) as its own demonstration runs it: Haar, then Keras."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2
import numpy as np

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

OFFSETS = (20, 40)
"""By which the demonstration widens a face's box, pixels."""


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """The steps of src/video_emotion_color_demo.py, without its drawing."""
    predict = _network(settings)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        labels = []
        for x, y, width, height in cascade.detectMultiScale(gray, 1.3, 5):
            top, left = max(0, y - OFFSETS[1]), max(0, x - OFFSETS[0])
            face = gray[top : y + height + OFFSETS[1], left : x + width + OFFSETS[0]]
            labels.append(LABELS[int(np.argmax(predict(face)))])
        return {"found": len(labels), "label": labels[0] if labels else None}

    return answer


def expressions(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, float]]:
    """The network on a face alone."""
    predict = _network(settings)
    return lambda face, about: dict(zip(LABELS, predict(face).tolist(), strict=True))


def _network(settings: dict[str, Any]) -> Callable[[Any], Any]:
    if settings["threads"] == "one":
        cv2.setNumThreads(1)
    (path,) = settings["files"].values()
    # Saved by Keras 2.0; the Keras inside TensorFlow still reads it.
    model = import_module("tensorflow").keras.models.load_model(path, compile=False)
    side = model.input_shape[1:3]

    def predict(face: Any) -> Any:
        scaled = (cv2.resize(face, side).astype("float32") / 255.0 - 0.5) * 2.0
        return np.asarray(model.predict(scaled[None, ..., None], verbose=0))[0]

    return predict
