"""What the benchmarks' Markdown pages share: tables that line up, and a place for what the last run printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import DataError
from edge.whole_file import write_whole

BEGIN, END = "<!-- last run: begin -->", "<!-- last run: end -->"
"""Between them stands in a document what the last run printed."""


def rewrite(document: Path, summary: str) -> None:
    """Put a summary between the document's marks, whole or not at all.

    Raises
    ------
    DataError
        It has not each of the marks once, or cannot be read.
    """
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{document}: cannot be read: {error.strerror}") from error
    replaced = between(text, BEGIN, END, summary)
    if replaced is None:
        raise DataError(f"{document}: has no lines {BEGIN} and {END} to write between, or not each once")
    write_whole(document, replaced)


def between(text: str, begin: str, end: str, summary: str) -> str | None:
    """The text with a summary in the place of what stood between two marks; None unless it has each once, in order."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return None
    return f"{text[: text.index(begin)]}{begin}\n\n{summary}\n{text[text.index(end) :]}"


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table whose columns also line up as text."""
    cells = [columns, *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for number, row in enumerate(cells):
        others = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield f"| {' | '.join((row[0].ljust(widths[0]), *others))} |"
        if number == 0:
            yield f"|{'|'.join(('-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])))}|"
