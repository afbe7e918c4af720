from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from edge.service.quiet_hours import DAYS, QuietHours

MONDAY = datetime(2026, 11, 2)


def at(day: str, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return MONDAY + timedelta(days=DAYS.index(day), hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("entries", "moment", "until"),
    [
        (["22:00-06:30"], at("wed", "21:59"), None),
        (["22:00-06:30"], at("wed", "22:00"), "06:30"),
        (["22:00-06:30"], at("wed", "23:59"), "06:30"),
        (["22:00-06:30"], at("thu", "00:00"), "06:30"),
        (["22:00-06:30"], at("thu", "06:29"), "06:30"),
        (["22:00-06:30"], at("thu", "06:30"), None),
        (["22:00-06:30"], at("sun", "23:00"), "06:30"),
        (["22:00-06:30"], at("mon", "05:00"), "06:30"),
        (["12:00-13:00"], at("mon", "12:59") + timedelta(seconds=59), "13:00"),
        # The days are those on which it begins.
        (["fri 22:00-06:00"], at("sat", "05:59"), "06:00"),
        (["fri 22:00-06:00"], at("fri", "05:59"), None),
        (["sun 22:00-06:00"], at("mon", "05:59"), "06:00"),
        # Whole days, ranges, over the end of the week.
        (["sat 00:00-24:00"], at("sat", "00:00"), "sun 00:00"),
        (["sat 00:00-24:00"], at("sat", "00:01"), "00:00"),
        (["sat 00:00-24:00"], at("sun", "00:00"), None),
        (["sat,sun 00:00-24:00"], at("sat", "12:00"), "mon 00:00"),
        (["fri-mon 08:00-09:00"], at("mon", "08:30"), "09:00"),
        (["fri-mon 08:00-09:00"], at("tue", "08:30"), None),
        (["Mon - Fri, sun  8:00 - 9:00"], at("sun", "08:30"), "09:00"),
        # What touches or overlaps is one stretch.
        (["22:00-24:00", "00:00-06:00", "05:00-07:00"], at("tue", "22:30"), "07:00"),
        (["sun 12:00-24:00", "mon 00:00-08:00"], at("sun", "13:00"), "08:00"),
        ([], at("mon", "03:00"), None),
    ],
)
def test_knows_what_is_quiet_and_until_when(entries: list[str], moment: datetime, until: str | None) -> None:
    hours = QuietHours(entries)
    assert hours.until(moment) == until
    assert bool(hours) is bool(entries)


def test_agrees_with_what_an_entry_says_of_every_minute() -> None:
    chance = random.Random(7)
    for _ in range(30):
        days = sorted(chance.sample(range(7), chance.randint(1, 5)))
        begin, length = chance.randrange(0, 1440, 7), chance.randrange(1, 1440)
        end = (begin + length) % 1440
        clocks = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
        hours = QuietHours([f"{','.join(DAYS[day] for day in days)} {clocks}"])
        starts = [MONDAY + timedelta(weeks=week, days=day, minutes=begin) for week in (-1, 0, 1) for day in days]
        for minute in range(0, 7 * 1440, 11):
            moment = MONDAY + timedelta(minutes=minute)
            expected = any(start <= moment < start + timedelta(minutes=length) for start in starts)
            assert (hours.until(moment) is not None) is expected, (clocks, days, moment)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("", "'': write such as '22:00-06:30'"),
        ("22:00", "'22:00': write such as"),
        ("22-6", "'22-6': write such as"),
        ("22:00-06:30 sat", "write such as"),
        ("22:00–06:30", "write such as"),
        ("25:00-06:30", "25:00 is not a time of the day"),
        ("22:60-06:30", "22:60 is not a time of the day"),
        ("22:00-24:01", "24:01 is not a time of the day"),
        ("06:00-06:00", "ends when it begins; a whole day is 00:00-24:00"),
        ("fri 24:00-06:00", "nothing begins at 24:00"),
        ("samstag 22:00-06:30", "'samstag' is not a day (mon, tue, wed, thu, fri, sat, sun)"),
        ("mon-wed-fri 22:00-06:30", "'mon-wed-fri' is not a day"),
        ("mon, 22:00-06:30", "'' is not a day"),
        ("00:00-24:00", "the whole week is quiet"),
    ],
)
def test_says_what_is_wrong_with_an_entry(entry: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^'|whole week") as raised:
        QuietHours([entry])
    assert told in str(raised.value)
    assert entry in str(raised.value)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time with its changes in March and October, from a rule, for there may be no time zone database."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def quiet_minutes(hours: QuietHours, first: float, last: float) -> int:
    return sum(hours.until(datetime.fromtimestamp(moment)) is not None for moment in range(int(first), int(last), 60))


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("noon", "entry", "minutes"),
    [
        (datetime(2026, 3, 28, 12), "22:00-06:30", 7 * 60 + 30),  # the clocks go from 2:00 to 3:00
        (datetime(2026, 10, 24, 12), "22:00-06:30", 9 * 60 + 30),  # and from 3:00 back to 2:00
        (datetime(2026, 6, 1, 12), "22:00-06:30", 8 * 60 + 30),
        (datetime(2026, 3, 28, 12), "02:15-02:45", 0),  # there is no such time in that night
        (datetime(2026, 10, 24, 12), "02:15-02:45", 60),  # it comes twice
        (datetime(2026, 3, 28, 12), "02:30-03:30", 30),
    ],
)
def test_goes_by_the_clock_on_the_wall_when_the_clocks_change(noon: datetime, entry: str, minutes: int) -> None:
    begin = noon.timestamp()
    assert quiet_minutes(QuietHours([entry]), begin, begin + 23 * 3600) == minutes
