"""From a message in Slack to the result in its thread, with real processes on both sides.

`ASSAY_LONG=1` kills the server eight times instead of once, at moments of chance; `ASSAY_SEED`
says which.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.scripted import Asked, Reply, ScriptedModel

from assay import Client

from .said import click, command, direct, mention, message
from .server import SECRET, Posted, SlackServer, request, signed, slack_server
from .serving import OverHttp, OverSocket, Serving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

LONG = bool(os.environ.get("ASSAY_LONG"))
SEED = int(os.environ.get("ASSAY_SEED", "1"))
EXAMPLE = Path(__file__).resolve().parents[3] / "graphs" / "examples" / "release-in-chat.yaml"
NOTES = "Everything is faster and smaller now."
SLOW = "version 3.0"

Wire = OverHttp | OverSocket


class Model(ScriptedModel):
    """Writes the notes of releases; those of a slow one only when it is let."""

    def __init__(self) -> None:
        super().__init__(self.write)
        self.let = threading.Event()

    def write(self, asked: Asked) -> Reply:
        return Reply(NOTES, hold=self.let if SLOW in asked.last else None)


@pytest.fixture(scope="module")
def model() -> Any:
    with Model() as model:
        yield model


@pytest.fixture(scope="module")
async def slack() -> AsyncIterator[SlackServer]:
    """One workspace for all; each test has threads of its own."""
    async with slack_server() as slack:
        yield slack


@pytest.fixture(scope="module")
async def serving(
    tmp_path_factory: pytest.TempPathFactory, slack: SlackServer, model: Model
) -> AsyncIterator[Serving]:
    """A server that Slack reaches both ways."""
    serving = Serving(
        tmp_path_factory.mktemp("serving"),
        {
            **slack.environ,
            "ASSAY_SLACK_SIGNING_SECRET": SECRET,
            "ASSAY_SLACK_APP_TOKEN": "xapp-1",
            "ASSAY_BASE_URL": model.url,
            "ASSAY_MODEL": "openai:scripted",
            "OPENAI_API_KEY": "none",
        },
    )
    await serving.start()
    try:
        await serving.register(EXAMPLE)
        yield serving
    finally:
        await serving.end()


@pytest.fixture(params=[OverHttp, OverSocket], ids=["http", "socket"])
def wire(request: pytest.FixtureRequest, slack: SlackServer, serving: Serving) -> Wire:
    made: Wire = request.param(slack, serving)
    return made


@pytest.fixture
def http(slack: SlackServer, serving: Serving) -> OverHttp:
    return OverHttp(slack, serving)


@pytest.fixture
def socket(slack: SlackServer, serving: Serving) -> OverSocket:
    return OverSocket(slack, serving)


async def test_a_release_is_asked_for_followed_approved_and_reported_in_one_thread(
    slack: SlackServer, http: OverHttp
) -> None:
    thread = slack.ts()
    await http.deliver(mention("release 2.4", thread))
    await slack.says(NOTES, thread=thread)
    asked = await approve(slack, http, thread)
    await done(slack, http, thread, "2.4")

    assert once(slack, thread) == []
    assert "Approved by ann" in (await slack.says("Approved", thread=thread)).shown
    assert asked.buttons == {}
    status = next(m for m in slack.posted if m.thread == thread and is_status(m))
    assert any(" waits" in version for version in status.versions)
    assert all(step in status.shown for step in ("changes", "notes", "ship", "released"))


async def test_a_command_opens_a_thread_in_which_all_else_is_told(
    slack: SlackServer, socket: OverSocket
) -> None:
    await socket.deliver(command("release 2.5", f"t.{slack.ts()}"), "slash_commands")
    status = await slack.until(lambda: next((m for m in slack.posted if is_opening(m)), None))
    await approve(slack, socket, status.ts)
    await done(slack, socket, status.ts, "2.5")

    assert once(slack, status.ts) == []


async def test_in_a_direct_message_the_notes_are_streamed(
    slack: SlackServer, http: OverHttp
) -> None:
    thread = slack.ts()
    await http.deliver(direct("release 2.6", thread))
    asked = await opened(slack, thread)
    await http.deliver(
        click(asked.buttons["Reject"], asked.ts, f"t.{slack.ts()}", thread=thread, channel="D1"),
        "interactive",
    )
    await slack.says("release-in-chat* failed", thread=thread)

    (stream,) = [m for m in slack.posted if m.thread == thread and m.text == NOTES]
    await slack.until(lambda: not stream.streaming)
    assert once(slack, thread, result=0) == []


async def test_what_slack_tells_again_begins_nothing_again(
    slack: SlackServer, http: OverHttp, serving: Serving
) -> None:
    """Because it was not answered in time, or as another kind of event."""
    thread, before = slack.ts(), await executions(serving)
    await http.deliver(mention("release 2.7", thread), times=2)
    await http.deliver(message("<@UBOT> release 2.7", thread))
    await approve(slack, http, thread, times=2)
    await slack.says("Approved by ann", thread=thread)

    assert await executions(serving) - before == 1
    assert once(slack, thread, result=None) == []


async def test_slack_is_answered_while_the_model_thinks_and_a_stop_is_obeyed(
    slack: SlackServer, http: OverHttp, model: Model
) -> None:
    thread = slack.ts()
    await http.deliver(mention("release 3.0", thread))
    await slack.says("▸ `notes`", thread=thread)
    await http.deliver(mention("stop", slack.ts(), thread=thread))
    await slack.says("release-in-chat* was stopped", thread=thread)
    model.let.set()


async def test_slack_is_obeyed_when_it_asks_for_patience(
    slack: SlackServer, socket: OverSocket
) -> None:
    thread = slack.ts()
    slack.busy |= {"chat.postMessage": [1, 1], "chat.update": [1, 2]}
    await socket.deliver(mention("release 2.8", thread))
    await approve(slack, socket, thread)
    await done(slack, socket, thread, "2.8")

    assert not any(slack.busy.values())
    assert once(slack, thread) == []


async def test_what_slack_refuses_is_told_in_the_log_and_the_execution_goes_on(
    slack: SlackServer, http: OverHttp, serving: Serving
) -> None:
    thread = slack.ts()
    slack.refused["chat.update"] = "restricted_action"
    await http.deliver(mention("release 2.9", thread))
    await approve(slack, http, thread)

    status = next(m for m in within(slack, thread) if is_status(m))
    async with Client(serving.url) as client:
        execution = await client.wait(status.shown.split()[-1])
    assert execution.outputs == {"released": "2.9 is out"}
    assert "Slack refused chat.update: restricted_action" in serving.said
    del slack.refused["chat.update"]


async def test_guests_of_another_company_are_told_whom_to_ask_and_begin_nothing(
    slack: SlackServer, http: OverHttp, serving: Serving
) -> None:
    """What everybody may is meant for those of the bot's own workspace."""
    thread, before = slack.ts(), await executions(serving)
    await http.deliver(mention("release 6.5", thread, user="U7", user_team="T2"))

    told = await slack.says("assay chat allow slack T2/U7", thread=thread)
    assert told.only == "U7"
    assert await executions(serving) == before


