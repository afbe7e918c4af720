"""Hours of the week in which nothing is sensed, by the clock on the wall.

What is asked is the local time of the day alone. So a night in which the clocks change has its quiet hours by what the
clock on the wall shows: from 22:00 to 06:30 is an hour shorter or longer then, and an hour that comes twice is quiet
twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = 24 * 60
_WEEK = 7 * _DAY
_ENTRY = re.compile(r"(?:(?P<days>[a-z,\- ]+?)\s+)?(?P<begin>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})")
_EXAMPLES = "write such as '22:00-06:30', 'sat,sun 00:00-24:00' or 'mon-fri 08:00-17:00'"


class QuietHours:
    """Which minutes of the week are quiet.

    Parameters
    ----------
    entries
        Each '[DAYS ]HH:MM-HH:MM'. DAYS are names of three letters or ranges of them, divided by commas; without them
        it holds each day. The days are those on which it begins: 'fri 22:00-06:00' ends on Saturday. 24:00 is the end
        of the day.

    Raises
    ------
    ValueError
        An entry is not of this form, or no minute of the week is left; the message names the entry and the mend.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        minutes = bytearray(_WEEK)
        for entry in entries:
            days, begin, end = _parse(entry)
            for day in days:
                for minute in range(begin, end):
                    minutes[(day * _DAY + minute) % _WEEK] = 1
        if all(minutes):
            raise ValueError(
                f"{', '.join(entries)}: the whole week is quiet; leave some hours, or do not run it at all"
            )
        self._minutes = bytes(minutes)

    def __bool__(self) -> bool:
        return any(self._minutes)

    def until(self, moment: datetime) -> str | None:
        """When the quiet hours end in which a moment lies; None where it lies in none.

        Parameters
        ----------
        moment
            In local time.

        Returns
        -------
        str or None
            '06:30', or 'mon 06:30' where that is not within a day.
        """
        now = moment.weekday() * _DAY + moment.hour * 60 + moment.minute
        if not self._minutes[now]:
            return None
        end = (self._minutes + self._minutes).index(0, now)
        clock = f"{end % _DAY // 60:02}:{end % 60:02}"
        return clock if end - now < _DAY else f"{DAYS[end // _DAY % 7]} {clock}"


def _parse(entry: str) -> tuple[list[int], int, int]:
    """Days, first minute and the minute after the last, counted from midnight at which the days begin."""
    found = _ENTRY.fullmatch(entry.strip().lower())
    if found is None:
        raise ValueError(f"'{entry}': {_EXAMPLES}")
    begin, end = _minute(entry, found["begin"]), _minute(entry, found["end"])
    if begin == end:
        raise ValueError(f"'{entry}': ends when it begins; a whole day is 00:00-24:00")
    if begin == _DAY:
        raise ValueError(f"'{entry}': nothing begins at 24:00; write 00:00, and the day after where days are named")
    days = list(_days(entry, found["days"])) if found["days"] else list(range(7))
    return days, begin, end if end > begin else end + _DAY


def _minute(entry: str, clock: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY:
        raise ValueError(f"'{entry}': {clock} is not a time of the day, which goes from 00:00 to 24:00")
    return hour * 60 + minute


def _days(entry: str, text: str) -> Iterator[int]:
    for part in text.split(","):
        ends = [name.strip() for name in part.split("-")]
        if len(ends) > 2 or not all(name in DAYS for name in ends):
            raise ValueError(
                f"'{entry}': '{part.strip()}' is not a day ({', '.join(DAYS)}) or a range of them (mon-fri)"
            )
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        # fri-mon goes over the end of the week.
        yield from (day % 7 for day in range(first, last + 1 if last >= first else last + 8))
