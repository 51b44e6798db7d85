"""Functions of others as tools: what the model reads of them, what they are given and give."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from tests.scripted import Reply

from assay.agents.runner import LangChainAgents
from assay.agents.tools.reach import RESULT_LIMIT
from assay.graphs import registry
from assay.graphs.errors import ConfigurationError, NotAllowed
from assay.graphs.thinking import AgentAnswer

from .conftest import Desk

pytestmark = pytest.mark.anyio


class Order(BaseModel):
    number: int
    amounts: list[float] = []


async def price(item: str, count: Annotated[int, Field(ge=1, description="How many.")] = 1) -> str:
    """What an item costs."""
    return f"{count} {item}: {count * 3} EUR"


def total(order: Order) -> dict[str, Any]:
    """The sum of an order."""
    return {"sum": sum(order.amounts), "on": threading.current_thread().name}


def fails() -> None:
    """Fails."""
    raise KeyError("nothing there")


def endless() -> str:
    """Gives too much."""
    return "x" * (2 * RESULT_LIMIT)


def with_tools(desk: Desk, script: list[Reply], *functions: Callable[..., Any]) -> LangChainAgents:
    agents = desk.agents(script)
    for function in functions:
        agents.add_tool(function.__name__, function, profile="standard")
    return agents


async def called(desk: Desk, function: Callable[..., Any], **arguments: Any) -> AgentAnswer:
    """The model has called it, and answered then."""
    script = [Reply.calling(function.__name__, **arguments), Reply("Done.")]
    agents = with_tools(desk, script, function)
    return await agents.run(desk.task(tools=[function.__name__]), desk.ear)


async def test_a_function_is_offered_with_its_types_and_its_docstring(desk: Desk) -> None:
    answer = await called(desk, price, item="nail", count=2)

    assert answer.tool_calls == ("price",)
    assert desk.server.requests[1].last == "2 nail: 6 EUR"
    (offered,) = desk.server.requests[0].body["tools"]
    assert offered["function"]["description"] == "What an item costs."
    schema = offered["function"]["parameters"]
    assert schema["required"] == ["item"]
    assert schema["properties"]["count"]["description"] == "How many."
    assert desk.ear.tools == [("price", {"item": "nail", "count": 2}, True)]


async def test_a_plain_function_works_beside_the_loop_and_gives_any_value(desk: Desk) -> None:
    await called(desk, total, order={"number": 1, "amounts": [1, 2.5]})

    told = desk.server.requests[1].last
    assert '"sum":3.5' in told
    assert threading.main_thread().name not in told


@pytest.mark.parametrize(
    "arguments",
    [{}, {"item": "nail", "count": 0}, {"item": ["nail"]}, {"item": "nail", "colour": "red"}],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(
    desk: Desk, arguments: dict[str, Any]
) -> None:
    await called(desk, price, **arguments)

    told = desk.server.requests[1].last
    assert "error" in told.lower()
    assert "EUR" not in told


async def test_what_a_function_raises_is_told_to_the_model(desk: Desk) -> None:
    await called(desk, fails)

    assert desk.server.requests[1].last == "error: fails failed: KeyError: 'nothing there'"


async def test_what_a_function_gives_is_bounded(desk: Desk) -> None:
    await called(desk, endless)

    assert RESULT_LIMIT < len(desk.server.requests[1].last) < RESULT_LIMIT + 100


async def test_a_profile_below_the_declared_one_does_not_have_it(desk: Desk) -> None:
    agents = with_tools(desk, [Reply.calling("price", item="x"), Reply("No.")], price)
    task = desk.task(tools=["price", "read_file"], profile="restricted")
    answer = await agents.run(task, desk.ear)

    assert desk.server.requests[0].tools == ["read_file"]
    assert "security profile 'restricted' withholds price" in answer.notices
    assert "no tool 'price'" in desk.server.requests[1].last

    agents = desk.agents([Reply("Yes.")])
    agents.add_tool("price", price, profile="restricted")
    await agents.run(task, desk.ear)
    assert desk.server.requests[0].tools == ["price", "read_file"]


async def test_an_allow_list_holds_for_functions(desk: Desk) -> None:
    agents = with_tools(desk, [Reply("Hello.")], price, fails)
    task = desk.task(tools=["price", "fails"], allowed_tools=["fails"])
    assert (await agents.run(task, desk.ear)).notices == ()

    assert desk.server.requests[0].tools == ["fails"]


def untyped(item: str, count) -> str:  # type: ignore[no-untyped-def]
    return f"{item} {count}"


def positional(item: str, /) -> str:
    return item


@pytest.mark.parametrize(
    ("name", "function", "why"),
    [
        ("read_file", price, "a tool of Assay's own"),
        ("fs_read", price, "a tool of Assay's own"),
        ("two words", price, "use letters, digits"),
        ("shop__price", price, "use letters, digits"),
        ("untyped", untyped, "count has no type hint"),
        ("positional", positional, "positional only"),
    ],
)
async def test_what_cannot_be_a_tool_is_refused(
    desk: Desk, name: str, function: Callable[..., Any], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        desk.agents([]).add_tool(name, function, profile="standard")


async def test_a_profile_that_does_not_exist_is_refused(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match="standart"):
        desk.agents([]).add_tool("price", price, profile="standart")


class Shop:
    def __init__(self, each: int) -> None:
        self.each = each

    def price(self, item: str) -> str:
        return f"{item}: {self.each} EUR"


async def test_a_method_brings_its_object(desk: Desk) -> None:
    await called(desk, Shop(5).price, item="nail")

    assert desk.server.requests[1].last == "nail: 5 EUR"


async def test_what_plugins_bring_is_among_the_tools(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = (_Loaded("dear", price), _Loaded("loud", untyped))
    monkeypatch.setattr(registry, "_installed", lambda: installed)
    agents = desk.agents([Reply.calling("dear", item="nail"), Reply("Done.")])

    assert {"dear", "loud"} <= set(agents.tools())
    await agents.run(desk.task(tools=["dear"]), desk.ear)
    assert desk.server.requests[1].last == "1 nail: 3 EUR"
    with pytest.raises(ConfigurationError, match="has no type hint"):
        await agents.run(desk.task(tools=["loud"]), desk.ear)


class _Loaded:
    """An entry point whose function is at hand."""

    group = "assay.tools"

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.load = lambda: function