async def test_nobody_else_reaches_the_server(slack: SlackServer, serving: Serving) -> None:
    before = await executions(serving)
    headers, body = request(mention("release 6.6", slack.ts()))
    async with httpx.AsyncClient(base_url=serving.url, trust_env=False) as client:
        for given in ({**headers, "x-slack-signature": "v0=0"}, signed(body, at=1), {}):
            answer = await client.post("/chat/slack", content=body, headers=given)
            assert answer.status_code == 401
            assert "secret" not in answer.text.replace("ASSAY_SLACK_SIGNING_SECRET", "")

    assert await executions(serving) == before


async def test_a_kill_in_the_middle_loses_no_message_and_doubles_none(
    slack: SlackServer, http: OverHttp, socket: OverSocket, serving: Serving
) -> None:
    """Of releases at every stage: waiting for an answer, just answered, just asked for, and
    asked for while nobody was there."""
    before, threads = await executions(serving), [slack.ts() for _ in range(5)]
    asked, answered, fresh, unheard, unseen = threads
    for thread in (asked, answered):
        await http.deliver(mention("release 4.0", thread))
    for thread in (asked, answered):
        await opened(slack, thread)
    await asyncio.gather(
        approve(slack, http, answered), socket.deliver(mention("release 4.0", fresh))
    )
    await serving.end()
    late = asyncio.gather(
        http.deliver(mention("release 4.0", unheard)),
        socket.deliver(mention("release 4.0", unseen)),
    )
    await serving.start()
    await late
    for thread in (asked, fresh, unheard, unseen):
        await approve(slack, socket, thread)
    for thread in threads:
        await done(slack, http, thread, "4.0")

    assert [once(slack, thread) for thread in threads] == [[]] * len(threads)
    assert await executions(serving) - before == len(threads)


