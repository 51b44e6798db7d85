"""When a cron expression is due in a zone, daylight saving included. Times are whole seconds
since 1970."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from cronsim.explain import Expression

from ..graphs.registry import nearest

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

_DAY = 86_400
_EARLIEST = int(datetime(1, 1, 3, tzinfo=UTC).timestamp())
"""Before it some zones would show the year 0, which nothing can tell of."""

_LONGEST = 200
_FIELDS = "minute hour day-of-month month day-of-week"
_ALLOWED = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, 5L (the last Friday) or 1#2 (the second Monday)",
}


class Timetable:
    """The due times of one schedule in one zone.

    A schedule whose hours and minutes are written out means times of the day: one that the
    clock leaps over is due at the first instant after the leap, one that comes twice is due
    the first time. With a `*` among them it means an interval, and follows the clock on the
    wall: what it leaps over is not due, what comes twice is due twice.
    """

    def __init__(self, schedule: str, zone: str = "UTC", *, seconds: bool = False) -> None:
        """Raises `ValueError` whose sentence says what to write."""
        self._text = _checked(schedule, seconds)
        self._zone = zone_of(zone)
        *clock, _, _, _ = self._text.split()
        self._interval = any("*" in part for part in clock)

    def after(self, moment: float) -> int | None:
        """The first due time later than that; None: never, within 50 years."""
        begin = max(int(moment // 1), _EARLIEST)
        try:
            return (self._by_the_wall if self._interval else self._by_the_day)(begin)
        except (StopIteration, OverflowError, ValueError, OSError):  # after the year 9999
            return None

    def between(self, after: float, until: float) -> Iterator[int]:
        """Due times later than `after`, up to `until`."""
        return takewhile(lambda due: due <= until, self._from(after))

    def latest(self, after: float, until: float, limit: int) -> list[int]:
        """The last due times, so many at most, later than `after`, up to `until`."""
        span = float(limit)  # no schedule is due more than once a second
        while True:
            begin = max(after, until - span)
            found = list(self.between(begin, until))
            if len(found) >= limit or begin == after:
                return found[-limit:]
            span *= 2

    def explain(self) -> str:
        """In words, without the zone: `At 09:00 on Monday through Friday`."""
        return str(Expression(self._text.split()).explain())

    def local(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, self._zone)

    def _from(self, moment: float) -> Iterator[int]:
        due = self.after(moment)
        while due is not None:
            yield due
            due = self.after(due)

    def _by_the_day(self, moment: int) -> int:
        walls = CronSim(self._text, _wall(moment + self._offset(moment)))
        return next(due for wall in walls if (due := self._instant(wall)) > moment)

    def _by_the_wall(self, moment: int) -> int:
        # Between two changes of the offset the wall is the time line, moved by the offset.
        begin, offset = moment, self._offset(moment)
        while True:
            wall = next(CronSim(self._text, _wall(begin + offset)))
            due = int(wall.timestamp()) - offset
            change = self._change(begin, due, offset)
            if change is None:
                return due
            begin, offset = change - 1, self._offset(change)

    def _instant(self, wall: datetime) -> int:
        """When the wall shows that time first, or for the first time a later one."""
        first = wall.replace(tzinfo=self._zone, fold=0)
        due = int(first.timestamp())
        if due + self._offset(due) == int(wall.timestamp()):
            return due
        before = int(first.replace(fold=1).timestamp())
        change = self._change(before, due, self._offset(before))
        return due if change is None else change

    def _change(self, begin: int, end: int, offset: int) -> int | None:
        """The first second later than `begin`, up to `end`, with another offset."""
        low = begin
        while low < end:
            high = min(low + _DAY, end)
            if self._offset(high) != offset:
                while high - low > 1:
                    middle = (low + high) // 2
                    if self._offset(middle) == offset:
                        low = middle
                    else:
                        high = middle
                return high
            low = high
        return None

    def _offset(self, moment: int) -> int:
        offset = datetime.fromtimestamp(moment, self._zone).utcoffset()
        assert offset is not None
        return offset // timedelta(seconds=1)


@lru_cache(maxsize=1024)
def timetable(schedule: str, zone: str, seconds: bool) -> Timetable:
    """Raises `ValueError` whose sentence says what to write."""
    return Timetable(schedule, zone, seconds=seconds)


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises `ValueError` with the nearest one."""
    if name == "UTC" or name in _zones():
        return ZoneInfo(name)
    ending = f"/{name}".casefold().replace(" ", "_")
    city = sorted(zone for zone in _zones() if zone.casefold().endswith(ending))
    hint = f"; did you mean {city[0]!r}?" if city else nearest(name, _zones())
    raise ValueError(f"{name!r} is not an IANA time zone{hint}")


@cache
def _zones() -> frozenset[str]:
    # What a machine calls its own zone is another one on the next machine.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _wall(moment: int) -> datetime:
    """What a clock on a wall shows, in the guise of UTC: so cronsim counts without leaps."""
    return datetime.fromtimestamp(moment, UTC)


def _checked(schedule: str, seconds: bool) -> str:
    """The schedule in fields that cronsim reads."""
    if len(schedule) > _LONGEST:
        raise ValueError(f"a schedule has {_LONGEST} characters at most, not {len(schedule)}")
    if schedule.startswith("@"):
        if schedule not in ALIASES:
            raise ValueError(f"{schedule!r} is not a schedule{nearest(schedule, ALIASES)}")
        schedule = f"0 {ALIASES[schedule]}" if seconds else ALIASES[schedule]
    parts = schedule.split()
    if len(parts) != 5 + seconds:
        raise ValueError(_miscounted(schedule, len(parts), seconds))
    text = " ".join(parts).upper()
    try:
        next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(_told(schedule, parts, str(error), seconds)) from None
    except StopIteration:
        raise ValueError(_never(schedule)) from None
    return text


def _miscounted(schedule: str, count: int, seconds: bool) -> str:
    wanted = f"second {_FIELDS}" if seconds else _FIELDS
    hint = ""
    if seconds and count == 5:
        hint = "; without `seconds: true` it has five"
    elif not seconds and count == 6:
        hint = "; with `seconds: true` the first of six is the second"
    return f"{schedule!r} has {count} fields; write {5 + seconds}: {wanted}{hint}"


def _told(schedule: str, parts: list[str], problem: str, seconds: bool) -> str:
    name = problem.removeprefix("Bad ")
    fields = (["second"] if seconds else []) + _FIELDS.split()
    part = parts[fields.index(name)]
    alone = ["*"] * len(parts)
    alone[fields.index(name)] = part
    try:
        CronSim(" ".join(alone), datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return (
            f"{schedule!r} is not a schedule: {part!r} is no {name}; it is {_ALLOWED[name]}, "
            "a range 1-5, a list 1,3 or a step */2"
        )
    return _never(schedule)


def _never(schedule: str) -> str:
    return f"{schedule!r} never comes: no month that it names has such a day"
