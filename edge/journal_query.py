"""Reading the journal while it is being written."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from edge.journal_file import connect, explain
from edge.journal_rows import decode
from edge.journal_schema import RECORD_TIME, pragma
from edge.observation import Observation

GAP_SECONDS = 2.0
"""In a summary an observation stands for the time until its track's next one, but for no more than this by default."""

PAGE = 1000
"""Records that are read at once."""

# Of the queries for records; {time} is when one was made.
FROM = "FROM observation AS o CROSS JOIN stream AS s ON s.id = o.stream"
COLUMNS = (
    "o.id, s.session, s.boot_id, s.modality, s.source, s.labels, {time}, o.monotonic_time, o.label, o.confidence,"
    " o.track, o.x, o.y, o.width, o.height, o.changed, o.probabilities"
)


@dataclass(frozen=True, slots=True)
class Record:
    """An observation as it lies in the journal."""

    id: int
    """Order of recording; never runs back, whatever the clock did."""
    session: str
    """The run of the program that wrote it."""
    boot_id: str
    """The boot that its monotonic time belongs to."""
    observation: Observation
    """With its wall time by the latest clock of its session: put right where the system's clock was set later on."""

    def as_dict(self) -> dict[str, Any]:
        """`Observation.as_dict` with session and boot id."""
        return {**self.observation.as_dict(), "session": self.session, "boot_id": self.boot_id}


@dataclass(frozen=True, slots=True)
class Event:
    """What the program did, as it lies in the journal."""

    id: int
    """Order of recording."""
    session: str
    boot_id: str
    wall_time: float
    """Seconds since the Unix epoch, UTC, by the latest clock of its session."""
    monotonic_time: float
    """Seconds of `time.monotonic()` of that boot."""
    kind: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints; times to a millisecond."""
        return {**asdict(self), "wall_time": round(self.wall_time, 3), "monotonic_time": round(self.monotonic_time, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records are meant; None means any."""

    since: float | None = None
    """Earliest wall time, seconds since the Unix epoch, by the latest clock of a record's session."""
    until: float | None = None
    """Wall time before which they lie, likewise."""
    modality: str | None = None
    source: str | None = None
    """Text that the source's name contains."""
    label: str | None = None
    changes: bool = False
    """Only observations whose label differs from their track's previous one."""

    def where(self, time: str = RECORD_TIME) -> tuple[str, dict[str, object]]:
        """An SQL condition on `observation AS o` and `stream AS s`, and its named parameters; `time` is a record's."""
        conditions = {
            "since": f"{time} >= :since",
            "until": f"{time} < :until",
            "modality": "s.modality = :modality",
            "source": "instr(s.source, :source) > 0",
            "label": "o.label = :label",
        }
        values: dict[str, object] = {
            name: getattr(self, name) for name in conditions if getattr(self, name) is not None
        }
        terms = [conditions[name] for name in values]
        if self.changes:
            terms.append("o.changed = 1")
        return " AND ".join(terms) or "TRUE", values


@dataclass(frozen=True, slots=True)
class Share:
    """What one label has of one hour or day."""

    period: str
    """'2026-11-21 14:00' or '2026-11-21', local time."""
    label: str
    observations: int
    seconds: float
    """Until the track's next observation each; two faces at a time count twice."""


_Reader = TypeVar("_Reader", bound="JournalReader")


