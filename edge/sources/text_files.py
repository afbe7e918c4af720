"""Text from what has a path and no end: a pipe whose writers come and go, a file that grows."""

from __future__ import annotations

import logging
import os
import stat
from abc import abstractmethod

from edge.sources.text import CHUNK_BYTES, LOOK_SECONDS, OPENING, TextSource

_SEARCHED_BYTES = 1 << 16
"""At a file's end, in which the beginning of its last line is looked for."""

_log = logging.getLogger(__name__)


class _NamedSource(TextSource):
    """What stays with a path: when another thing of the same kind lies there, that is read.

    Parameters
    ----------
    path
        Where it lies.
    descriptor
        Opened there with `OPENING`; closed with the source. None where nothing was there.
    """

    _kind: str
    """What a log line calls it."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        super().__init__(path, live=True)
        self._descriptor = descriptor
        self._told = False

    @abstractmethod
    def _is_of_its_kind(self, mode: int) -> bool:
        """By its `st_mode`."""

    def _open_again(self) -> bool:
        """Whether what lies at the path now could be opened; what was open before is let go of if so.

        The new one is opened first: a pipe between two writers never is without a reader, whom they would miss.
        """
        try:
            descriptor = os.open(self.name, OPENING)
        except OSError as error:
            self._tell(error.strerror or str(error))
            return False
        if not self._is_of_its_kind(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            self._tell(f"no {self._kind} any more")
            return False
        self._release()
        self._descriptor = descriptor
        self._told = False
        self.figures.reopened += 1
        return True

    def _tell(self, what: str) -> None:
        if not self._told:
            self._told = True
            _log.warning("%s: %s; waiting for a %s there", self.name, what, self._kind)

    def _is_another_at_the_path(self, descriptor: int) -> bool | None:
        """None where nothing lies there."""
        try:
            there = os.stat(self.name)  # noqa: PTH116, beside fstat
        except OSError:
            return None
        return not os.path.samestat(there, os.fstat(descriptor))

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FifoSource(_NamedSource):
    """Text from a pipe made with mkfifo. When its last writer leaves, what that one left of a line is read, and the
    next writer is waited for.
    """

    _kind = "pipe"

    def _is_of_its_kind(self, mode: int) -> bool:
        return stat.S_ISFIFO(mode)

    def _take(self, seconds: float | None) -> bytes:
        ready = self._wait(self._descriptor, _pause(seconds))
        if self._descriptor is None:
            self._open_again()
            return b""
        try:
            data = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:  # who has it open for writing is silent
            return b""
        if data:
            return data
        self._lines.end_line()  # nobody has
        # Once the last writer left, the descriptor says so at every look; one opened anew waits for the next writer.
        if (ready or self._is_another_at_the_path(self._descriptor) is not False) and not self._open_again():
            self._release()
        return b""


class FollowedFile(_NamedSource):
    """Text that is added to a file, like `tail -F`: from the beginning of its last line on where it was there, from its
    own beginning where it was not, was truncated or was replaced by another.

    A file that was truncated and has grown beyond its former size between two looks is not noticed: nothing tells it
    from one that has grown.
    """

    _kind = "file"

    def __init__(self, path: str, descriptor: int | None) -> None:
        super().__init__(path, descriptor)
        self._position = 0
        self._is_superseded = False
        if descriptor is None:
            self._tell("not there yet")
        else:
            self._position = _last_line(descriptor)
            os.lseek(descriptor, self._position, os.SEEK_SET)

    def _is_of_its_kind(self, mode: int) -> bool:
        return stat.S_ISREG(mode)

    def _take(self, seconds: float | None) -> bytes:
        if self._descriptor is not None:
            data = os.read(self._descriptor, CHUNK_BYTES)
            self._position += len(data)
            if data or self._has_changed(self._descriptor):
                return data
        elif self._open_again():
            return b""
        self._wait(None, _pause(seconds))
        return b""

    def _has_changed(self, descriptor: int) -> bool:
        """Whether there may be something to read after all, now that the file was read to its end."""
        if self._is_superseded:
            # It was read to its end once more, for its writer may have learnt of the other file later.
            self._is_superseded = False
            if not self._open_again():
                return False
            self._begin()
            return True
        if os.fstat(descriptor).st_size < self._position:
            os.lseek(descriptor, 0, os.SEEK_SET)
            self.figures.reopened += 1
            self._begin()
            return True
        # A file that was deleted is read on until another takes its place: its writer may still have it open.
        self._is_superseded = bool(self._is_another_at_the_path(descriptor))
        return self._is_superseded

    def _begin(self) -> None:
        self._position = 0
        self._lines.end_line()


def _pause(seconds: float | None) -> float:
    return LOOK_SECONDS if seconds is None else min(seconds, LOOK_SECONDS)


def _last_line(descriptor: int) -> int:
    """Where the last line of a file begins: what is being written now is read whole."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _SEARCHED_BYTES)
    newline = os.pread(descriptor, _SEARCHED_BYTES, start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 or start == 0 else size
