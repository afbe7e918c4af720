"""What the benchmarks' Markdown pages share: tables that line up, and a place for what the last run printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import DataError

BEGIN, END = "<!-- last run: begin -->", "<!-- last run: end -->"
"""Between them stands in a document what the last run printed."""


def rewrite(document: Path, summary: str) -> None:
    """Put a summary between the document's marks.

    Raises
    ------
    DataError
        It has no such marks, or cannot be read.
    """
    try:
        text = document.read_text()
    except OSError as error:
        raise DataError(f"{document}: cannot be read: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{document}: has no lines {BEGIN} and {END} to write between")
    document.write_text(f"{before}{BEGIN}\n\n{summary}\n{END}{after}")


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table whose columns also line up as text."""
    cells = [columns, *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for number, row in enumerate(cells):
        others = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield f"| {' | '.join((row[0].ljust(widths[0]), *others))} |"
        if number == 0:
            yield f"|{'|'.join(('-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])))}|"
