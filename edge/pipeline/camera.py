"""The camera loop: frames in, observations out to the sinks, until the source ends or somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.observation import Frame
from edge.pipeline.capture import Capture
from edge.pipeline.faces import FacePipeline
from edge.pipeline.sinks import Sink
from edge.sources import FrameSource


@dataclass
class LoopFigures:
    """What a loop has done."""

    frames: int = 0
    """Frames that were looked at."""
    dropped: int = 0
    """Frames that came while another was looked at."""
    skipped: int = 0
    """Frames that were not looked at because `CameraLoop.every` said so."""
    faces: int = 0
    """Observations that were made."""
    seconds: float = 0.0
    """Since the loop began."""

    @property
    def fps(self) -> float:
        """Frames per second that were looked at."""
        return self.frames / self.seconds if self.seconds else 0.0


class CameraLoop:
    """Runs the face pipeline on a source.

    Parameters
    ----------
    source
        Open; closed when `run` ends.
    pipeline
        From a frame to observations.
    sinks
        Each is given every observation.
    after_frame
        Called after each frame, with or without a face, looked at or not: for what has to happen in time.
    """

    def __init__(
        self,
        source: FrameSource,
        pipeline: FacePipeline,
        sinks: Sequence[Sink],
        *,
        after_frame: Callable[[], None] | None = None,
    ) -> None:
        self.figures = LoopFigures()
        self.every = 1
        """One of how many frames is looked at, to spare a hot board; may be set from any thread while the loop runs."""
        self._capture = Capture(source)
        self._pipeline = pipeline
        self._sinks = sinks
        self._after_frame = after_frame

    def run(self, *, duration: float | None = None) -> LoopFigures:
        """Work until the source ends, `duration` seconds are over or `stop` is called.

        Raises
        ------
        SourceError
            A live source stopped delivering.
        """
        began = time.monotonic()
        since = self.every
        with self._capture as frames:
            for frame in frames:
                since += 1
                if since < self.every:
                    self.figures.skipped += 1
                else:
                    since = 0
                    self._look_at(frame)
                self.figures.dropped = frames.dropped
                self.figures.seconds = time.monotonic() - began
                if self._after_frame is not None:
                    self._after_frame()
                if duration is not None and self.figures.seconds >= duration:
                    break
        return self.figures

    def _look_at(self, frame: Frame) -> None:
        for observation in self._pipeline(frame):
            self.figures.faces += 1
            for sink in self._sinks:
                sink(observation)
        self.figures.frames += 1

    @property
    def released(self) -> bool:
        """After `run`: whether the source is closed; False while a read of it hangs."""
        return self._capture.released

    def stop(self) -> None:
        """End `run` after the present frame; safe in a signal handler."""
        self._capture.stop()
