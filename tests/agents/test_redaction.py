"""A model that may not read personal data reads a mark in its place, wherever it would stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.agents.redaction import Redactor
from assay.testing import Reply, workbench

from ..running import problems
from .conftest import Desk

pytestmark = pytest.mark.anyio

MAIL, CARD = "ada@example.com", "4111 1111 1111 1111"


async def test_no_message_tells_what_is_left_out(
    desk: Desk, write: Callable[[str, str], Path]
) -> None:
    write("a.txt", f"{MAIL} pays with {CARD}\n")

    answer = await desk.run(
        [Reply.calling("read_file", path="a.txt"), Reply("Done.")],
        f"Write to {MAIL}.",
        system=f"You work for {MAIL}.",
        feedback=[f"{MAIL} was not asked"],
        tools=["read_file"],
        redact=["email", "credit_card"],
    )

    assert answer.value == "Done."
    for request in desk.server.requests:
        told = json.dumps(request.body)
        assert MAIL not in told
        assert "1111" not in told
    first = [message["content"] for message in desk.server.requests[0].messages]
    assert first[:2] == ["You work for [email left out].", "Write to [email left out]."]
    assert "- [email left out] was not asked" in first[2]
    last = desk.server.requests[-1].results[-1]
    assert last == "[email left out] pays with [credit_card left out]"


async def test_nothing_is_left_out_unless_it_is_asked_for(desk: Desk) -> None:
    await desk.run([Reply("Done.")], f"Write to {MAIL}.")

    assert desk.server.requests[0].last == f"Write to {MAIL}."


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("phone", "call +49 30 123456!", "call [phone left out]!"),
        ("ip", "from 10.0.0.7.", "from [ip left out]."),
        ("mac_address", "at 00:1A:2B:3C:4D:5E", "at [mac_address left out]"),
        ("url", f"see https://x.example/?m={MAIL} now", "see [url left out] now"),
        ("credit_card", "order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
        ("email", f"{MAIL}, {MAIL}", "[email left out], [email left out]"),
    ],
)
def test_kinds_are_found(kind: str, text: str, read: str) -> None:
    assert Redactor([kind]).redacted(text) == read


def test_an_address_in_an_address_is_left_out_once() -> None:
    text = f"https://x.example/{MAIL}"

    assert Redactor(["email", "url"]).redacted(text) == "[url left out]"


async def test_a_step_says_what_its_agent_may_not_read() -> None:
    step = {"id": "a", "type": "agent", "prompt": f"Write to {MAIL}."}
    steps = [{**step, "guardrails": {"redact": ["email"]}}]
    async with workbench([Reply("Done.")]) as bench:
        ended = await bench.run({"name": "w", "steps": steps})

    assert ended.status == "completed", ended.error
    assert bench.models.requests[0].last == "Write to [email left out]."


def test_a_kind_that_nobody_can_find_is_refused() -> None:
    (problem,) = problems("- {id: a, type: agent, prompt: x, guardrails: {redact: [shoe_size]}}")

    assert "shoe_size" in problem.message


def test_for_a_program_that_reads_by_itself_it_is_refused() -> None:
    cli = "- {id: a, type: agent, runtime: cli, prompt: x, guardrails: {redact: [email]}}"

    assert any("a program reads for itself" in problem.message for problem in problems(cli))
