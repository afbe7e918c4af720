"""A loop in a thread of its own, beside the camera's: from a source's items to observations, and on to the sinks."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from edge.observation import Observation
from edge.pipeline.sinks import Sink
from edge.sources.base import Source

_Item = TypeVar("_Item")

_log = logging.getLogger(__name__)

_WAIT_SECONDS = 0.2
"""Between two looks at whether somebody wants to stop: `stop` takes no lock, to be safe in a signal handler."""

_CLOSE_SECONDS = 2.0
"""That the thread is given to end; a read that hangs in the sound system is left behind."""


class ThreadedLoop(ABC, Generic[_Item]):
    """Reads a source in its own thread. Nothing is queued here: what waits to be read, waits in the source.

    Parameters
    ----------
    source
        Open; closed when the loop ends.
    sinks
        Each is given every observation, in the loop's thread.
    kind
        What it reads, such as 'microphone'; the thread's name, and what the log calls the loop.
    in_time
        Called after each item, in the loop's thread, and from `wait`, for a source may give nothing for long: for what
        has to happen in time.
    """

    def __init__(
        self, source: Source[_Item], sinks: Sequence[Sink], *, kind: str, in_time: Callable[[], None] | None
    ) -> None:
        self.kind = kind
        self.source = source
        self.error: BaseException | None = None
        """What ended the loop before its time."""
        self.on_end: Callable[[BaseException | None], None] | None = None
        """Called in the loop's thread with what ended it before its time, or None; set it before `start`."""
        self.working = False
        """Whether it is busy with an item; False while it waits for the next."""
        self._sinks = sinks
        self._in_time = in_time
        self._stopping = False
        self._began = 0.0
        self._thread = threading.Thread(target=self._run, name=kind, daemon=True)

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, or to a failure."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wait(self, *, duration: float | None = None) -> None:
        """Until the source ends, `duration` seconds are over or `stop` is called; signals are handled meanwhile."""
        end = None if duration is None else time.monotonic() + duration
        while self._thread.is_alive() and not self._stopping:
            left = _WAIT_SECONDS if end is None else min(_WAIT_SECONDS, end - time.monotonic())
            if left <= 0:
                break
            self._thread.join(left)
            if self._in_time is not None:
                self._in_time()

    def stop(self) -> None:
        """End the loop after the present item; safe in a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """End the loop, wait for its thread and let go of the source."""
        self._stopping = True
        # Mostly the next item comes at once.
        if self._thread.is_alive():
            self._thread.join(_WAIT_SECONDS)
        self.source.close()  # ends a read that waits for a microphone or a pipe
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                _log.warning("%s: does not answer; left behind", self.source.name)

    @abstractmethod
    def _take(self, item: _Item) -> None:
        """Make observations of the next item, and `_give` them."""

    def _finish(self) -> None:
        """Do the same with what was kept back until the source's end."""

    def _run(self) -> None:
        self._began = time.monotonic()
        try:
            while not self._stopping and (item := self.source.read()) is not None:
                self.working = True
                self._take(item)
                if self._in_time is not None:
                    self._in_time()
                self.working = False
            self._finish()
        except BaseException as error:  # whatever it is, the main thread has to hear of it
            self.error = error
        finally:
            try:
                if self.on_end is not None:
                    self.on_end(self.error)
            finally:
                self.source.close()

    def _give(self, observation: Observation) -> None:
        for sink in self._sinks:
            sink(observation)
