"""What every `Store` owes of what agents remember."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import InvalidInput
from assay.graphs.memory import Turn

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def turn(id: str) -> Turn:
    return Turn(id, f"What is {id}?", f"{id} is ☃.", "2026-11-21T09:30:00.000000Z")


async def ids(store: Store, workflow: str = "w", key: str = "ann", limit: int = 10) -> list[str]:
    return [t.id for t in await store.remembered(workflow, key, limit=limit)]


async def test_the_newest_turns_of_a_key_are_remembered_in_their_order(store: Store) -> None:
    turns = [turn(f"e/{number}") for number in range(5)]
    for each in turns:
        await store.remember("w", "ann", each)
    assert list(await store.remembered("w", "ann", limit=10)) == turns
    assert list(await store.remembered("w", "ann", limit=2)) == turns[-2:]


async def test_conversations_of_others_are_apart(store: Store) -> None:
    await store.remember("w", "ann", turn("1"))
    await store.remember("w", "ann/bob", turn("1"))
    await store.remember("w/ann", "bob", turn("2"))
    assert await ids(store) == ["1"]
    assert await ids(store, "w", "ann/bob") == ["1"]
    assert await ids(store, "w/ann", "bob") == ["2"]
    assert await ids(store, "w", "bob") == await ids(store, "v", "ann") == []


async def test_a_turn_that_is_there_already_changes_nothing(store: Store) -> None:
    for each in (turn("1"), turn("2"), replace(turn("1"), answered="something else")):
        await store.remember("w", "ann", each)
    assert list(await store.remembered("w", "ann", limit=10)) == [turn("1"), turn("2")]


async def test_a_conversation_is_forgotten_whole_and_alone(store: Store) -> None:
    for number in range(3):
        await store.remember("w", "ann", turn(str(number)))
        await store.remember("w", "bob", turn(str(number)))
    assert (await store.forget("w", "ann"), await store.forget("w", "ann")) == (3, 0)
    assert (await ids(store), await ids(store, key="bob")) == ([], ["0", "1", "2"])


async def test_a_key_without_a_name_is_refused(store: Store) -> None:
    for key in ("", "a\0b"):
        with pytest.raises(InvalidInput):
            await store.remember("w", key, turn("1"))


async def test_what_several_add_at_once_is_all_there(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    await asyncio.gather(
        *(store.remember("w", "ann", turn(f"{n}")) for n, store in enumerate([one, other] * 5))
    )
    assert sorted(await ids(one), key=int) == [str(number) for number in range(10)]
    assert await ids(one) == await ids(other)
