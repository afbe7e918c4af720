"""Frames from a source to its reader: a live one through a thread and a short queue, a file directly."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from edge.observation import Frame
from edge.sources import FrameSource

QUEUE_FRAMES = 2
"""Frames that wait at most: one is being taken while the next arrives; more would only be older."""


class Capture:
    """Iterates over a source's frames; a reader that is slower than a live source gets the newest and loses the oldest.

    Parameters
    ----------
    source
        Closed when the block ends.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Frames that the reader was too slow for."""

    @property
    def released(self) -> bool:
        """Outside the block: whether the source is closed; False while a read of it hangs."""
        return self._thread is None or not self._thread.is_alive()

    def __enter__(self) -> Capture:
        if self._source.live:
            self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is None:
            self._source.close()
        else:
            # The thread closes the source: OpenCV may not be released under a read. A read that hangs is left behind.
            self._thread.join(timeout=2.0)

    def stop(self) -> None:
        """End the iteration; may be called from a signal handler or another thread."""
        self._ended = True

    def __iter__(self) -> Iterator[Frame]:
        if self._thread is None:
            while not self._ended and (frame := self._source.read()) is not None:
                yield frame
            return
        while (waiting := self._next()) is not None:
            yield waiting

    def _next(self) -> Frame | None:
        with self._changed:
            # The timeout lets `stop`, which takes no lock, end a wait for a source that delivers nothing.
            while not self._frames and not self._ended:
                self._changed.wait(timeout=0.2)
            if self._error is not None:
                raise self._error
            return self._frames.popleft() if self._frames and not self._ended else None

    def _capture(self) -> None:
        try:
            while not self._ended and (frame := self._source.read()) is not None:
                with self._changed:
                    if len(self._frames) == QUEUE_FRAMES:
                        self._frames.popleft()
                        self.dropped += 1
                    self._frames.append(frame)
                    self._changed.notify()
        except BaseException as error:  # whatever it is, the reader has to hear of it
            self._error = error
        finally:
            self._ended = True
            self._source.close()
            with self._changed:
                self._changed.notify()
