"""When schedules are due: what people wrote down, and what counting the minutes says."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.triggers.timetable import ALIASES, Timetable, timetable

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
LORD_HOWE, SANTIAGO, AUCKLAND = "Australia/Lord_Howe", "America/Santiago", "Pacific/Auckland"


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def due(
    schedule: str,
    zone: str,
    after: str,
    count: int,
    *,
    seconds: bool = False,
    form: str = "%d %H:%M%z",
) -> list[str]:
    """The next due times after a local one, as the clock on the wall shows them."""
    table = Timetable(schedule, zone, seconds=seconds)
    times = islice(table.between(at(after, zone), float("inf")), count)
    return [table.local(moment).strftime(form) for moment in times]


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "times"),
    [
        # A time of the day that the clock leaps over is due when it has leapt, and only once.
        ("30 2 * * *", NEW_YORK, "03-07T12:00", "08 03:00-0400, 09 02:30-0400"),
        ("0,20,40 2 * * *", NEW_YORK, "03-07T12:00", "08 03:00-0400, 09 02:00-0400"),
        ("30 2,3 * * *", BERLIN, "03-28T12:00", "29 03:00+0200, 29 03:30+0200"),
        ("15 2 * * *", LORD_HOWE, "10-03T12:00", "04 02:30+1100, 05 02:15+1100"),
        ("30 0 * * *", SANTIAGO, "09-05T12:00", "06 01:00-0300, 07 00:30-0300"),
        ("0 0 * * SUN", SANTIAGO, "09-05T12:00", "06 01:00-0300, 13 00:00-0300"),
        ("30 2 * * *", AUCKLAND, "09-26T12:00", "27 03:00+1300, 28 02:30+1300"),
        # One that the clock shows twice is due the first time.
        ("30 1 * * *", NEW_YORK, "10-31T12:00", "01 01:30-0400, 02 01:30-0500"),
        ("0,30 2 * * *", BERLIN, "10-24T12:00", "25 02:00+0200, 25 02:30+0200, 26 02:00+0100"),
        ("45 1 * * *", LORD_HOWE, "04-04T12:00", "05 01:45+1100, 06 01:45+1030"),
        ("30 23 * * *", SANTIAGO, "04-04T12:00", "04 23:30-0300, 05 23:30-0400"),
        # An interval goes on, hour by hour, whatever the clock does.
        ("0 * * * *", NEW_YORK, "03-08T00:30", "08 01:00-0500, 08 03:00-0400, 08 04:00-0400"),
        ("0 * * * *", NEW_YORK, "11-01T00:30", "01 01:00-0400, 01 01:00-0500, 01 02:00-0500"),
        ("0 * * * *", BERLIN, "10-25T01:30", "25 02:00+0200, 25 02:00+0100, 25 03:00+0100"),
        ("*/30 * * * *", LORD_HOWE, "10-04T01:15", "04 01:30+1030, 04 02:30+1100, 04 03:00+1100"),
        ("0 * * * *", LORD_HOWE, "10-04T00:30", "04 01:00+1030, 04 03:00+1100"),
        ("30 * * * *", LORD_HOWE, "04-05T01:15", "05 01:30+1100, 05 01:30+1030, 05 02:30+1030"),
        ("*/15 5 * * *", LORD_HOWE, "10-04T00:00", "04 05:00+1100, 04 05:15+1100"),
        ("*/30 * * * *", SANTIAGO, "09-05T23:15", "05 23:30-0400, 06 01:00-0300"),
        ("0 * * * *", SANTIAGO, "04-04T22:30", "04 23:00-0300, 04 23:00-0400, 05 00:00-0400"),
        ("0 * * * *", AUCKLAND, "04-05T01:30", "05 02:00+1300, 05 02:00+1200, 05 03:00+1200"),
    ],
)  # fmt: skip
def test_the_clock_leaps_and_falls_back(schedule: str, zone: str, after: str, times: str) -> None:
    expected = times.split(", ")

    assert due(schedule, zone, f"2026-{after}", len(expected)) == expected


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29"]),
        ("0 0 L 2 *", ["2026-02-28", "2027-02-28", "2028-02-29"]),
        ("0 0 L * *", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("0 0 LW * *", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("0 0 31 * *", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("0 0 30,31 1,2 *", ["2026-01-30", "2026-01-31", "2027-01-30"]),
        ("0 0 * * MON#2", ["2026-01-12", "2026-02-09"]),
        ("0 0 * * 5L", ["2026-01-30", "2026-02-27"]),
        ("0 0 * * MON#5", ["2026-03-30", "2026-06-29"]),
        ("0 0 * 2 MON#5", ["2044-02-29"]),
        ("0 0 * * 0,7", ["2026-01-04", "2026-01-11"]),
        ("0 0 13 * 5", ["2026-01-02", "2026-01-09", "2026-01-13", "2026-01-16"]),
        ("0 0 1-7 * SUN", ["2026-01-02", "2026-01-03", "2026-01-04"]),
        ("0 0 */10 * 5", ["2026-05-01", "2026-07-31"]),
        ("@weekly", ["2026-01-04", "2026-01-11"]),
        ("@monthly", ["2026-02-01", "2026-03-01"]),
        ("@yearly", ["2027-01-01"]),
    ],
)
def test_days_are_those_of_the_calendar(schedule: str, days: list[str]) -> None:
    """The day of the month *or* of the week, unless one of them begins with a star."""
    assert due(schedule, "UTC", "2026-01-01T00:00", len(days), form="%Y-%m-%d") == days


def test_the_time_that_is_now_is_not_the_next_one() -> None:
    assert due("0 9 * * *", "UTC", "2026-01-01T08:59:59.999", 1) == ["01 09:00+0000"]
    assert due("0 9 * * *", "UTC", "2026-01-01T09:00", 1) == ["02 09:00+0000"]
    assert due("0 9 * * *", "UTC", "2026-01-01T09:00:00.001", 1) == ["02 09:00+0000"]


def test_the_first_of_six_fields_is_the_second() -> None:
    times = due("*/20 30 9 * * *", "UTC", "2026-01-01T09:30:10", 3, seconds=True, form="%d %T")
    gap = due("30 30 2 * * *", BERLIN, "2026-03-28T12:00", 2, seconds=True, form="%d %T")

    assert times == ["01 09:30:20", "01 09:30:40", "02 09:30:00"]
    assert gap == ["29 03:00:00", "30 02:30:30"]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("0 0 31 2 *", "'0 0 31 2 *' never comes: no month that it names has such a day"),
        ("0 0 30 FEB *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("0 0 */10 2 MON#5", "never comes"),
        ("61 * * * *", "'61' is no minute; it is 0-59, a range 1-5"),
        ("0 24 * * *", "'24' is no hour; it is 0-23"),
        ("0 0 0 * *", "'0' is no day-of-month; it is 1-31, L (the last)"),
        ("0 0 * 13 *", "'13' is no month; it is 1-12 or JAN-DEC"),
        ("0 0 * * 8", "'8' is no day-of-week; it is 0-7 or SUN-SAT"),
        ("0 0 * * 1#6", "'1#6' is no day-of-week"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("", "has 0 fields; write 5: minute hour day-of-month month day-of-week"),
        ("0 9 * *", "has 4 fields; write 5"),
        ("0 0 9 * * *", "with `seconds: true` the first of six is the second"),
        ("@dayly", "'@dayly' is not a schedule; did you mean '@daily'?"),
        ("0 " * 300, "200 characters at most"),
    ],
)
def test_what_can_never_be_due_is_refused(schedule: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Timetable(schedule)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Roma", "did you mean 'Europe/Rome'?"),
        ("rome", "did you mean 'Europe/Rome'?"),
        ("new york", "did you mean 'America/New_York'?"),
        ("europe/rome", "did you mean 'Europe/Rome'?"),
        ("../../etc/passwd", "is not an IANA time zone"),
        ("Europe", "is not an IANA time zone"),
        ("localtime", "is not an IANA time zone"),
        ("right/UTC", "is not an IANA time zone"),
        ("UTC\0", "is not an IANA time zone"),
        ("", "is not an IANA time zone"),
    ],
)
def test_a_zone_that_is_not_there_is_refused_with_the_nearest(zone: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        Timetable("@daily", zone)


def test_it_begins_and_ends_with_the_calendar() -> None:
    assert Timetable("@daily").after(at("9999-12-31T12:00")) is None
    for schedule in ("@daily", "@hourly"):
        first = Timetable(schedule, NEW_YORK).after(at("0001-01-01T00:00") - 1)
        assert first is not None
        assert first < at("0001-01-05T00:00")
    assert Timetable("@hourly", AUCKLAND).after(at("9999-12-31T23:30")) is None
    assert Timetable("@daily").after(1e18) is None


@settings(deadline=None)
@given(st.text(alphabet="0123456789*/,-#LWMONFRI @é²", max_size=40), st.booleans())
@example("* * 1#L-2/3 * *", False)
@example("1L/2 * * * *", False)
@example("0 0 L,15/2 * LW", False)
def test_any_text_is_a_schedule_that_can_be_told_in_words_or_refused(
    text: str, seconds: bool
) -> None:
    try:
        table = Timetable(text, seconds=seconds)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017 - what is refused depends on the example
    else:
        assert table.after(0.0) is not None
        assert table.explain()


def test_it_is_told_in_words() -> None:
    assert Timetable("0 9 * * MON-FRI").explain() == "At 09:00 on Monday through Friday"
    assert Timetable("@hourly").explain() == "At the start of every hour"


Matches = Callable[[Any], bool]


def numbers(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field as it is written, and the numbers that it means."""
    one = st.integers(low, high)
    pair = st.tuples(one, one).map(sorted)
    step = st.integers(1, high)
    every = range(low, high + 1)
    term = st.one_of(
        st.just(("*", frozenset(every))),
        step.map(lambda n: (f"*/{n}", frozenset(every[::n]))),
        one.map(lambda n: (str(n), frozenset({n}))),
        pair.map(lambda p: (f"{p[0]}-{p[1]}", frozenset(range(p[0], p[1] + 1)))),
    )
    few = st.lists(one, min_size=2, max_size=4, unique=True)
    return term | few.map(lambda ns: (",".join(map(str, ns)), frozenset(ns)))


