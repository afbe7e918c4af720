from __future__ import annotations

import numpy as np
import pytest

from edge.annotate import annotate
from edge.observation import Box, Landmarks, Observation

POINTS: Landmarks = ((60.5, 50.5), (90.2, 50.9), (75.0, 65.0), (64.0, 80.0), (86.0, 80.0))


def observed(box: Box | None, landmarks: Landmarks | None = None) -> Observation:
    return Observation("face", "test", 0.0, 0.0, "happy", 0.9, {"happy": 0.9, "sad": 0.1}, box=box, landmarks=landmarks)


@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 3), (1, 1), (2160, 3840, 3)])
def test_a_copy_is_drawn_on(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    copy = annotate(image, [observed(Box(-5, -5, 60, 70), POINTS), observed(None)])
    assert copy.shape == (*shape[:2], 3)
    assert copy.any()
    assert not image.any()


def test_landmarks_are_drawn_where_they_are() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    box = Box(40, 30, 70, 70)
    difference = (annotate(image, [observed(box, POINTS)]) != annotate(image, [observed(box)])).any(axis=2)
    for x, y in POINTS:
        assert difference[int(y), int(x)]
    across, down = np.meshgrid(np.arange(160) + 0.5, np.arange(120) + 0.5)
    far = np.min([np.hypot(across - x, down - y) for x, y in POINTS], axis=0) > 5
    assert not difference[far].any()


def test_landmarks_far_away_do_no_harm() -> None:
    wild = tuple((1e6 * sign, -1e6 * sign) for sign in (1, -1, 1, -1, 1))
    annotate(np.zeros((120, 160), np.uint8), [observed(Box(0, 0, 10, 10), wild)])
