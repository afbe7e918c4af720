"""EmotiEffLib (HSEmotion, Savchenko 2022) with ONNX Runtime on faces that OpenCV's Haar cascade cuts out.

The library has no detector; its examples take one from elsewhere, and OpenCV's is what it has installed beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2

MODEL = "enet_b0_8_best_vgaf"

SEVEN = {
    "Anger": "angry",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happiness": "happy",
    "Neutral": "neutral",
    "Sadness": "sad",
    "Surprise": "surprise",
}
"""Its names and FER-2013's; it knows contempt besides."""


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """Detection as OpenCV's examples do it, then `predict_emotions` for each face."""
    recognizer = _recognizer(settings)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        gray = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        color = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        labels = [
            recognizer.predict_emotions(color[y : y + height, x : x + width], logits=False)[0][0]
            for x, y, width, height in cascade.detectMultiScale(gray, 1.1, 5, minSize=(30, 30))
        ]
        return {"found": len(labels), "label": labels[0] if labels else None}

    return answer


def expressions(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, float]]:
    """The network on a face alone, its contempt left out."""
    recognizer = _recognizer(settings)

    def answer(face: Any, about: dict[str, Any]) -> dict[str, float]:
        del about
        scores = recognizer.predict_emotions(cv2.cvtColor(face, cv2.COLOR_GRAY2RGB), logits=False)[1][0]
        names = recognizer.idx_to_emotion_class
        return {SEVEN[names[place]]: float(score) for place, score in enumerate(scores) if names[place] in SEVEN}

    return answer


def _recognizer(settings: dict[str, Any]) -> Any:
    if settings["threads"] == "one":
        cv2.setNumThreads(1)
    # It looks for its file in the home folder and would download it: this one is the user's file and nothing else.
    os.environ["HOME"] = settings["scratch"]
    folder = Path(settings["scratch"], ".emotiefflib")
    folder.mkdir(exist_ok=True)
    kept = folder / f"{MODEL}.onnx"
    if not kept.exists():
        kept.symlink_to(settings["files"][f"{MODEL}.onnx"])
    package = import_module("emotiefflib.facial_analysis")
    return package.EmotiEffLibRecognizer(engine="onnx", model_name=MODEL, device="cpu")
