"""The reference: raw LangGraph with its own SQLite saver, every superstep durable.

The saver keeps its own settings: WAL, and SQLite's default of `synchronous=FULL`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from .rounds import Inputs, Run, Side

NAME = "LangGraph, AsyncSqliteSaver, sync, FULL"

Durability = Literal["sync", "async", "exit"]


class Value(TypedDict):
    value: int


def zero() -> Value:
    return {"value": 0}


async def noop(_: Value) -> Value:
    return {"value": 1}


def side(
    graph: StateGraph[Any, Any, Any, Any],
    inputs: Inputs = zero,
    *,
    name: str = NAME,
    durability: Durability = "sync",
    at_once: int = 1,
    limit: int = 25,
    saver: type[AsyncSqliteSaver] = AsyncSqliteSaver,
) -> Side:
    """Runs of one graph, each a thread of its own, of at most `limit` supersteps."""

    @asynccontextmanager
    async def open(folder: Path) -> AsyncIterator[Run]:
        async with saver.from_conn_string(str(folder / "reference.db")) as kept:
            await kept.setup()
            compiled = graph.compile(checkpointer=kept)

            async def one() -> None:
                config: RunnableConfig = {
                    "configurable": {"thread_id": str(uuid4())},
                    "recursion_limit": limit,
                }
                await compiled.ainvoke(inputs(), config, durability=durability)

            async def run() -> None:
                await asyncio.gather(*[one() for _ in range(at_once)])

            yield run

    return Side(name, open)


def chain(
    steps: int = 10, state: type = Value, node: Callable[..., Awaitable[Any]] = noop
) -> StateGraph[Any, Any, Any, Any]:
    """Nodes one after another; each is the same function."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    names = [f"s{i}" for i in range(steps)]
    for name in names:
        graph.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph
