"""MediaPipe's Face Landmarker with blendshapes, for video: 478 points and 52 coefficients, no emotion."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """One face, as it is by default; its conversion to RGB is part of each frame."""
    mediapipe = import_module("mediapipe")
    python, vision = import_module("mediapipe.tasks.python"), import_module("mediapipe.tasks.python.vision")
    landmarker = vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=python.BaseOptions(model_asset_path=settings["files"]["face_landmarker.task"]),
            running_mode=vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
    )

    def answer(image: Any, about: dict[str, Any]) -> dict[str, Any]:
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        faces = landmarker.detect_for_video(picture, round(about["time"] * 1000)).face_blendshapes
        surest = max(faces[0], key=lambda shape: shape.score).category_name if faces else None
        return {"found": len(faces), "label": surest}

    return answer
