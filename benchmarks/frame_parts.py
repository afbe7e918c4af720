"""Runs the face pipeline frame by frame, and finds where the time of a frame goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.camera_loop import Loop
from edge.features import face as face_features
from edge.inference.interpreter import Interpreter
from edge.observation import Image
from edge.pipeline.faces import FacePipeline
from edge.pipeline.following import FaceFollower
from edge.pipeline.motion import MotionWatch
from edge.pipeline.smoothing import LabelSmoother
from edge.pipeline.tracking import FaceTracker
from edge.recognizers import expression, face_detector
from edge.recognizers.expression import ExpressionRecognizer
from edge.recognizers.face_detector import FaceDetector

INVOKE = "model invocations"
"""The part that is the models': the interpreter's run, with the copies in and out."""

# Owner, what of it, part. Where one calls another, the time is the inner one's.
_WATCHED: tuple[tuple[Any, str, str], ...] = (
    (Interpreter, "run", INVOKE),
    (MotionWatch, "look", "motion: sample, compare"),
    (MotionWatch, "beyond", "motion: sample, compare"),
    (FaceFollower, "follow", "follow the face"),
    (FaceFollower, "start", "follow the face"),
    (face_detector, "letterbox", "letterbox"),
    (FaceDetector, "__call__", "read the detector's cells"),
    (expression, "crop_face", "cut the face out"),
    (face_features.PixelInput, "__call__", "quantise, softmax"),
    (ExpressionRecognizer, "recognize", "quantise, softmax"),
    (FaceTracker, "update", "track, smooth, observe"),
    (LabelSmoother, "update", "track, smooth, observe"),
    (FacePipeline, "_observe", "track, smooth, observe"),
)

PARTS = tuple(dict.fromkeys(part for _, _, part in _WATCHED))
"""Of a frame; what they leave is 'the rest'."""


class FrameWatch(Loop):
    """A loop that notes of each frame what the models took, and, where `parts`, what each part of it took.

    Parameters
    ----------
    pipeline, images
        As for `Loop`.
    parts
        Watching each of them costs a microsecond or two itself; the models alone cost next to nothing.
    """

    def __init__(self, pipeline: FacePipeline, images: list[Image], *, parts: bool) -> None:
        super().__init__(pipeline, images)
        self.spent: list[dict[str, float]] = []
        """Of each frame, seconds of each part and of the 'whole'."""
        self.searched: list[bool] = []
        """Of each frame, whether faces were searched for."""
        self._watched = _WATCHED if parts else _WATCHED[:1]
        self._faces = pipeline

    def step(self, turn: int) -> None:
        """Look at the next frame."""
        searches = self._faces.searches
        with _watching(self._watched) as now:
            began = time.perf_counter_ns()
            super().step(turn)
            whole = (time.perf_counter_ns() - began) / 1e9
        self.spent.append({**now, "whole": whole})
        self.searched.append(self._faces.searches > searches)

    def reset(self) -> None:
        """Forget the frames so far."""
        self.spent.clear()
        self.searched.clear()


@contextmanager
def _watching(watched: tuple[tuple[Any, str, str], ...]) -> Iterator[dict[str, float]]:
    """Seconds of each part while the block runs; a part that calls another is not charged for it."""
    spent: dict[str, float] = {}
    within: list[float] = []

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            within.append(0.0)
            began = time.perf_counter_ns()
            try:
                return function(*arguments, **named)
            finally:
                took = (time.perf_counter_ns() - began) / 1e9
                spent[part] = spent.get(part, 0.0) + took - within.pop()
                if within:
                    within[-1] += took

        return call

    before = [(owner, name, vars(owner)[name]) for owner, name, _ in watched]
    for (owner, name, part), (_, _, function) in zip(watched, before, strict=True):
        setattr(owner, name, timed(function, part))
    try:
        yield spent
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)
