"""MediaPipe's Face Mesh through `mp.solutions.face_mesh` with its own defaults: 468 points, no blendshapes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """It follows the face from frame to frame, as it does by default."""
    del settings
    mesh = import_module("mediapipe").solutions.face_mesh.FaceMesh()

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        del about
        return {"found": len(mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks or ())}

    return answer
