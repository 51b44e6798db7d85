"""What people say in their own words, read by a model in an execution of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.scripted import Asked, Reply, ScriptedModel

from .room import BOB, open_room
from .test_conversation import GREETS

pytestmark = pytest.mark.anyio

Say = Callable[[Asked], Reply]


class Reader:
    """A model that answers what a test says it would."""

    def __init__(self) -> None:
        self.option, self.confidence = "greets", 0.9
        self.found: dict[str, Any] = {"who": "Ada"}
        self.text = "Because it is."
        self.asked: list[str] = []
        self.gate: threading.Event | None = None
        self.reached = threading.Event()

    def __call__(self, asked: Asked) -> Reply:
        prompt = "\n".join(str(message["content"]) for message in asked.messages)
        self.asked.append(prompt)
        if "Which workflow do they want" in prompt:
            self.reached.set()
            said = {"option": self.option, "confidence": self.confidence, "reason": "so"}
            return replace(Reply.of_json(said), hold=self.gate)
        if "Take from it" in prompt:
            return Reply.of_json(self.found)
        return Reply(self.text)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def environ(reader: Reader) -> Iterator[dict[str, str]]:
    with ScriptedModel(reader) as server:
        yield {
            "ASSAY_MODEL": "openai:scripted",
            "ASSAY_BASE_URL": server.url,
            "OPENAI_API_KEY": "none",
        }


async def test_a_model_finds_what_is_meant_and_what_it_needs(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}", examples=["say hello to somebody"])

        await room.say("please be nice to Ada")

        await room.shows("Good day, Ada")
        assert "say hello to somebody" in reader.asked[0]
        assert len(await room.began("chat-router")) == 1
        (execution,) = await room.began("greets")
        assert execution.inputs == {"who": "Ada"}


async def test_a_model_that_is_unsure_lets_the_person_choose(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.confidence = 0.3
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")
        await room.workflow({**GREETS, "name": "other"}, match="other {who}")

        await room.say("be nice to Ada")
        offered = await room.shows("Which of these do you mean?")
        assert [b.text for b in offered.card.buttons] == ["greets", "other"]
        await room.click(offered, "other")

        await room.shows("**other** is done")
        assert await room.began("greets") == []


async def test_what_means_nothing_here_starts_nothing(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.option = "none of these"
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")

        await room.say("what a fine day")

        await room.shows("I did not understand")


async def test_a_model_that_fails_is_not_taken_for_an_answer(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.option = "something else"
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")

        await room.say("what a fine day")

        await room.shows("What you wrote could not be read by a model")
        assert await room.began("greets") == []


async def test_what_is_missing_is_asked_for(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.found = {}
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")

        await room.say("be nice")

        told = await room.shows("I still need `who`")
        assert "Say `greet {who}`" in told.text
        assert await room.began("greets") == []


async def test_a_model_is_offered_only_what_the_person_may_start(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")
        await room.workflow({**GREETS, "name": "secret"}, match="hush {who}")
        await room.allow(BOB, "operator", "greets")

        await room.say("be nice to Ada", person=BOB)

        await room.shows("Good day, Ada")
        assert "secret" not in "".join(reader.asked)


async def test_the_answer_of_an_agent_is_shown_while_it_grows(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.text = "Because it is so, and " + "so " * 40
    asks = {
        "name": "asks",
        "inputs": {"what": {"type": "string"}},
        "outputs": {"answer": {"value": "{{ answer.output }}"}},
        "steps": [{"id": "answer", "type": "agent", "prompt": "{{ inputs.what }}", "tools": []}],
    }
    async with open_room(tmp_path, environ) as room:
        await room.workflow(asks, match="ask {what...}")

        await room.say("ask why")

        answer = await room.shows("Because it is so")
        await room.shows("**asks** is done")
        await room.until(lambda: [m for m in [answer] if m.text.strip() == reader.text.strip()])
        assert len(room.platform.messages) == 2


async def test_a_router_that_is_cut_off_goes_on_where_it_was(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    reader.gate = threading.Event()
    async with open_room(tmp_path, environ) as room:
        await room.workflow(GREETS, match="greet {who}")
        await room.say("be nice to Ada")
        assert await asyncio.to_thread(reader.reached.wait, 20)
        await room.leave()
        reader.gate.set()
        await room.enter()

        await room.shows("Good day, Ada")
        assert len(await room.began("chat-router")) == 1
        assert len(await room.began("greets")) == 1


async def test_the_example_remembers_its_thread(
    tmp_path: Path, environ: dict[str, str], reader: Reader
) -> None:
    example = Path(__file__).parents[3] / "graphs/examples/answers-in-chat.yaml"
    reader.text = "Because of the air."
    async with open_room(tmp_path, environ) as room:
        await room.app.register(example)

        await room.say("ask why is the sky blue")
        await room.shows("Because of the air.")
        await room.shows("**answers** is done")
        await room.say("and at night?", mention=False)
        await room.until(lambda: room.saying("**answers** is done")[1:])

        assert "and at night?" in reader.asked[-1]
        assert "why is the sky blue" in reader.asked[-1]
        assert "Because of the air." in reader.asked[-1]
