"""Reading what can be read of a damaged journal."""

from __future__ import annotations

import sqlite3
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edge.errors import JournalError
from edge.journal_file import DamagedJournalError, is_damage
from edge.journal_query import COLUMNS, FROM, PAGE, JournalReader, Record, Selection, as_record, explained

_LAST_ID = 2**63 - 1
_GAPS_LIMIT = 1000
"""Of a file in which more is damaged, little is left that is worth the time."""


class SalvagingReader(JournalReader):
    """A reader that leaves out what is damaged; of a whole journal it gives what `JournalReader` gives.

    Raises
    ------
    JournalError
        As of `JournalReader`, where not even the beginning of the file is whole.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gaps = 0
        """Places that were left out so far, each of one record or more; all, when `records` has come to its end."""
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")

    def extent(self) -> tuple[int, int]:
        """As of `JournalReader`; all ids that can be where the ends cannot be read."""
        try:
            return super().extent()
        except DamagedJournalError:
            return 1, _LAST_ID

    def records(self, selection: Selection, *, latest: int | None = None) -> Iterator[Record]:
        """As of `JournalReader`, without what cannot be read."""
        if latest is None:
            yield from self._all(selection)
            return
        try:
            found = list(super().records(selection, latest=latest))
        except DamagedJournalError:
            found = list(deque(self._all(selection), maxlen=latest))
        yield from found

    def _all(self, selection: Selection) -> Iterator[Record]:
        where, values = selection.where(self._time)
        columns = COLUMNS.format(time=self._time)
        # From an id on, not after one: to look for what is after the last id of a damaged page leads into that page.
        between, page = "WHERE o.id >= :start AND o.id <= :last", f"ORDER BY o.id LIMIT {PAGE}"
        chosen = f"SELECT {columns} {FROM} {between} AND {where} {page}"
        each = f"SELECT {columns}, {where} {FROM} {between} {page}"
        one = f"SELECT {columns}, {where} {FROM} WHERE o.id = :start"
        start, last = self.extent()
        while start <= last:
            bounds = {**values, "start": start, "last": last}
            rows, is_cut = self._rows(chosen, bounds)
            if not is_cut:
                yield from self._decoded(rows)
                start = rows[-1][0] + 1 if len(rows) == PAGE else last + 1
                continue
            # Once more, with those that were not asked for: the last one that is whole has to be known.
            rows, is_cut = self._rows(each, bounds)
            start = rows[-1][0] + 1 if rows else start
            if not is_cut:  # the damage is further on
                yield from self._decoded(row[:-1] for row in rows if row[-1])
                start = start if len(rows) == PAGE else last + 1
                continue
            # Python's cursor looks one row ahead, and loses the row before the one that it cannot read.
            more, _ = self._rows(one, {**values, "start": start})
            yield from self._decoded(row[:-1] for row in rows + more if row[-1])
            self._count_gap()
            start = self._next_readable(start + len(more))

    def _decoded(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        for row in rows:
            try:
                record = as_record(row)
            except (struct.error, ValueError, TypeError):
                self._count_gap()
            else:
                yield record

    def _rows(self, query: str, values: dict[str, Any]) -> tuple[list[tuple[Any, ...]], bool]:
        """Rows up to the first that cannot be read, and whether there was one."""
        rows: list[tuple[Any, ...]] = []
        with explained(self.path):
            try:
                rows.extend(self._connection.execute(query, values))  # which keeps what came before an error
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not is_damage(error):
                    raise
                return rows, True
        return rows, False

    def _next_readable(self, damaged: int) -> int:
        """The id of the first record behind the damage that `damaged` stands in; where there is none, past any id."""

        def probe(start: int) -> int | None:
            """The first id from `start` on; None where that cannot be read."""
            found, is_cut = self._rows(
                f"SELECT o.id {FROM} WHERE o.id >= :start ORDER BY o.id LIMIT 1", {"start": min(start, _LAST_ID)}
            )
            return None if is_cut else found[0][0] if found else _LAST_ID + 1

        step = 1
        while (found := probe(damaged + step)) is None:
            if damaged + step > _LAST_ID:
                return _LAST_ID + 1
            step *= 2
        low, high = damaged + max(step // 2, 1), damaged + step
        while low < high:  # the damage ends between the last start that failed and the first that did not
            middle = (low + high) // 2
            if (here := probe(middle)) is None:
                low = middle + 1
            else:
                high, found = middle, here
        return found

    def _count_gap(self) -> None:
        self.gaps += 1
        if self.gaps > _GAPS_LIMIT:
            raise JournalError(f"{self.path}: too much of it is damaged; try sqlite3 {self.path} .recover")
