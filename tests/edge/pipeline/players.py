"""Sources that play what they are given, and the loops on them."""

from __future__ import annotations

import threading

import numpy as np

from edge.config import Config
from edge.config_sections import SmoothingConfig
from edge.observation import AudioBlock, Frame
from edge.pipeline.camera import CameraLoop
from edge.pipeline.faces import FacePipeline
from edge.pipeline.microphone import MicrophoneLoop
from edge.pipeline.sinks import Sink
from edge.pipeline.speech import SpeechPipeline
from edge.pipeline.text import TextPipeline
from edge.pipeline.text_loop import TextLoop
from edge.sources import FrameSource
from edge.sources.demo import DemoSource
from edge.sources.sound import AudioSource, SoundFigures
from edge.sources.text import TextSource
from tests.edge.speech_helpers import RATE, blocks, talk

CONFIG = Config(smoothing=SmoothingConfig(unsure_below=0.0))


class Played(AudioSource):
    """Hands out what it is given, then ends, fails, or like a live microphone waits until it is closed."""

    def __init__(self, sound: list[AudioBlock], *, live: bool = False, error: BaseException | None = None) -> None:
        self.name, self.live, self.rate, self.figures = "played", live, RATE, SoundFigures()
        self.closed = threading.Event()
        self._sound, self._error = iter(sound), error

    def read(self) -> AudioBlock | None:
        if self.closed.is_set():
            return None
        block = next(self._sound, None)
        if block is None and self._error is not None:
            raise self._error
        if block is None and self.live:
            self.closed.wait()
        return block

    def close(self) -> None:
        self.closed.set()


class Written(TextSource):
    """Hands out the lines that it is given, then ends, fails, or like a pipe waits until it is closed."""

    def __init__(self, *lines: str, live: bool = False, error: BaseException | None = None) -> None:
        super().__init__("written", live=live)
        self.closed = threading.Event()
        self._left, self._error = iter(lines), error

    def _take(self, seconds: float | None) -> bytes | None:
        line = next(self._left, None)
        if line is not None:
            return line.encode() + b"\n"
        if self._error is not None:
            raise self._error
        return b"" if self.live and not self._wait(None, seconds) else None

    def _release(self) -> None:
        self.closed.set()


class Failing(FrameSource):
    """A live camera that is unplugged after a few frames, or when it is told to."""

    def __init__(self, error: BaseException, *, wait_for: threading.Event | None = None) -> None:
        self.name, self.live = "camera", True
        self._error, self._wait_for, self._left = error, wait_for, 3

    def read(self) -> Frame | None:
        if self._left == 0:
            if self._wait_for is not None:
                self._wait_for.wait(10)
            raise self._error
        self._left -= 1
        return Frame(np.zeros((48, 64), np.uint8), self._left, 0.0, 0.0, self.name)

    def close(self) -> None:
        pass


def microphone(source: AudioSource, *sinks: Sink) -> MicrophoneLoop:
    return MicrophoneLoop(source, SpeechPipeline.from_config(CONFIG), sinks)


def camera(source: FrameSource | None = None, *sinks: Sink) -> CameraLoop:
    demo = source or DemoSource(width=320, height=240, fps=15, paced=False, frames=10)
    return CameraLoop(demo, FacePipeline.from_config(CONFIG), sinks)


def endless() -> Played:
    return Played(blocks(talk(3, -25)), live=True)


def text(source: TextSource, *sinks: Sink) -> TextLoop:
    return TextLoop(source, TextPipeline.from_config(CONFIG), sinks)
