"""What all sources have in common, and those of frames."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from edge.observation import Frame, Image

_Item = TypeVar("_Item")
_Self = TypeVar("_Self", bound="Source[Any]")  # typing.Self needs Python 3.11


class Source(ABC, Generic[_Item]):
    """Hands out frames, blocks of sound or lines of text, one `read` at a time; a context manager, iterable to its end.

    Attributes
    ----------
    name
        What it reads from.
    live
        Whether it paces itself and may lose what is not read in time.
    """

    name: str
    live: bool

    @abstractmethod
    def read(self) -> _Item | None:
        """Wait for the next one; None when there are no more."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the device, file, pipe or connection; closing twice does no harm."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[_Item]:
        while (item := self.read()) is not None:
            yield item


class FrameSource(Source[Frame]):
    """Hands out frames, one `read` at a time.

    A source is open from its construction on: what cannot be opened raises `SourceError` there, and a camera or
    video that is open has delivered its first frame. `read` and `close` are called from one thread.

    Attributes
    ----------
    name
        The device, path or address, without a password; `Frame.source` carries it.
    live
        A live source paces itself, may drop frames and has no end of its own: when it stops, `read` raises.
        A source that is not live waits for its reader, loses nothing, and ends.
    """

    @abstractmethod
    def read(self) -> Frame | None:
        """Wait for the next frame.

        Returns
        -------
        The frame, or None when there are no more.

        Raises
        ------
        SourceError
            When the source stops delivering: unplugged, connection lost, no frame within the timeout.
        """


def live_frame(image: Image, index: int, source: str) -> Frame:
    """A frame that was captured just now."""
    return Frame(image=image, index=index, wall_time=time.time(), monotonic_time=time.monotonic(), source=source)


def file_frame(image: Image, index: int, position: float, source: str) -> Frame:
    """A frame at `position` seconds of a file; its wall time is when it was read, for a file knows no better."""
    return Frame(image=image, index=index, wall_time=time.time(), monotonic_time=position, source=source)
