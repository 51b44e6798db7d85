"""What a cron trigger may say, and when it is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from assay.graphs.trigger import TriggerSpec
from assay.graphs.units import format_time
from assay.triggers.cron import CronTrigger, delay, explain, missed, upcoming

from ..running import load, refused


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def workflow(trigger: str) -> str:
    return f"""
        name: w
        triggers: [{{type: cron, {trigger}}}]
        steps: [{{id: s, type: sleep, duration: 1s}}]
        """


def spec(**fields: Any) -> CronTrigger:
    return CronTrigger.model_validate({"type": "cron", **fields})


WRONG = [
    ("schedule: ¶'0 0 31 2 *'", "'schedule': '0 0 31 2 *' never comes"),
    ("schedule: ¶'0 25 * * *'", "'25' is no hour; it is 0-23"),
    ("schedule: ¶'0 0 9 * * *'", "with `seconds: true` the first of six is the second"),
    ("seconds: true, schedule: ¶'0 9 * * *'", "without `seconds: true` it has five"),
    ("schedule: ¶'@dayly'", "did you mean '@daily'?"),
    ("schedule: ¶5", "'schedule' must be text, not a number"),
    ("schedule: '@daily', timezone: ¶Europe/Roma", "did you mean 'Europe/Rome'?"),
    ("schedule: '@daily', timezone: ¶CEST", "'CEST' is not an IANA time zone"),
    ("schedule: '@daily', catch_up: ¶some", "'some' is not one of 'none', 'one' or 'all'"),
    ("schedule: '@daily', jitter: ¶5", "a duration needs a unit; write 5s"),
    ("schedule: '@daily', start: ¶2030-01-01", "'2030-01-01' is not a time"),
    (
        "schedule: '@daily', start: '2030-01-02T00:00:00Z', end: ¶'2030-01-02T00:00:00Z'",
        "2030-01-02T00:00:00Z is not after `start`, 2030-01-02T00:00:00Z",
    ),
    (
        "schedule: '@yearly', start: '2030-01-02T00:00:00Z', end: ¶'2030-02-02T00:00:00Z'",
        "nothing is due between `start` and `end`",
    ),
    ("schedule: '@daily', ¶every: 5m", "the field 'every' is not known here"),
]


@pytest.mark.parametrize(("trigger", "says"), WRONG)
def test_what_is_wrong_is_told_where_it_is(trigger: str, says: str) -> None:
    refused(workflow(trigger), says)


NEEDS = """
    name: w
    inputs: {{who: {{required: true}}, {1}: {{required: true}}, more: {{}}}}
    triggers: [¶{{{0}}}]
    steps: [{{id: s, type: sleep, duration: 1s}}]
    """


@pytest.mark.parametrize(
    ("trigger", "brings"),
    [
        ("type: cron, schedule: '@daily'", "due scheduled_at timezone"),
        ("type: file, path: x", "path event size modified_at"),
    ],
)
def test_an_input_that_never_comes_stands_in_with(trigger: str, brings: str) -> None:
    """Else every firing would be dead, and the first one known tomorrow."""
    first = brings.split()[0]
    given = f"{trigger}, with: {{who: Ada, {first}: x}}"

    refused(NEEDS.format(trigger, first), f"'who' is required; what comes has {brings}: add `with`")
    load(NEEDS.replace("¶", "").format(given, first))


def test_the_field_that_is_not_there_is_named() -> None:
    refused(workflow("timezone: UTC").replace("{", "¶{", 1), "the field 'schedule' is missing")


def test_it_means_what_the_page_of_fields_says() -> None:
    (trigger,) = load(workflow("schedule: '0 9 * * MON-FRI'")).workflow.triggers

    assert isinstance(trigger, CronTrigger)
    assert (trigger.timezone, trigger.catch_up, trigger.overlap) == ("UTC", "one", "queue")


def test_the_first_time_comes_after_now_and_not_before_start() -> None:
    now = at("2026-11-21T10:00:00Z")
    begun = spec(schedule="@hourly", start="2026-11-22T10:00:00+01:00")

    assert spec(schedule="@hourly").initial(now) == at("2026-11-21T11:00:00Z")
    assert begun.initial(now) == at("2026-11-22T09:00:00Z")
    assert spec(schedule="@hourly", end="2026-11-21T10:30:00Z").initial(now) is None
    assert TriggerSpec().initial(now) is None


def test_start_and_end_are_themselves_due() -> None:
    both = spec(schedule="@hourly", start="2026-01-01T01:00:00Z", end="2026-01-01T03:00:00Z")
    within = spec(schedule="@hourly", start="2026-01-01T01:00:00.5Z", end="2026-01-01T03:00:00.5Z")

    assert [format_time(due)[11:16] for due in upcoming(both, 0, 9)] == ["01:00", "02:00", "03:00"]
    assert [format_time(due)[11:16] for due in upcoming(within, 0, 9)] == ["02:00", "03:00"]


def test_what_was_missed_lies_between() -> None:
    hourly = spec(schedule="@hourly", start="2026-01-01T01:00:00Z", end="2026-01-01T05:30:00Z")
    never = at("2020-01-01T00:00:00Z")

    def hours(after: str, until: str, limit: int = 100) -> list[str]:
        return [format_time(due)[11:13] for due in missed(hourly, at(after), at(until), limit)]

    assert hours("2026-01-01T02:00:00Z", "2026-01-01T04:00:00Z") == ["03", "04"]
    assert hours("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z") == ["01", "02", "03", "04", "05"]
    assert hours("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", 2) == ["04", "05"]
    assert hours("2026-01-01T05:00:00Z", "2030-01-01T00:00:00Z") == []
    assert missed(hourly, never, never, 5) == []


def test_years_of_minutes_are_not_counted_to_find_the_last() -> None:
    every_minute = spec(schedule="* * * * *")
    begun, now = at("2000-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z")

    found = missed(every_minute, begun, now, 1000)

    assert found == [now - 30 - 60 * n for n in reversed(range(1000))]


def test_jitter_is_a_part_that_stays_the_same() -> None:
    late = spec(schedule="@hourly", jitter="10m")
    waits = [delay(late, "w.cron", due) for due in upcoming(late, 0, 200)]

    assert waits == [delay(late, "w.cron", due) for due in upcoming(late, 0, 200)]
    assert all(0 <= wait < 600 for wait in waits)
    assert min(waits) < 60 < 540 < max(waits)
    assert waits[:3] != [delay(late, "w.cron-2", due) for due in upcoming(late, 0, 3)]
    assert delay(spec(schedule="@hourly"), "w.cron", 0) == 0


def test_it_is_told_in_words() -> None:
    monday = spec(schedule="0 9 * * MON", timezone="Europe/Rome", start="2026-01-01T00:00:00+01:00")

    assert explain(monday) == "At 09:00 on Monday, Europe/Rome, from 2025-12-31T23:00:00Z"
    assert explain(spec(schedule="@daily", end="2026-01-01T00:00:00Z")) == (
        "At 00:00 every day, UTC, until 2026-01-01T00:00:00Z"
    )
