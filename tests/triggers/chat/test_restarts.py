"""Two messages in one thread, and a server that is killed between them: nothing is lost."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .wire import JsonSide, Server, json_side, of_json

ROUNDS = 10 if os.environ.get("ASSAY_LONG") else 2

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


def waits(overlap: str) -> dict[str, Any]:
    """A workflow that waits for the event `go`, with the text of its message as the key."""
    return {
        "name": overlap,
        "inputs": {"text": {"type": "string"}, "what": {"type": "string"}},
        "outputs": {"did": {"value": "did {{ inputs.what }}"}},
        "triggers": [{"type": "chat", "match": f"do {overlap} {{what...}}", "overlap": overlap}],
        "steps": [{"id": "gate", "type": "wait_event", "event": "go"}],
    }


@pytest.fixture
async def side() -> AsyncIterator[JsonSide]:
    async with json_side() as side:
        yield side


@pytest.fixture
async def server(tmp_path: Path, side: JsonSide) -> AsyncIterator[Server]:
    server = Server(tmp_path, of_json(side))
    await server.register(*map(waits, ("queue", "reject", "replace", "parallel", "merge")))
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def test_what_a_second_message_in_a_thread_does_after_a_restart(
    server: Server, side: JsonSide
) -> None:
    """The five policies, each in a thread of its own; the merged one has a third message."""
    policies = ("queue", "reject", "replace", "parallel", "merge")
    for policy in policies:
        assert (await server.said(f"{policy}-1", f"do {policy} one", policy)).status_code == 202
    for policy in policies:
        await side.shows(f"**{policy}** waits", policy)

    await server.again()
    for policy in policies:
        await server.said(f"{policy}-2", f"do {policy} two", policy)
    await server.said("merge-3", "do merge three", "merge")

    await side.shows("queued behind", "queue")
    await side.shows("was not started", "reject")
    await side.shows("was stopped", "replace")
    await side.until(lambda: side.saying("**parallel** waits")[1:])
    await side.until(lambda: side.saying("queued behind", "merge"))
    await side.shows("Taken along", "merge")

    await server.again()
    await server.send("go")
    for policy in ("queue", "merge"):
        await side.shows("did one", policy)
        await side.shows(f"**{policy}** waits", policy)
    await server.send("go")
    expected = {
        "queue": ["one", "two"],
        "reject": ["one"],
        "replace": ["two"],
        "parallel": ["one", "two"],
        "merge": ["one", "two\nthree"],
    }
    for policy, did in expected.items():
        for what in did:
            await side.shows(f"did {what}", policy)
    for policy, did in expected.items():
        ended = [e for e in await server.executions(policy) if e["status"] == "completed"]
        assert sorted(e["outputs"]["did"] for e in ended) == sorted(f"did {w}" for w in did)
        assert len(side.saying("did ", policy)) == len(did)


WORKS = {
    "name": "works",
    "inputs": {"text": {"type": "string"}},
    "outputs": {"did": {"value": "done: {{ inputs.text }}"}},
    "triggers": [{"type": "chat", "match": "work {text}", "overlap": "parallel"}],
    "steps": [
        {"id": f"s{n}", "type": "shell", "command": f"sleep 0.2; echo {n} >> done.txt"}
        for n in range(4)
    ],
}


async def test_every_message_is_told_of_once_however_often_the_server_is_killed(
    tmp_path: Path, side: JsonSide
) -> None:
    """What was answered with 2xx is done; it has one status and one result in its thread."""
    server = Server(tmp_path, of_json(side))
    await server.register(WORKS)
    await server.start()
    taken, kills = [], random.Random(7)
    try:
        for round in range(ROUNDS):
            for number in range(2):
                id = f"{round}-{number}"
                answers = [await server.said(id, f"work {id}", id) for _ in range(2)]
                assert [a.status_code for a in answers] == [202, 202]
                taken.append(id)
            # Anywhere between the answer and the last word.
            await side.shows_more(kills.randint(1, 9))
            await server.again()
        for id in taken:
            await side.shows(f"done: {id}", id)
            await side.shows("**works** is done", id)
        executions = await server.executions("works")
    finally:
        await server.close()
    assert len(executions) == len(taken)
    assert len(side.messages) == 2 * len(taken)


async def test_a_question_is_asked_once_and_answered_after_a_restart(
    tmp_path: Path, side: JsonSide
) -> None:
    asks = {
        "name": "asks",
        "triggers": [{"type": "chat", "match": "ship it"}],
        "steps": [{"id": "ok", "type": "approval", "message": "Ship it?"}],
    }
    server = Server(tmp_path, of_json(side))
    await server.register(asks)
    await server.start()
    try:
        await server.said("1", "ship it")
        question = await side.shows("Ship it?")
        await server.again()
        await server.clicked("2", question.buttons[0]["value"])
        await side.shows("Approved by Ada")
        await side.shows("**asks** is done")
    finally:
        await server.close()
    assert len(side.messages) == 2