@pytest.mark.skipif(not LONG, reason="ASSAY_LONG=1 kills the server again and again")
async def test_kills_at_any_moment_lose_no_message_and_double_none(
    slack: SlackServer, wire: Wire, serving: Serving
) -> None:
    chance, before, threads = (
        random.Random(SEED),
        await executions(serving),
        [slack.ts() for _ in range(24)],
    )

    async def released(thread: str) -> None:
        await asyncio.sleep(chance.uniform(0, 60))
        await wire.deliver(mention("release 5.0", thread), times=chance.choice((1, 1, 2)))
        await asyncio.sleep(chance.uniform(0, 5))
        await approve(slack, wire, thread)
        await done(slack, wire, thread, "5.0")

    async with asyncio.TaskGroup() as group:
        for thread in threads:
            group.create_task(released(thread))
        for _ in range(8):
            await asyncio.sleep(chance.uniform(1, 25))
            await serving.end()
            await serving.start()

    assert [once(slack, thread) for thread in threads] == [[]] * len(threads)
    assert await executions(serving) - before == len(threads)


def is_status(message: Posted) -> bool:
    return any("*release-in-chat*" in version for version in message.versions)


def is_opening(message: Posted) -> bool:
    """It stands in no thread, and nothing stands below it yet."""
    return not message.thread and is_status(message) and "done" not in message.shown


async def opened(slack: SlackServer, thread: str) -> Posted:
    """The question that waits in the thread."""
    return await slack.until(
        lambda: next((m for m in within(slack, thread) if "Approve" in m.buttons), None), 300
    )


async def approve(slack: SlackServer, wire: Wire, thread: str, *, times: int = 1) -> Posted:
    asked = await opened(slack, thread)
    said = click(asked.buttons["Approve"], asked.ts, f"t.{slack.ts()}", thread=thread)
    await wire.deliver(said, "interactive", times=times)
    return asked


async def done(slack: SlackServer, wire: Wire, thread: str, version: str) -> None:
    """The result stands in the thread, the status says that it is over, and the question by
    whom it was answered. Whoever cut off the step that may happen once is asked about it."""
    texts = (f"{version} is out", "release-in-chat* is done", "Approved by")

    def told() -> str:
        shown = [m.shown for m in within(slack, thread)]
        if any("Has it happened?" in each for each in shown):
            return "asked"
        return "done" if all(any(text in each for each in shown) for text in texts) else ""

    if await slack.until(told, 300) == "asked":
        await wire.deliver(message('{"outcome": "repeat"}', slack.ts(), thread=thread))
        await slack.says(texts[0], thread=thread)
        await slack.says(texts[1], thread=thread)


def within(slack: SlackServer, thread: str) -> Sequence[Posted]:
    return [m for m in slack.posted if thread in (m.thread, m.ts)]


def once(slack: SlackServer, thread: str, *, result: int | None = 1) -> list[str]:
    """What of a release does not stand in its thread exactly once."""
    there = within(slack, thread)
    counts = {
        "status": (sum(map(is_status, there)), 1),
        "question": (sum(any("Release " in v for v in m.versions) for m in there), 1),
        "result": (sum("is out" in m.shown for m in there), result),
    }
    return [
        f"{what}: {count}" for what, (count, right) in counts.items() if right not in (None, count)
    ]


async def executions(serving: Serving) -> int:
    async with Client(serving.url) as client:
        return len([execution async for execution in client.executions()])
