"""Triggers that the clock fires, and the times at which it does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from ..graphs.firing import Trigger
from ..graphs.step import Duration
from ..graphs.trigger import Fire, Overlap, TriggerSpec
from ..graphs.units import format_time, parse_time
from .timetable import Timetable, timetable, zone_of

CatchUp = Literal["none", "one", "all"]

Moment = Annotated[
    float,
    BeforeValidator(parse_time),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2030-01-31T09:00:00+01:00"]}
    ),
]
"""Seconds since 1970; written in RFC 3339."""


class CronTrigger(TriggerSpec):
    """Fired by the clock, at the times that a cron expression names."""

    brings: ClassVar[Sequence[str]] = ("due", "scheduled_at", "timezone")

    type: Literal["cron"]
    seconds: bool = Field(default=False, description="Whether the first of six fields is seconds.")
    timezone: str = Field(default="UTC", description="The IANA zone that the schedule means.")
    schedule: str = Field(
        description="`minute hour day-of-month month day-of-week`, or `@hourly @daily @weekly "
        "@monthly @yearly`."
    )
    catch_up: CatchUp = Field(
        default="one", description="Which of the times that were missed are made up for."
    )
    jitter: Duration | None = Field(
        default=None, description="Each firing waits a part of this, always the same for a time."
    )
    start: Moment | None = Field(default=None, description="Nothing is due before.")
    end: Moment | None = Field(default=None, description="Nothing is due after.")
    overlap: Overlap = Field(
        default="queue",
        description="What happens while an execution that it began has not ended.",
    )

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @field_validator("schedule")
    @classmethod
    def _comes(cls, schedule: str, info: ValidationInfo) -> str:
        timetable(schedule, "UTC", bool(info.data.get("seconds")))
        return schedule

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start")
        if end is None or start is None:
            return end
        if end <= start:
            raise ValueError(f"{format_time(end)} is not after `start`, {format_time(start)}")
        if {"schedule", "timezone"} <= info.data.keys():
            times = timetable(*(info.data[name] for name in ("schedule", "timezone", "seconds")))
            if next(times.between(start - 1, end), None) is None:
                raise ValueError("nothing is due between `start` and `end`")
        return end

    def initial(self, now: float) -> float | None:
        return self.after(now)

    def says(self) -> str:
        return explain(self)

    def after(self, moment: float) -> float | None:
        """The first due time later than that; None: never again."""
        return next(iter(upcoming(self, moment, 1)), None)

    def table(self) -> Timetable:
        return timetable(self.schedule, self.timezone, self.seconds)

    def span(self, after: float, until: float) -> tuple[float, float]:
        """That of `start` and `end` within."""
        begin = after if self.start is None else max(after, -(-self.start // 1) - 1)
        return begin, until if self.end is None else min(until, self.end)


class Cron:
    model = CronTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Nothing: `triggers.clock` looks at all of them together."""
        del trigger, spec, fire


def upcoming(spec: CronTrigger, after: float, count: int) -> Sequence[float]:
    """The next due times later than `after`, so many at most; seconds since 1970."""
    begin, end = spec.span(after, float("inf"))
    return list(islice(spec.table().between(begin, end), count))


def missed(spec: CronTrigger, after: float, until: float, limit: int) -> Sequence[float]:
    """The last due times later than `after`, up to `until`, so many at most; oldest first."""
    begin, end = spec.span(after, until)
    return spec.table().latest(begin, end, limit) if begin < end else []


def delay(spec: CronTrigger, trigger_id: str, due: float) -> float:
    """Seconds that a firing waits because of `jitter`; whoever asks is told the same."""
    if spec.jitter is None:
        return 0.0
    digest = hashlib.sha256(f"{trigger_id}\0{format_time(due)}".encode()).digest()
    return spec.jitter * int.from_bytes(digest[:8]) / 2**64


def explain(spec: CronTrigger) -> str:
    """In words: `At 09:00 on Monday through Friday, Europe/Rome`."""
    words = [spec.table().explain(), spec.timezone]
    if spec.start is not None:
        words.append(f"from {format_time(spec.start)}")
    if spec.end is not None:
        words.append(f"until {format_time(spec.end)}")
    return ", ".join(words)
