"""OpenCV's Haar cascade of frontal faces, called on the whole frame as OpenCV's own examples call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """`detectMultiScale` on equalised grey, factor 1.1, five neighbours, faces from 30 pixels."""
    if settings["threads"] == "one":
        cv2.setNumThreads(1)
    cascade = cv2.CascadeClassifier(settings["files"]["haarcascade_frontalface_default.xml"])

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        gray = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        return {"found": len(cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=5, minSize=(30, 30)))}

    return answer
