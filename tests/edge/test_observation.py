from __future__ import annotations

import numpy as np
import pytest

from edge.observation import UNSURE, Box, Frame, Observation


@pytest.mark.parametrize(
    ("first", "second", "iou"),
    [
        (Box(0, 0, 10, 10), Box(0, 0, 10, 10), 1.0),
        (Box(0, 0, 10, 10), Box(10, 0, 10, 10), 0.0),
        (Box(0, 0, 10, 10), Box(5, 0, 10, 10), 50 / 150),
        (Box(-5, -5, 10, 10), Box(0, 0, 10, 10), 25 / 175),
        (Box(0, 0, 10, 10), Box(2, 2, 5, 5), 25 / 100),
    ],
)
def test_iou(first: Box, second: Box, iou: float) -> None:
    assert first.iou(second) == pytest.approx(iou)
    assert second.iou(first) == pytest.approx(iou)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_a_frame_refuses_what_is_no_picture(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a frame"):
        Frame(image, 0, 0.0, 0.0, "test")


def test_a_box_has_a_size() -> None:
    with pytest.raises(ValueError, match="positive size"):
        Box(0, 0, 0, 5)


@pytest.mark.parametrize(("label", "confidence"), [("bored", 0.5), ("happy", 1.5)])
def test_an_observation_checks_itself(label: str, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"bored|1\.5"):
        Observation("face", "test", 0.0, 0.0, label, confidence, {"happy": 0.5, "sad": 0.5})


def test_an_observation_as_json() -> None:
    observation = Observation(
        "face", "test", 12.34567, 1.0, UNSURE, 0.4, {"happy": 0.412345, "sad": 0.587655}, track=3, box=Box(1, 2, 3, 4)
    )
    assert observation.as_dict() == {
        "modality": "face",
        "source": "test",
        "wall_time": 12.346,
        "monotonic_time": 1.0,
        "track": 3,
        "box": [1, 2, 3, 4],
        "label": "unsure",
        "confidence": 0.4,
        "probabilities": {"happy": 0.4123, "sad": 0.5877},
        "changed": False,
    }
