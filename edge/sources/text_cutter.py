"""From the bytes of a pipe or file to its lines of text, whatever the bytes are."""

from __future__ import annotations

import codecs
import logging
from dataclasses import dataclass

LINE_BYTES = 1_000_000
"""Of one line at most; what comes after is left out up to the line's end, so that memory stays bounded."""

_log = logging.getLogger(__name__)


@dataclass
class TextFigures:
    """What a source has delivered, and what it met; the figures count from the source's opening and only grow."""

    lines: int = 0
    """Lines handed out, empty ones too."""
    cut: int = 0
    """Lines that were longer than `LINE_BYTES`."""
    undecodable: int = 0
    """Lines that were not all UTF-8; what was not is U+FFFD in them."""
    unfinished: int = 0
    """Lines that were read though their end had not come for seconds."""
    reopened: int = 0
    """Times that the last writer left a pipe, that a file was truncated, or that another came in its place."""


class LineCutter:
    """Cuts bytes into lines, at newlines alone; a carriage return before one belongs to it.

    Zero bytes are left out: they stand for nothing, and a log that was truncated under its writer begins with a hole
    full of them.

    Parameters
    ----------
    name
        Of the source, for the log. Of the text itself nothing is ever logged.
    figures
        Counted up here.
    """

    def __init__(self, name: str, figures: TextFigures) -> None:
        self._name = name
        self._figures = figures
        self._held = bytearray()
        self._searched = 0  # bytes at the beginning that hold no newline
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._held += data.replace(b"\0", b"")

    def next(self) -> str | None:
        """The next whole line; None when more has to come first."""
        while (end := self._held.find(b"\n", self._searched)) >= 0:
            line = bytes(self._held[:end])
            self._drop(end + 1)
            if not self._skipping:
                return self._cut(line) if len(line) > LINE_BYTES else self._decode(line)
            self._skipping = False  # this was the rest of a line that was handed out already
        if self._skipping:
            self._drop(len(self._held))
        elif len(self._held) > LINE_BYTES:
            line = bytes(self._held)
            self._drop(len(line))
            self._skipping = True
            return self._cut(line)
        self._searched = len(self._held)
        return None

    def end_line(self) -> None:
        """No more will come of the line that has begun: it ends here."""
        if self._held or self._skipping:
            self._held += b"\n"

    def end_unfinished_line(self) -> None:
        """Take what is there of a line for the whole; bytes of a character that is not complete begin the next."""
        end = _whole_characters(self._held)
        if end and b"\n" not in self._held:
            self._figures.unfinished += 1
            self._held.insert(end, ord("\n"))
            self._searched = 0

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self._searched = 0

    def _cut(self, line: bytes) -> str:
        self._figures.cut += 1
        if self._figures.cut == 1:
            _log.warning("%s: a line is longer than %d bytes; the rest of it is left out", self._name, LINE_BYTES)
        line = line[:LINE_BYTES]
        return self._decode(line[: _whole_characters(line)])

    def _decode(self, line: bytes) -> str:
        line = line.removesuffix(b"\r")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self._figures.undecodable += 1
            if self._figures.undecodable == 1:
                _log.warning("%s: not all of it is UTF-8; what is not is passed over", self._name)
            text = line.decode(errors="replace")
        return text.removeprefix("\ufeff")  # the mark that some editors begin a file with


def _whole_characters(data: bytes | bytearray) -> int:
    """Bytes without those of a character at the end that is not complete."""
    _, used = codecs.utf_8_decode(data, "replace", False)
    return used
