"""Boxes, landmarks and labels drawn on a copy of a picture, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2

from edge.observation import UNSURE, Image, Observation

_COLOURS = {
    "angry": (60, 60, 230),
    "disgust": (70, 160, 80),
    "fear": (200, 90, 160),
    "happy": (40, 190, 240),
    "sad": (220, 140, 60),
    "surprise": (60, 150, 250),
    "neutral": (190, 190, 190),
    UNSURE: (120, 120, 120),
}
_DARK = (24, 24, 24)


def annotate(image: Image, observations: Iterable[Observation]) -> Image:
    """Draw each observation's box, landmarks, label and probability.

    Parameters
    ----------
    image
        (height, width) or (height, width, 3) BGR, uint8; left as it is.
    observations
        Those without a box are passed over.

    Returns
    -------
    (height, width, 3) BGR, uint8
    """
    canvas: Image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    # Lines and letters grow with the picture, so that a 4K frame is as readable as a small one.
    unit = max(1.0, min(canvas.shape[:2]) / 480)
    thickness = round(2 * unit)
    for observation in observations:
        box = observation.box
        if box is None:
            continue
        colour = _COLOURS.get(observation.label, _COLOURS[UNSURE])
        cv2.rectangle(canvas, (box.x, box.y), (box.x + box.width, box.y + box.height), colour, thickness)
        for x, y in observation.landmarks or ():
            cv2.circle(canvas, (math.floor(x), math.floor(y)), thickness, colour, cv2.FILLED, cv2.LINE_AA)
        text = f"{observation.label} {observation.confidence:.0%}"
        scale = 0.55 * unit
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, round(unit))
        top = max(0, box.y - height - 2 * below)
        cv2.rectangle(canvas, (box.x, top), (box.x + width + 2 * below, top + height + 2 * below), colour, cv2.FILLED)
        place = (box.x + below, top + height + below // 2)
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _DARK, round(unit), cv2.LINE_AA)
    return canvas