def last_day(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def in_month(field: tuple[str, frozenset[int]]) -> tuple[str, Matches]:
    return field[0], lambda day: day.day in field[1]


def in_week(field: tuple[str, frozenset[int]]) -> tuple[str, Matches]:
    return field[0], lambda day: day.isoweekday() % 7 in {n % 7 for n in field[1]}


def nth(pair: tuple[int, int]) -> tuple[str, Matches]:
    weekday, n = pair
    return (
        f"{weekday}#{n}",
        lambda day: day.isoweekday() % 7 == weekday and (day.day - 1) // 7 + 1 == n,
    )


def last(weekday: int) -> tuple[str, Matches]:
    return (
        f"{weekday}L",
        lambda day: day.isoweekday() % 7 == weekday and day.day + 7 > last_day(day),
    )


days: st.SearchStrategy[tuple[str, Matches]] = numbers(1, 31).map(in_month) | st.just(
    ("L", lambda day: day.day == last_day(day))
)
weekdays: st.SearchStrategy[tuple[str, Matches]] = st.one_of(
    numbers(0, 7).map(in_week),
    st.tuples(st.integers(0, 6), st.integers(1, 5)).map(nth),
    st.integers(0, 6).map(last),
)
LEAPS = {
    NEW_YORK: ["2026-03-08", "2026-11-01"],
    BERLIN: ["2026-03-29", "2026-10-25"],
    LORD_HOWE: ["2026-04-05", "2026-10-04"],
    SANTIAGO: ["2026-04-05", "2026-09-06"],
    AUCKLAND: ["2026-04-05", "2026-09-27"],
    "America/St_Johns": ["2009-03-08", "2009-11-01"],  # at one minute past midnight
    "Africa/Casablanca": ["2026-02-15", "2026-03-22"],  # a month apart
    "Pacific/Apia": ["2011-12-30", "2011-12-31"],  # a day that never was
    "UTC": ["2024-02-29", "2026-12-31"],
}
QUARTERS = ("*/15", frozenset(range(0, 60, 15)))
HALF_PAST = ("30", frozenset({30}))
ANY_DAY: tuple[str, Matches] = ("*", lambda _: True)
ANY_MONTH = ("*", frozenset(range(1, 13)))
begins = st.sampled_from([(zone, day) for zone, days in LEAPS.items() for day in days])


@settings(deadline=None)
@given(
    numbers(0, 59), numbers(0, 23), days, numbers(1, 12), weekdays, begins, st.integers(-2880, 720)
)
@example(QUARTERS, ("5", frozenset({5})), ANY_DAY, ANY_MONTH, ANY_DAY, (LORD_HOWE, "2026-10-04"), 0)
@example(
    HALF_PAST, ("1", frozenset({1})), ANY_DAY, ANY_MONTH, ANY_DAY, (NEW_YORK, "2026-11-01"), 65
)
def test_it_says_what_counting_the_minutes_says(
    minute: tuple[str, frozenset[int]],
    hour: tuple[str, frozenset[int]],
    day: tuple[str, Matches],
    month: tuple[str, frozenset[int]],
    weekday: tuple[str, Matches],
    begin: tuple[str, str],
    moved: int,
) -> None:
    zone = ZoneInfo(begin[0])
    start = datetime.fromisoformat(begin[1]).replace(tzinfo=UTC) + timedelta(minutes=moved)
    parts = [minute[0], hour[0], day[0], month[0], weekday[0]]
    both = day[0].startswith("*") or weekday[0].startswith("*")

    def fits(wall: datetime) -> bool:
        if wall.minute not in minute[1] or wall.hour not in hour[1] or wall.month not in month[1]:
            return False
        found = day[1](wall.date()), weekday[1](wall.date())
        return all(found) if both else any(found)

    try:
        table = timetable(" ".join(parts), begin[0], False)
    except ValueError as refused:
        assert "never comes" in str(refused)  # noqa: PT017 - as above
        return
    hours = 72
    counted = counted_minutes(fits, start, zone, hours, "*" in minute[0] + hour[0])
    until = start + timedelta(hours=hours)

    assert list(table.between(start.timestamp(), until.timestamp())) == counted
    assert table.latest(start.timestamp(), until.timestamp(), 5) == counted[-5:]


def counted_minutes(
    fits: Matches, start: datetime, zone: ZoneInfo, hours: int, interval: bool
) -> list[int]:
    """Every minute of real time, and what the wall shows: an interval is due whenever that
    fits; a time of the day when the wall first shows it, or for the first time more."""
    found: list[int] = []
    latest: datetime | None = None
    for n in range(-2 * 24 * 60, hours * 60 + 1):
        now = start + timedelta(minutes=n)
        wall = now.astimezone(zone).replace(tzinfo=None)
        if interval:
            comes = fits(wall)
        else:
            first = latest is None or wall > latest
            begun = wall if latest is None else latest + timedelta(minutes=1)
            passed = (wall - begun) // timedelta(minutes=1) + 1 if first else 0
            comes = any(fits(begun + timedelta(minutes=m)) for m in range(passed))
            latest = wall if first else latest
        if comes and n > 0:
            found.append(int(now.timestamp()))
    return found


def test_every_alias_is_a_schedule() -> None:
    for alias in ALIASES:
        assert Timetable(alias).after(0.0) is not None
        assert Timetable(alias, seconds=True).after(0.0) == Timetable(alias).after(0.0)
