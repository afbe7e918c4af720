from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edge.errors import SourceError
from edge.observation import Frame
from edge.pipeline.capture import QUEUE_FRAMES, Capture
from edge.sources import FrameSource


class Counting(FrameSource):
    """Numbered frames: as fast as they are read, or one a millisecond when live; fails or ends after `count`."""

    def __init__(self, count: int, *, live: bool, error: str | None = None) -> None:
        self.name, self.live, self.closed = "counting", live, False
        self._count, self._error, self._index = count, error, 0

    def read(self) -> Frame | None:
        if self._index == self._count:
            if self._error:
                raise SourceError(self._error)
            return None
        if self.live:
            time.sleep(0.001)
        self._index += 1
        return Frame(np.zeros((2, 2), np.uint8), self._index - 1, 0.0, self._index / 1000, self.name)

    def close(self) -> None:
        self.closed = True


def test_a_file_loses_nothing_however_slow_its_reader() -> None:
    source = Counting(20, live=False)
    indices = []
    with Capture(source) as capture:
        for frame in capture:
            time.sleep(0.001)
            indices.append(frame.index)
    assert indices == list(range(20))
    assert capture.dropped == 0
    assert source.closed


def test_a_slow_reader_of_a_live_source_gets_the_newest_and_the_loss_is_counted() -> None:
    source = Counting(300, live=True)
    seen = []
    with Capture(source) as capture:
        for frame in capture:
            seen.append(frame.index)
            time.sleep(0.02)
    assert seen == sorted(set(seen))
    # All that came was seen, dropped, or still waited when the source ended.
    assert 300 - QUEUE_FRAMES <= len(seen) + capture.dropped <= 300
    assert capture.dropped > 100
    assert source.closed


def test_the_threads_error_reaches_the_reader() -> None:
    source = Counting(3, live=True, error="unplugged")
    with pytest.raises(SourceError, match="unplugged"), Capture(source) as capture:
        for _ in capture:
            pass
    assert source.closed


def test_stop_ends_a_wait_for_a_source_that_delivers_nothing() -> None:
    release = threading.Event()

    class Dead(Counting):
        def read(self) -> Frame | None:
            release.wait(10)
            return None

    with Capture(Dead(0, live=True)) as capture:
        threading.Timer(0.05, capture.stop).start()
        began = time.monotonic()
        assert list(capture) == []
        assert time.monotonic() - began < 2
        release.set()


def test_no_thread_is_left() -> None:
    with Capture(Counting(5, live=True)) as capture:
        list(capture)
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
