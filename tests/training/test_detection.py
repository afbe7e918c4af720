"""Average precision and recall, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.detection import Found, Marked, landmark_error, overlaps, score_detections

NONE = np.zeros((0, 4), np.float32)


def boxes(*values: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(values, np.float32).reshape(-1, 4)


def marked(*faces: tuple[float, float, float, float], ignored: np.ndarray = NONE) -> Marked:
    return Marked(100, boxes(*faces), ignored)


def found(*answers: tuple[float, float, float, float, float]) -> Found:
    table = np.array(answers, np.float32).reshape(-1, 5)
    return Found(table[:, :4], table[:, 4])


def test_overlap_by_hand() -> None:
    one = boxes((0, 0, 10, 10))
    assert overlaps(one, boxes((5, 0, 10, 10), (0, 0, 10, 10), (20, 20, 5, 5))).tolist() == [
        pytest.approx([50 / 150, 1, 0])
    ]
    assert overlaps(one, NONE).shape == (1, 0)


def test_a_perfect_detector() -> None:
    figures = score_detections([marked((10, 10, 20, 20))], [found((10, 10, 20, 20, 0.9))], least_width=0.05)
    assert (figures.images, figures.faces) == (1, 1)
    assert figures.average_precision == figures.recall == 1.0
    assert figures.threshold == pytest.approx(0.9)


def test_by_hand() -> None:
    """Hit (0.9), false alarm (0.8), hit (0.7), of three faces: precision 1 up to a third, 2/3 up to two thirds."""
    truth = [marked((0, 0, 20, 20), (50, 50, 20, 20)), marked((10, 10, 20, 20))]
    answers = [found((0, 0, 20, 20, 0.9), (70, 0, 20, 20, 0.8)), found((12, 10, 20, 20, 0.7))]
    figures = score_detections(truth, answers, least_width=0.05)
    assert figures.average_precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert figures.recall == pytest.approx(1 / 3), "0.2 false alarms are allowed in two pictures: none"
    loose = score_detections(truth, answers, least_width=0.05, false_alarms_per_image=0.5)
    assert loose.recall == pytest.approx(2 / 3)
    assert loose.threshold == pytest.approx(0.7)


def test_a_second_answer_for_one_face_is_a_false_alarm() -> None:
    answers = [found((0, 0, 20, 20, 0.9), (1, 0, 20, 20, 0.8))]
    figures = score_detections([marked((0, 0, 20, 20))], answers, least_width=0.05, false_alarms_per_image=1)
    assert figures.average_precision == 1.0
    assert score_detections([marked((0, 0, 20, 20))], answers, least_width=0.05).threshold == pytest.approx(0.9)


def test_answers_of_equal_score_come_together() -> None:
    truth = [marked((0, 0, 20, 20))]
    right, wrong = (0, 0, 20, 20, 0.9), (50, 50, 20, 20, 0.9)
    for answers in (found(right, wrong), found(wrong, right)):
        assert score_detections(truth, [answers], least_width=0.05).recall == 0.0


def test_what_counts_for_nothing() -> None:
    truth = [marked((0, 0, 20, 20), (40, 40, 4, 4), ignored=boxes((70, 70, 20, 20)))]
    answers = found(
        (0, 0, 20, 20, 0.5),
        (40, 40, 4, 4, 0.9),  # a face that is too small to count
        (72, 72, 15, 15, 0.8),  # in a region that is left out
        (10, 80, 3, 3, 0.7),  # too small to count, and nothing there
    )
    figures = score_detections(truth, [answers], least_width=0.05)
    assert figures.faces == 1
    assert figures.average_precision == figures.recall == 1.0


@pytest.mark.parametrize("answers", [found(), found((50, 50, 20, 20, 0.9))])
def test_nothing_is_found(answers: Found) -> None:
    figures = score_detections([marked((0, 0, 20, 20))], [answers], least_width=0.05)
    assert figures.average_precision == figures.recall == 0.0
    assert figures.threshold == float("inf")


def test_the_landmarks_error_is_in_eye_distances() -> None:
    points = np.array([[[0, 0], [10, 0], [5, 5], [2, 8], [8, 8]]], np.float32)
    truth = Marked(100, boxes((0, 0, 10, 10)), NONE, points)
    answer = Found(boxes((0, 0, 10, 10)), np.array([0.9], np.float32), points + np.array([3, 4], np.float32))
    assert landmark_error([truth], [answer], threshold=0.5) == pytest.approx(0.5)
    assert landmark_error([truth], [answer], threshold=0.95) is None
    assert landmark_error([Marked(100, truth.boxes, NONE, points * np.nan)], [answer], threshold=0.5) is None
