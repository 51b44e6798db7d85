"""Bytes in a store name types: only those that are allowed are ever imported or made."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from assay.graphs.errors import StoreError

from .states import at, follow, pending, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.store.checkpointing.saver import Saver

    from .places import Place

pytestmark = pytest.mark.anyio

MODULE = "order_of_a_shop"


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A dataclass in a module that can be imported, and notes who makes one."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text(
        "from dataclasses import dataclass\n"
        "made = []\n"
        "@dataclass\n"
        "class Order:\n"
        "    number: int\n"
        "    def __post_init__(self):\n"
        "        made.append(self.number)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    yield import_module(MODULE).Order(7)
    sys.modules.pop(MODULE, None)


@pytest.fixture
async def kept(place: Place, order: Any) -> dict[str, Any]:
    """A checkpoint that somebody wrote without any restriction; the module is forgotten."""
    serde = JsonPlusSerializer(allowed_msgpack_modules=True)
    async with place.open(serde=serde) as saver:
        config = await follow(saver, at(), {"order": order, "orders": [order]}, note=order)
        await saver.aput_writes(config, [("order", order)], "node")
    del sys.modules[MODULE]
    return dict(config)


async def test_a_type_that_is_not_allowed_is_neither_imported_nor_made(
    place: Place, kept: Any
) -> None:
    """Its data comes back instead."""
    async with place.open() as saver:
        found = await saver.aget_tuple(kept)

    assert found is not None
    plain = {"number": 7}
    assert found.checkpoint["channel_values"] == {"order": plain, "orders": [plain]}
    assert found.metadata["note"] == plain  # type: ignore[typeddict-item]
    assert found.pending_writes == [("node", "order", plain)]
    assert MODULE not in sys.modules


@pytest.mark.parametrize("how", ["type", "pair", "clone"])
async def test_a_type_that_is_allowed_comes_back(place: Place, kept: Any, how: str) -> None:
    if how == "type":
        allow: Any = [import_module(MODULE).Order]
    else:
        allow = [(MODULE, "Order")] if how == "pair" else []

    async with place.open(allow=allow) as opened:
        saver = opened.with_allowlist([(MODULE, "Order")]) if how == "clone" else opened
        again = import_module(MODULE).Order(7)
        assert await state(saver, kept) == {"order": again, "orders": [again]}
        config = await follow(saver, kept, {"order": again})
        assert await pending(saver, kept) == [("node", "order", again)]
        assert len([c async for c in opened.alist(at())]) == 2
        assert (await opened.aget_tuple(config)) is not None


async def test_a_callable_named_in_the_bytes_is_not_called(place: Place, tmp_path: Path) -> None:
    """What a permissive serializer would do with bytes that somebody else wrote."""
    import ormsgpack

    marker = tmp_path / "called"
    call = ormsgpack.packb(("os", "mkdir", str(marker)))
    bytes_ = ormsgpack.packb(ormsgpack.Ext(0, call))

    class Forged(JsonPlusSerializer):
        def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
            return ("msgpack", bytes_) if obj == "forged" else super().dumps_typed(obj)

    async with place.open(serde=Forged()) as saver:
        config = await follow(saver, at(), {"a": "forged"})
    async with place.open() as saver:
        assert await state(saver, config) == {"a": str(marker)}
    assert not marker.exists()


async def test_messages_and_langgraphs_own_types_come_back(saver: Saver) -> None:
    values = {"messages": [HumanMessage("hi", id="1"), AIMessage("ho", id="2")]}
    config = await follow(saver, at(), values)
    await saver.aput_writes(config, [("__pregel_tasks", Send("node", {"n": 1}))], "node")

    assert await state(saver, config) == values
    assert await pending(saver, config) == [("node", "__pregel_tasks", Send("node", {"n": 1}))]


async def test_state_that_cannot_be_serialized_fails_and_leaves_nothing(
    saver: Saver,
) -> None:
    class State(TypedDict):
        a: Any

    builder = StateGraph(State)
    builder.add_node("node", lambda _: {"a": object()})
    builder.add_edge(START, "node")
    graph = builder.compile(checkpointer=saver)

    with pytest.raises(StoreError, match="Channel 'a' of thread 't' cannot be stored: Type is"):
        await graph.ainvoke({"a": 1}, at(), durability="exit")
    with pytest.raises(StoreError, match="The metadata of thread 't' cannot be stored: Type is"):
        await follow(saver, at(), {"a": 1}, note=object())

    assert [c async for c in saver.alist(None)] == []
