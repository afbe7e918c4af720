"""Where text comes from: standard input, pipes, files that are read to their end or followed as they grow."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import threading
import time
from abc import abstractmethod
from pathlib import Path

from edge.errors import SourceError
from edge.observation import TextLine
from edge.sources.base import Source
from edge.sources.text_cutter import LineCutter, TextFigures

FOLLOW = "follow:"
"""In front of a file's path: what is added to it from now on, like `tail -F`."""

PATIENCE_SECONDS = 3.0
"""Without another byte, after which a line whose end has not come is read as far as it is there."""

LOOK_SECONDS = 0.25
"""Between two looks at a file that is followed, and at whether a path still names what was opened."""

CHUNK_BYTES = 1 << 16
"""Read at once: as much as a pipe holds."""

OPENING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Flags with which a path is opened, for then it may turn out to be anything."""

_CLOSE_SECONDS = 2.0


class TextSource(Source[TextLine]):
    """Hands out text, one line at a time, each once its end has come.

    A source is open from its construction on: what cannot be opened raises `SourceError` there. `read` is called from
    one thread. `close` may be called from another: a `read` that waits then returns None at once.

    Attributes
    ----------
    name
        The path, or '-' for standard input; `TextLine.source` carries it.
    live
        A live source has no end: it waits for what is written next, and `read` gives None only after `close`. Neither
        kind loses a line: who writes into a pipe that is not read fast enough has to wait.
    figures
        What was delivered and met.
    """

    def __init__(self, name: str, *, live: bool) -> None:
        self.name = name
        self.live = live
        self.figures = TextFigures()
        self._lines = LineCutter(name, self.figures)
        self._arrival = (0.0, 0.0)
        self._unfinished_since: float | None = None
        self._ended = False
        self._closed = False
        self._closing = threading.Lock()
        self._reading = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)

    def read(self) -> TextLine | None:
        """Wait for the next line.

        Raises
        ------
        SourceError
            The source cannot be read any more.
        """
        with self._reading:
            while not self._closed:
                text = self._lines.next()
                if text is not None:
                    return self._line(text)
                if self._ended:
                    return None
                self._fill()
        return None

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            os.eventfd_write(self._wake, 1)
        # A read that hangs (a file on a network drive that is gone) is left behind, and what it holds with it.
        if self._reading.acquire(timeout=_CLOSE_SECONDS):
            with contextlib.suppress(OSError):
                self._release()
            os.close(self._wake)
            self._reading.release()

    @abstractmethod
    def _take(self, seconds: float | None) -> bytes | None:
        """What comes within so many seconds: no bytes when nothing did, None when nothing will come any more."""

    @abstractmethod
    def _release(self) -> None:
        """Close what the source opened itself."""

    def _wait(self, descriptor: int | None, seconds: float | None) -> bool:
        """Whether there was something to read, or the other end hung up, within so many seconds and before `close`."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        found = poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
        return any(ready == descriptor for ready, _ in found)

    def _fill(self) -> None:
        """Wait until something has come, or a line has waited for its end for too long."""
        patience = None
        if self._unfinished_since is not None:
            patience = max(0.0, self._unfinished_since + PATIENCE_SECONDS - time.monotonic())
        try:
            data = self._take(patience)
        except OSError as error:
            raise SourceError(f"{_called(self.name)}: cannot be read: {error.strerror or error}") from None
        if data is None:
            self._ended = True
            self._lines.end_line()
        elif data:
            self._arrival = time.time(), time.monotonic()
            self._lines.feed(data)
            # Anew with each part: what comes slowly is waited for, what stopped is not.
            self._unfinished_since = self._arrival[1]
        elif patience == 0:
            self._unfinished_since = None
            self._lines.end_unfinished_line()

    def _line(self, text: str) -> TextLine:
        wall_time, monotonic_time = self._arrival
        number = self.figures.lines
        self.figures.lines += 1
        return TextLine(text, number, wall_time, monotonic_time, self.name)


class TextStream(TextSource):
    """Text from a descriptor that is read to its end: standard input, a nameless pipe, a file, a serial line.

    Parameters
    ----------
    descriptor
        Its bytes are read past whatever Python has buffered of it.
    owned
        Whether closing the source closes it.
    """

    def __init__(self, name: str, descriptor: int, *, owned: bool) -> None:
        super().__init__(name, live=False)
        self._descriptor = descriptor
        self._owned = owned

    def _take(self, seconds: float | None) -> bytes | None:
        if not self._wait(self._descriptor, seconds):
            return b""
        try:
            return os.read(self._descriptor, CHUNK_BYTES) or None
        except BlockingIOError:  # another program took it first
            return b""

    def _release(self) -> None:
        if self._owned:
            os.close(self._descriptor)


def open_text_source(spec: str) -> TextSource:
    """Open the source that `spec` names.

    Parameters
    ----------
    spec
        `-` (standard input), the path of a pipe made with mkfifo (who writes may come and go), of a file or device
        (read to its end), or `follow:` and a file's path: what is added to it from now on, also after it was truncated
        or replaced, and from its beginning once it is there where it was not. `~` is the user's home folder.

    Raises
    ------
    SourceError
        When `spec` names nothing that can be opened; says what is missing.
    """
    from edge.sources.text_files import FifoSource, FollowedFile

    if spec == "-":
        return TextStream("-", _standard_input(), owned=False)
    path, follow = path_of(spec)
    if spec == "none" or not path:
        raise SourceError(f"no text source is named; it is -, a pipe's or a file's path, or {FOLLOW}PATH")
    try:
        descriptor = os.open(path, OPENING)
    except (FileNotFoundError, NotADirectoryError):
        if follow:
            return FollowedFile(path, None)
        raise SourceError(
            f"there is no file or pipe '{path}':  mkfifo {path}  makes a pipe, and {FOLLOW}{path} waits for a file"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SourceError(f"{path}: cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) and not _is_nameless(descriptor):
        return FifoSource(path, descriptor)
    if stat.S_ISREG(mode) and follow:
        return FollowedFile(path, descriptor)
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return TextStream(path, descriptor, owned=True)
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "neither a file nor a pipe"
    raise SourceError(f"{path} is {kind}: name a text file, or a pipe made with mkfifo")


def path_of(spec: str) -> tuple[str, bool]:
    """The path that a source other than `-` names, its `~` written out, and whether a file there is followed."""
    path = spec.removeprefix(FOLLOW)
    with contextlib.suppress(RuntimeError):  # no home folder: "~" stays as it is, and will not be found
        path = path and str(Path(path).expanduser())
    return path, spec.startswith(FOLLOW)


def _standard_input() -> int:
    try:
        # None where what starts it closed it, as `<&-` does.
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        raise SourceError("standard input is closed: pipe text into it") from None


def _is_nameless(descriptor: int) -> bool:
    """Whether a pipe is one of a shell's, as in `<(...)`, which nobody can open a second time to write into."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:")
    except OSError:
        return False


def _called(name: str) -> str:
    return "standard input" if name == "-" else name