class JournalReader:
    """A journal opened for reading: a `with` block. It holds no lock for long, so a writer is never kept waiting.

    Raises
    ------
    JournalError
        There is no journal at `path`, it cannot be read, or it is damaged; also from each method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path, "read")
        self._version = pragma(self._connection, "user_version")
        self._time = RECORD_TIME if self._version >= 2 else "o.wall_time"

    def __enter__(self: _Reader) -> _Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def extent(self) -> tuple[int, int]:
        """Ids of the first and the last record, or (1, 0) when there is none."""
        with explained(self.path):
            first, last = self._connection.execute(
                "SELECT (SELECT MIN(id) FROM observation), (SELECT MAX(id) FROM observation)"
            ).fetchone()
        return (1, 0) if first is None else (first, last)

    def labels(self) -> list[str]:
        """The labels that probabilities are recorded for, in the order in which they first appear."""
        with explained(self.path):
            rows = self._connection.execute("SELECT labels FROM stream ORDER BY id").fetchall()
            return list(dict.fromkeys(label for (names,) in rows for label in json.loads(names)))

    def records(self, selection: Selection, *, latest: int | None = None) -> Iterator[Record]:
        """Give the selected records in the order of recording, up to the newest there is at the call.

        They are read a thousand at a time: memory stays flat, and a writer can go on.

        Parameters
        ----------
        selection
            Which ones.
        latest
            Only this many of them, the last ones.
        """
        where, values = selection.where(self._time)
        columns = COLUMNS.format(time=self._time)
        position, last = self.extent()
        position -= 1
        with explained(self.path):
            if latest is not None:
                (first,) = self._connection.execute(
                    f"SELECT MIN(id) FROM (SELECT o.id {FROM} WHERE {where} ORDER BY o.id DESC LIMIT :latest)",
                    {**values, "latest": latest},
                ).fetchone()
                position = last if first is None else first - 1
            while position < last:
                rows = self._connection.execute(
                    f"SELECT {columns} {FROM} WHERE o.id > :position AND o.id <= :last AND {where}"
                    f" ORDER BY o.id LIMIT {PAGE}",
                    {**values, "position": position, "last": last},
                ).fetchall()
                yield from map(as_record, rows)
                position = rows[-1][0] if len(rows) == PAGE else last

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        kind: str | None = None,
        latest: int | None = None,
    ) -> list[Event]:
        """What the program did, in the order of recording.

        Parameters
        ----------
        since, until
            Wall time from which and before which, seconds since the Unix epoch.
        kind
            Only of this kind.
        latest
            Only this many of them, the last ones.
        """
        if self._version < 2:
            return []
        terms = {"since": "wall_time >= :since", "until": "wall_time < :until", "kind": "kind = :kind"}
        values = {"since": since, "until": until, "kind": kind}
        where = " AND ".join(term for name, term in terms.items() if values[name] is not None) or "TRUE"
        with explained(self.path):
            rows = self._connection.execute(
                f"SELECT id, session, boot_id, wall_time, monotonic_time, kind, detail FROM event WHERE {where}"
                " ORDER BY id DESC LIMIT :latest",
                {**values, "latest": -1 if latest is None else latest},
            ).fetchall()
        return [Event(*row) for row in reversed(rows)]

    def summary(
        self, selection: Selection, *, per: Literal["hour", "day"] = "hour", gap: float = GAP_SECONDS
    ) -> list[Share]:
        """Observations and seconds of each label in each hour or day of local time, in order.

        Parameters
        ----------
        selection
            Which records; `changes` is not looked at.
        per
            What to divide the time into.
        gap
            Seconds that one observation stands for at most; the last one of a track stands for none.
        """
        # The label is chosen outside: inside it would take away the observation that ends the one before it.
        inner, values = Selection(
            since=selection.since, until=selection.until, modality=selection.modality, source=selection.source
        ).where(self._time)
        # Grouped by quarter hours, of which every time zone's hours are made: SQLite is slow at naming local hours.
        query = f"""
            SELECT CAST(time / 900 AS INTEGER), label, COUNT(*), TOTAL(MAX(0.0, MIN(seconds, :gap)))
            FROM (SELECT {self._time} AS time, o.label, LEAD(o.monotonic_time)
                         OVER (PARTITION BY o.stream, o.track ORDER BY o.id) - o.monotonic_time AS seconds
                  {FROM} WHERE {inner})
            WHERE :label IS NULL OR label = :label
            GROUP BY 1, 2 ORDER BY 1, 2"""
        with explained(self.path):
            rows = self._connection.execute(query, {**values, "gap": gap, "label": selection.label}).fetchall()
        sums: dict[tuple[str, str], tuple[int, float]] = {}
        for quarter, label, count, seconds in rows:
            key = (_period(quarter * 900, per), label)
            before = sums.get(key, (0, 0.0))
            sums[key] = (before[0] + count, before[1] + seconds)
        return [Share(period, label, *total) for (period, label), total in sorted(sums.items())]


def as_record(row: tuple[Any, ...]) -> Record:
    """The record whose `COLUMNS` these are; raises what `edge.journal_rows.decode` does."""
    identity, session, boot_id, modality, source, labels, *rest = row
    return Record(identity, session, boot_id, decode((modality, source, labels), rest))


def _period(seconds: float, per: Literal["hour", "day"]) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:00" if per == "hour" else "%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # a clock that was wrong beyond the calendar
        return "unknown"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What SQLite or a damaged record raises within becomes a JournalError."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from None
    except (struct.error, ValueError, TypeError):  # what a record from a damaged page leads to
        raise explain(path, sqlite3.DatabaseError("malformed")) from None
