"""A long conversation is sent as a summary of its beginning, and the rest of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..running import problems
from ..scripted import Asked, Reply
from .conftest import Desk

pytestmark = pytest.mark.anyio

MOST = 2000
FILES = 20
PROMPT = "Read every file."
MAIL = "ada@example.com"


@pytest.fixture
def files(write: Callable[[str, str], Path]) -> None:
    for number in range(FILES):
        write(f"{number}.txt", f"file {number} of {MAIL}\n" + "word " * 200)


def summing(asked: Asked) -> bool:
    return str(asked.messages[0]["content"]).startswith("You shorten a conversation")


class Reader:
    """Reads one file after the other, then answers; numbers its summaries."""

    def __init__(self, answer: str = "All read.", files: int = FILES) -> None:
        self.summaries = 0
        self.read = 0
        self._answer = answer
        self._files = files

    def __call__(self, asked: Asked) -> Reply:
        if summing(asked):
            self.summaries += 1
            return Reply(f"summary-{self.summaries} of it", usage=(100, 10))
        if self.read == self._files:
            return Reply(self._answer, usage=(100, 10))
        self.read += 1
        call = Reply.calling("read_file", path=f"{self.read - 1}.txt")
        return Reply(tool_calls=call.tool_calls, usage=(100, 10))


def size(asked: Asked) -> int:
    """About how many tokens its messages have."""
    return sum(len(str(m["content"]).encode()) // 3 + 8 for m in asked.messages)


async def read_all(desk: Desk, reader: Reader, **fields: Any) -> Any:
    given = {"tools": ["read_file"], "max_iterations": 50, "max_context": MOST, **fields}
    return await desk.run(reader, PROMPT, **given)


@pytest.mark.usefixtures("files")
async def test_no_request_is_longer_than_it_may_be_and_each_says_what_it_is_all_about(
    desk: Desk,
) -> None:
    reader = Reader()
    answer = await read_all(desk, reader)

    turns = [r for r in desk.server.requests if not summing(r)]
    assert answer.value == "All read."
    assert len(turns) == FILES + 1
    assert 3 <= reader.summaries <= FILES // 2
    assert max(map(size, turns)) <= MOST
    assert all(str(r.messages[0]["content"]).startswith(PROMPT) for r in turns)
    last = str(turns[-1].messages[0]["content"])
    assert f"summary-{reader.summaries} of it" in last
    assert "summary-1 of it" not in last
    assert list(answer.tool_calls) == ["read_file"] * FILES
    assert answer.cost.calls == len(desk.server.requests)
    assert desk.ear.spent == answer.cost


@pytest.mark.usefixtures("files")
async def test_calls_of_tools_and_their_results_stay_together(desk: Desk) -> None:
    await read_all(desk, Reader())

    for request in desk.server.requests:
        called: set[str] = set()
        for message in request.messages:
            called |= {call["id"] for call in message.get("tool_calls") or ()}
            if message["role"] == "tool":
                assert message["tool_call_id"] in called


@pytest.mark.usefixtures("files")
async def test_a_summary_is_made_of_what_was_left_out_and_the_summary_before(desk: Desk) -> None:
    await read_all(desk, Reader())

    first, second = [r for r in desk.server.requests if summing(r)][:2]
    assert "<conversation>" in first.last
    assert 'assistant calls read_file: {"path":"0.txt"}' in first.last
    assert "tool read_file: file 0 of" in first.last
    assert "summary of what came before: summary-1 of it" in second.last
    assert "file 0 of" not in second.last
    assert first.tools == []


@pytest.mark.usefixtures("files")
async def test_nobody_hears_a_summary_as_if_it_were_the_answer(desk: Desk) -> None:
    await read_all(desk, Reader())

    assert "".join(desk.ear.tokens) == "All read."


@pytest.mark.usefixtures("files")
async def test_a_summary_has_no_form_and_tells_no_personal_data(desk: Desk) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    reader = Reader('{"n": 3}')
    answer = await read_all(desk, reader, schema=schema, redact=["email"])

    assert answer.value == {"n": 3}
    assert reader.summaries > 0
    assert {r.body.get("response_format") is None for r in desk.server.requests if summing(r)} == {
        True
    }
    assert MAIL not in json.dumps([r.body for r in desk.server.requests])


@pytest.mark.usefixtures("files")
async def test_what_a_check_refused_goes_on_from_the_summary(desk: Desk) -> None:
    first = await read_all(desk, Reader())
    reader = Reader("Better.", files=0)
    again = await read_all(desk, reader, transcript=first.transcript, feedback=["it is not good"])

    (asked,) = desk.server.requests
    assert again.value == "Better."
    assert size(asked) <= MOST
    assert PROMPT in str(asked.messages[0]["content"])
    assert "it is not good" in asked.last


@pytest.mark.usefixtures("files")
async def test_a_short_conversation_and_one_without_a_bound_are_sent_whole(desk: Desk) -> None:
    for fields in ({"max_context": 100_000}, {"max_context": None}):
        desk.ear.kept.clear()
        reader = Reader()
        await read_all(desk, reader, **fields)
        assert reader.summaries == 0
        assert len(desk.server.requests[-1].results) == FILES


async def test_one_result_that_is_too_large_is_not_summarised_in_place_of_being_read(
    desk: Desk, write: Callable[[str, str], Path]
) -> None:
    write("0.txt", "word " * 3000)
    reader = Reader(files=1)
    await read_all(desk, reader)

    assert reader.summaries == 0
    assert "word word" in desk.server.requests[-1].results[0]


def test_a_command_line_cannot_be_held_to_it() -> None:
    step = "{id: a, type: agent, prompt: Go., runtime: cli, guardrails: {max_context: 4000}}"
    (problem,) = problems(f"- {step}")
    assert "`max_context` is for agents on models that Assay asks" in problem.message
