"""Without a terminal every event is a plain line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from assay.api.cli.lines import Lines, describe
from assay.graphs.event import Event, EventType

AT = "2026-01-02T03:04:05.000000Z"


def event(type: EventType, path: str = "", **data: Any) -> Event:
    return Event("0123", type, AT, path, data)


def output(text: str, stream: str = "stdout") -> Event:
    return event(EventType.OUTPUT, "build", stream=stream, text=text)


def told(lines: Lines, *events: Event) -> list[str]:
    """The lines without their time."""
    return [line.split("  ", 1)[1] for one in events for line in lines.of(one)]


@pytest.mark.parametrize(
    ("told_of", "said"),
    [
        (event(EventType.EXECUTION_QUEUED), "queued as 0123"),
        (event(EventType.EXECUTION_FAILED, status="failed"), "failed"),
        (event(EventType.NOTICE, message="a demo\nmodel"), "notice: a demo model"),
        (event(EventType.EMITTED, "e", event="done", payload={"n": 1}), 'emitted done: {"n":1}'),
        (event(EventType.STEP_STARTED, "a", step="a", kind="shell"), "started (shell)"),
        (
            event(EventType.STEP_RETRYING, "a", attempt=2, of=3, delay=4.0, error={"message": "x"}),
            "attempt 2 of 3 in 4s: x",
        ),
        (
            event(
                EventType.STEP_COMPLETED,
                "a",
                attempts=2,
                started_at="2026-01-02T03:04:05Z",
                completed_at="2026-01-02T03:04:17Z",
                cost={"input_tokens": 9, "output_tokens": 1, "calls": 1, "usd": None},
            ),
            "completed in 12s; 2 attempts; 1 call, 9 + 1 tokens",
        ),
        (event(EventType.STEP_COMPLETED, "a", cached=True), "completed from the cache"),
        (event(EventType.STEP_SKIPPED, "a", reason="`when` is false"), "skipped; `when` is false"),
        (event(EventType.STEP_FAILED, "a", error={"message": "it\nbroke"}), "failed; it"),
        (
            event(EventType.EXECUTION_QUEUED, why="the worker ends"),
            "queued as 0123; the worker ends",
        ),
        (event(EventType.EXECUTION_WAITING, questions=["q1"]), "waiting"),
        (event(EventType.EXECUTION_PAUSED), "paused"),
        (event(EventType.EXECUTION_RESUMED), "goes on"),
        (
            event(
                EventType.EXECUTION_RESTARTING, restart=1, of=3, delay=2.0, error={"message": "no"}
            ),
            "restart 1 of 3 in 2s: no",
        ),
        (
            event(EventType.QUESTION_ASKED, "a", question="q1", kind="approval", message="Go\non?"),
            "asks: Go on? (q1)",
        ),
        (
            event(EventType.QUESTION_ASKED, "a", question="q1", kind="event", message=""),
            "waits for an event (q1)",
        ),
        (
            event(EventType.QUESTION_ANSWERED, "a", question="q1", by="ann", approved=True),
            "answered by ann (q1)",
        ),
        (
            event(EventType.QUESTION_ANSWERED, "a", question="q1", by="", approved=False),
            "rejected (q1)",
        ),
        (event(EventType.QUESTION_WITHDRAWN, "a", question="q1"), "needs no answer any more (q1)"),
        (
            event(EventType.QUESTION_ESCALATED, "a", question="q1"),
            "may be answered by others as well (q1)",
        ),
        (
            event(EventType.OUTPUT, "a", tool="shell", arguments={"x": 1}, allowed=False),
            'tool shell (refused): {"x":1}',
        ),
        (
            event(EventType.OUTPUT, "a", verify=["no", "nor"], attempt=1),
            "verify, attempt 1: no; nor",
        ),
    ],
)
def test_an_event_is_described(told_of: Event, said: str) -> None:
    assert describe(told_of) == said


def test_a_line_of_output_waits_until_it_is_whole() -> None:
    lines = Lines()
    assert told(lines, output("comp")) == []
    assert told(lines, output("iling\nlink")) == ["build  | compiling"]
    assert told(lines, output("ing\n")) == ["build  | linking"]


def test_what_is_left_of_a_line_is_told_before_the_step_ends() -> None:
    end = event(EventType.STEP_COMPLETED, "build")
    assert told(Lines(), output("no newline"), end) == ["build  | no newline", "build  completed"]


def test_the_two_streams_of_a_command_do_not_mix_within_a_line() -> None:
    lines = Lines()
    assert told(lines, output("out"), output("err\n", "stderr"), output("put\n")) == [
        "build  | err",
        "build  | output",
    ]


def test_colours_of_a_command_are_left_out() -> None:
    assert told(Lines(), output("\x1b[1mbold\x1b[0m\n")) == ["build  | bold"]


def test_a_question_says_until_when_it_can_be_answered() -> None:
    due = datetime(2030, 1, 2, 3, 4).astimezone().timestamp()
    asked = event(
        EventType.QUESTION_ASKED, "a", question="q1", kind="approval", message="Go?", due=due
    )
    assert describe(asked) == "asks: Go? (q1, until 2030-01-02 03:04)"


def test_tokens_make_no_lines() -> None:
    assert told(Lines(), event(EventType.TOKEN, "a", text="word ")) == []
