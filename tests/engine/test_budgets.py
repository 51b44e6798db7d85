"""What agents may spend: reserved before a call is made, never spent twice, asked for."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import ConfigurationError

from ..running import open_house
from ..scripted import Asked, Reply, ScriptedModel
from .asking import answered, open_questions

pytestmark = pytest.mark.anyio

PROMPT = "Say it. " * 37
"""About 100 tokens, and no more."""


def said(asked: Asked) -> Reply:
    """An answer of 50 tokens, or as many as it may have."""
    return Reply("Said.", usage=(100, min(50, asked.body.get("max_completion_tokens", 50))))


def settings(server: ScriptedModel, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ASSAY_MODEL": "scripted",
        "ASSAY_BASE_URL": server.url,
        "ASSAY_MODEL_RETRIES": "0",
        **more,
    }


def agents(count: int, at_once: int = 1, **fields: Any) -> dict[str, Any]:
    """So many agents, one after the other or beside each other."""
    body = {"id": "say", "type": "agent", "prompt": PROMPT, "on_error": "skip"}
    each = {"id": "each", "type": "foreach", "items": str(list(range(count))), "steps": [body]}
    return {"name": "w", "steps": [{**each, "concurrency": at_once}], **fields}


def one(**guardrails: Any) -> dict[str, Any]:
    steps = [{"id": "say", "type": "agent", "prompt": PROMPT, "guardrails": guardrails}]
    return {"name": "w", "steps": steps}


def codes(execution: Any) -> list[str | None]:
    """How each agent ended: the code of its error."""
    results = [r for path, r in execution.steps.items() if path.endswith("say")]
    return [result.error.code if result.error else None for result in results]


async def test_fifty_agents_ten_at_once_never_overspend(tmp_path: Path) -> None:
    budget = {"tokens": 3000}
    with ScriptedModel(said) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(agents(50, 10, budget=budget))

    spent = ended.cost.input_tokens + ended.cost.output_tokens
    assert 3000 - 150 < spent <= 3000  # all of it was used, and no more
    assert codes(ended).count(None) == len(server.requests)
    assert set(codes(ended)) == {None, "budget_spent"}


async def test_children_spend_the_budget_of_their_parent(tmp_path: Path) -> None:
    """Two children at once, each of five agents at once; a budget of their own does not count."""
    child = {**agents(10, 5, budget={"tokens": 10_000}), "name": "child"}
    call = {"id": "call", "type": "workflow", "workflow": "child"}
    each = {"id": "all", "type": "foreach", "items": "[1, 2, 3]", "steps": [call]}
    with ScriptedModel(said) as server:
        async with open_house(tmp_path, settings(server)) as house:
            await house.app.register(child)
            steps = [{**each, "concurrency": 2}]
            ended = await house.run({"name": "w", "steps": steps, "budget": {"tokens": 2000}})

    spent = ended.cost.input_tokens + ended.cost.output_tokens
    assert 2000 - 150 < spent <= 2000
    assert len(codes(ended)) == 30
    assert codes(ended).count(None) == len(server.requests)
    (told,) = [notice for notice in ended.notices if "budget" in notice]
    assert told == "the budget of 'child' does not hold in it: the agents of 'w' share that of 'w'"


async def test_what_is_under_way_is_reserved(tmp_path: Path) -> None:
    """There is room for one answer, and a second agent asks while the first is thinking."""
    both, gate = threading.Event(), threading.Event()
    rooms: list[int] = []

    def script(asked: Asked) -> Reply:
        rooms.append(asked.body["max_completion_tokens"])
        both.set()
        return replace(said(asked), hold=gate)

    with ScriptedModel(script) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.start(agents(2, 2, budget={"tokens": 200}))
            await asyncio.to_thread(both.wait, 10)
            gate.set()
            ended = await house.app.wait(started.id)

    assert len(server.requests) == 1
    assert 0 < rooms[0] < 200
    assert sorted(codes(ended), key=str) == [None, "budget_spent"]


async def test_halt_says_what_was_spent_and_what_to_do(tmp_path: Path) -> None:
    with ScriptedModel(said) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(agents(3, budget={"tokens": 170}))

    failed = [r.error for r in ended.steps.values() if r.error is not None]
    assert "may spend 170 tokens (`budget`), has spent 150 tokens" in failed[0].message
    assert "`on_exceeded: ask`" in failed[0].message


@pytest.mark.parametrize("approved", [True, False])
async def test_a_person_is_asked_once_for_all_and_also_after_a_restart(
    tmp_path: Path, approved: bool
) -> None:
    budget = {"tokens": 200, "on_exceeded": "ask"}
    with ScriptedModel(said) as server:
        async with open_house(tmp_path, settings(server)) as house:
            started = await house.start(agents(3, 3, budget=budget))
            question = await answered(house, started, "?budget1", approved=approved)
            assert "May it spend 200 tokens more?" in question.message
            assert len(await open_questions(house, started)) <= 1
        async with open_house(tmp_path, settings(server)) as house:
            await house.app.resume(started.id)
            if approved:
                await answered(house, started, "?budget2")
            ended = await house.app.wait(started.id)

    wanted = [None] * 3 if approved else ["budget_spent", "budget_spent", None]
    assert sorted(codes(ended), key=str, reverse=approved) == sorted(wanted, key=str)
    assert len(server.requests) == wanted.count(None)


async def test_a_step_has_bounds_of_its_own(tmp_path: Path) -> None:
    with ScriptedModel([replace(Reply.calling("list_files"), usage=(110, 10))] * 9) as server:
        async with open_house(tmp_path, settings(server)) as house:
            work = one(max_tokens=500)
            work["steps"][0]["tools"] = ["list_files"]
            ended = await house.run(work)

    error = ended.steps["say"].error
    assert error is not None
    assert error.code == "limit_reached"
    assert "may spend 500 tokens (`guardrails`)" in error.message
    assert ended.cost.input_tokens + ended.cost.output_tokens <= 500
    assert ended.steps["say"].cost == ended.cost


async def test_so_many_calls_of_tools_and_no_more(tmp_path: Path) -> None:
    with ScriptedModel([Reply.calling("list_files")] * 9) as server:
        async with open_house(tmp_path, settings(server)) as house:
            work = one(max_tool_calls=2)
            work["steps"][0]["tools"] = ["list_files"]
            ended = await house.run(work)

    error = ended.steps["say"].error
    assert error is not None
    assert (error.code, len(server.requests)) == ("limit_reached", 3)
    assert "to call tools 3 times, and may 2 times" in error.message


async def test_an_agent_that_works_too_long_is_ended(tmp_path: Path) -> None:
    with ScriptedModel(lambda _: Reply("late", hold=threading.Event())) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(one(timeout="50ms"))

    error = ended.steps["say"].error
    assert error is not None
    assert (error.code, "longer than its `guardrails.timeout` of 0.05 s" in error.message) == (
        "limit_reached",
        True,
    )


PRICES = '[models]\n"scripted" = { input = 1000.0, output = 2000.0 }\n'


async def test_dollars_are_counted_by_a_table_of_prices(tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text(PRICES)
    with ScriptedModel(said) as server:
        environ = settings(server, ASSAY_PRICES=str(table))
        async with open_house(tmp_path, environ) as house:
            ended = await house.run(agents(5, budget={"usd": 0.5}))

    assert ended.cost.usd == pytest.approx(0.2 * len(server.requests))
    assert (ended.cost.usd or 0.0) <= 0.5
    assert codes(ended) == [None, None, *["budget_spent"] * 3]


async def test_a_step_has_a_bound_of_its_own_in_dollars(tmp_path: Path) -> None:
    """One turn costs 0.12 dollars: there is room for two, and not for a third."""
    table = tmp_path / "prices.toml"
    table.write_text(PRICES)
    calls = [replace(Reply.calling("list_files"), usage=(100, 10))] * 9
    with ScriptedModel(calls) as server:
        async with open_house(tmp_path, settings(server, ASSAY_PRICES=str(table))) as house:
            work = one(max_usd=0.45)
            work["steps"][0]["tools"] = ["list_files"]
            ended = await house.run(work)

    error = ended.steps["say"].error
    assert error is not None
    assert (error.code, "may spend 0.45 USD" in error.message) == ("limit_reached", True)
    assert 0 < (ended.cost.usd or 0.0) <= 0.45
    assert ended.cost.usd == pytest.approx(0.12 * len(server.requests))
    assert ended.steps["say"].cost == ended.cost


async def test_a_bound_in_dollars_needs_a_price(tmp_path: Path) -> None:
    with ScriptedModel(lambda _: Reply("Said.")) as server:
        async with open_house(tmp_path, settings(server)) as house:
            ended = await house.run(one(max_usd=1.0))

    error = ended.steps["say"].error
    assert error is not None
    assert (error.code, "ASSAY_PRICES" in error.message) == ("configuration", True)
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models", "cannot be read"),
        ("models = 1", "has no table [models]"),
        ('[models]\n"m" = { input = "1" }', "the price of 'm'"),
        ('[models]\n"m" = { input = -1, output = 2 }', "the price of 'm'"),
    ],
)
async def test_a_table_that_is_none_is_told_with_its_place(
    tmp_path: Path, text: str, says: str
) -> None:
    table = tmp_path / "prices.toml"
    table.write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.toml") as caught:
        async with open_house(tmp_path, {"ASSAY_PRICES": str(table)}):
            pass
    assert says in caught.value.message
