"""The loops of `edge.pipeline` as the supervisor sees them: something that is run, stopped, and makes progress."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.observation import Frame, Image
from edge.pipeline.camera import CameraLoop
from edge.pipeline.faces import FacePipeline
from edge.pipeline.microphone import MicrophoneLoop
from edge.pipeline.sinks import Sink
from edge.pipeline.text_loop import TextLoop
from edge.pipeline.threaded import ThreadedLoop
from edge.sources import FrameSource

_STRIDE = 16
"""Pixels of which one is compared: noise changes some of so many in every frame of a camera that works."""

_PLAIN = 8
"""Levels between the darkest and the brightest pixel of a frame that shows nothing: no light, a covered lens."""

Progress = tuple[int, ...]
"""Counters; there is progress when all of them have grown."""


class LoopRun(ABC):
    """One run of a loop, from an open source to its end."""

    name: str
    """What it reads from."""
    live: bool
    """Whether its source has no end of its own."""

    @abstractmethod
    def run(self) -> None:
        """Work until the source ends, fails (which raises) or `stop` is called; the source is closed then."""

    @abstractmethod
    def stop(self) -> None:
        """End `run` soon; from any thread."""

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """What has been done so far."""

    @property
    def waits(self) -> bool:
        """Whether it may rightly wait for as long as it takes: for somebody to write."""
        return False

    @property
    @abstractmethod
    def released(self) -> bool:
        """After `run`: whether the source is let go of, no thread hangs in it any more."""

    @property
    @abstractmethod
    def figures(self) -> dict[str, float]:
        """What it has done, for people."""

    def slow_down(self, every: int) -> None:
        """Do with every n-th item, to spare a board that is hot; nothing where that makes no sense."""
        del every


class CameraRun(LoopRun):
    """Frames; what counts are those that were looked at and that differ from the one before.

    Parameters
    ----------
    source
        Open.
    pipeline, sinks
        As `CameraLoop` takes them.
    """

    def __init__(self, source: FrameSource, pipeline: FacePipeline, sinks: Sequence[Sink]) -> None:
        self.name, self.live = source.name, source.live
        pipeline.reset()
        self._frames = WatchedFrames(source)
        self._loop = CameraLoop(self._frames, pipeline, sinks)

    def run(self) -> None:
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    @property
    def progress(self) -> Progress:
        return self._loop.figures.frames, self._frames.different

    @property
    def released(self) -> bool:
        return self._loop.released

    @property
    def figures(self) -> dict[str, float]:
        did = self._loop.figures
        return {
            "frames": did.frames,
            "skipped": did.skipped,
            "dropped": did.dropped,
            "observations": did.faces,
            "seconds": round(did.seconds, 3),
        }

    def slow_down(self, every: int) -> None:
        self._loop.every = every


class ThreadedRun(LoopRun):
    """Sound or text."""

    def __init__(self, loop: ThreadedLoop[Any]) -> None:
        self.name, self.live = loop.source.name, loop.source.live
        self._loop = loop

    def run(self) -> None:
        self._loop.start()
        self._loop.wait()
        self._loop.close()
        if self._loop.error is not None:
            raise self._loop.error

    def stop(self) -> None:
        self._loop.stop()

    @property
    def released(self) -> bool:
        return self._loop.ended


class MicrophoneRun(ThreadedRun):
    """Sound; what counts are blocks. (The source itself mends a microphone that repeats itself or is silent.)"""

    def __init__(self, loop: MicrophoneLoop) -> None:
        super().__init__(loop)
        self._microphone = loop

    @property
    def progress(self) -> Progress:
        return (self._microphone.figures.blocks,)

    @property
    def figures(self) -> dict[str, float]:
        did, met = self._microphone.figures, self._microphone.source.figures
        return {
            "sound_seconds": round(did.sound_seconds, 3),
            "observations": did.observations,
            "lost_samples": met.lost_samples,
            "reopened": met.reopened,
        }


class TextRun(ThreadedRun):
    """Text; nobody need write, but what is written has to be read."""

    def __init__(self, loop: TextLoop) -> None:
        super().__init__(loop)
        self._text = loop
        # The pipeline, and its figures, outlive a run.
        self._before = loop.pipeline.figures.lines

    @property
    def waits(self) -> bool:
        return not self._loop.working

    @property
    def progress(self) -> Progress:
        return (self._text.pipeline.figures.lines - self._before,)

    @property
    def figures(self) -> dict[str, float]:
        return {"lines": self.progress[0]}


class WatchedFrames(FrameSource):
    """Hands on a source's frames and counts those that differ from the one before.

    A camera that hangs may deliver its last picture for ever. Sensors have noise, so that two frames of one that works
    are never equal, unless they show nothing at all, as in the dark: frames without any contrast count as different.

    Parameters
    ----------
    source
        A recording (not `live`) may stand still; there every frame counts.
    """

    def __init__(self, source: FrameSource) -> None:
        self.name, self.live = source.name, source.live
        self.different = 0
        """Frames that differed."""
        self._source = source
        self._last: Image | None = None

    def read(self) -> Frame | None:
        frame = self._source.read()
        if frame is not None:
            sample = frame.image[::_STRIDE, ::_STRIDE].copy()
            if not self.live or self._last is None or not np.array_equal(sample, self._last) or np.ptp(sample) < _PLAIN:
                self.different += 1
            self._last = sample
        return frame

    def close(self) -> None:
        self._source.close()
