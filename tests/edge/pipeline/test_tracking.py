from __future__ import annotations

from edge.observation import Box, Face
from edge.pipeline.tracking import FaceTracker


def faces(*boxes: tuple[int, int, int]) -> list[Face]:
    return [Face(Box(x, y, side, side), 1.0) for x, y, side in boxes]


def numbers(tracker: FaceTracker, time: float, *boxes: tuple[int, int, int]) -> list[int]:
    return [track.number for track in tracker.update(faces(*boxes), time)]


def test_a_moving_face_keeps_its_number() -> None:
    tracker = FaceTracker()
    for step in range(50):
        assert numbers(tracker, step / 15, (10 * step, 5 * step, 100)) == [1]


def test_two_faces_keep_theirs_in_whatever_order_they_come() -> None:
    tracker = FaceTracker()
    assert numbers(tracker, 0.0, (0, 0, 100), (300, 0, 100)) == [1, 2]
    assert numbers(tracker, 0.1, (310, 0, 100), (10, 0, 100)) == [2, 1]


def test_the_nearer_of_two_faces_continues_the_track() -> None:
    tracker = FaceTracker()
    numbers(tracker, 0.0, (100, 0, 100))
    assert numbers(tracker, 0.1, (150, 0, 100), (105, 0, 100)) == [2, 1]


def test_a_face_that_the_detector_missed_for_a_moment_is_the_same_face() -> None:
    tracker = FaceTracker(patience=1.0)
    assert numbers(tracker, 0.0, (0, 0, 100)) == [1]
    assert numbers(tracker, 0.5) == []
    assert numbers(tracker, 0.9, (5, 0, 100)) == [1]


def test_a_face_that_comes_back_late_is_another() -> None:
    tracker = FaceTracker(patience=1.0)
    numbers(tracker, 0.0, (0, 0, 100))
    assert tracker.alive == {1}
    assert numbers(tracker, 1.5, (0, 0, 100)) == [2]
    assert tracker.alive == {2}


def test_a_clock_that_jumps_back_starts_anew() -> None:
    tracker = FaceTracker()
    numbers(tracker, 100.0, (0, 0, 100))
    assert numbers(tracker, 0.0, (0, 0, 100)) == [2]


def test_tracks_do_not_pile_up() -> None:
    tracker = FaceTracker(patience=0.1)
    for step in range(1000):
        numbers(tracker, step * 1.0, (0, 0, 100))
    assert len(tracker.alive) == 1


def test_a_face_awaits_its_confirmation_as_long_as_it_is_seen() -> None:
    tracker = FaceTracker()
    numbers(tracker, 0.0, (0, 0, 100))
    assert tracker.awaits(2)
    tracker.update(faces((0, 0, 100)), 0.1, fresh=False)
    assert tracker.awaits(2)
    numbers(tracker, 0.2, (0, 0, 100))
    assert not tracker.awaits(2)
    numbers(tracker, 0.3, (0, 0, 100), (300, 0, 100))
    assert tracker.awaits(2)
    numbers(tracker, 0.4, (0, 0, 100))
    assert not tracker.awaits(2)


def test_a_face_that_was_believed_is_missed_for_as_long_as_its_track_may_continue() -> None:
    tracker = FaceTracker(patience=1.0)
    numbers(tracker, 0.0, (0, 0, 100))
    numbers(tracker, 0.1, (0, 0, 100), (300, 0, 100))
    assert not tracker.misses(2)
    numbers(tracker, 0.2)
    assert tracker.misses(2)
    assert not tracker.misses(3)
    numbers(tracker, 0.3, (0, 0, 100))
    assert not tracker.misses(2)
    numbers(tracker, 0.4)
    numbers(tracker, 1.5)
    assert not tracker.misses(2)
