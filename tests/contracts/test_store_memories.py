"""What every `Store` owes of what agents remember."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import InvalidInput
from assay.graphs.memory import FACTS, TURNS, Fact, MemoryInfo, Turn

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
        with pytest.raises(InvalidInput):
            await store.note("w", key, fact("1"))


def fact(name: str, text: str = "☃", at: str = "2026-11-21T09:30:00.000000Z") -> Fact:
    return Fact(name, text, at)


async def names(store: Store, workflow: str = "w", key: str = "ann") -> list[str]:
    return [f.name for f in await store.facts(workflow, key)]


async def test_facts_are_listed_newest_first_and_apart_by_key(store: Store) -> None:
    for name in ("a", "b/c", "ü ☃"):
        await store.note("w", "ann", fact(name))
    await store.note("w", "bob", fact("a", "other"))
    assert list(await store.facts("w", "ann")) == [fact("ü ☃"), fact("b/c"), fact("a")]
    assert list(await store.facts("w", "bob")) == [fact("a", "other")]
    assert list(await store.facts("v", "ann")) == []


async def test_a_fact_takes_the_place_of_the_one_of_its_name_and_one_without_text_forgets_it(
    store: Store,
) -> None:
    for each in (fact("a"), fact("b"), fact("a", "anew")):
        await store.note("w", "ann", each)
    assert list(await store.facts("w", "ann")) == [fact("a", "anew"), fact("b")]
    for name in ("a", "c"):
        await store.note("w", "ann", fact(name, ""))
    assert await names(store) == ["b"]


async def test_the_oldest_are_forgotten_when_there_are_too_many(store: Store) -> None:
    await asyncio.gather(*(store.note("w", "ann", fact(str(n))) for n in range(FACTS)))
    for late in ("x", "y"):
        await store.note("w", "ann", fact(late))
    found = await names(store)
    assert (len(found), found[:2]) == (FACTS, ["y", "x"])
    await asyncio.gather(*(store.remember("w", "ann", turn(str(n))) for n in range(TURNS)))
    await store.remember("w", "ann", turn("x"))
    kept = await ids(store, limit=TURNS + 5)
    assert (len(kept), kept[-1]) == (TURNS, "x")


async def test_whose_memories_there_are_is_listed_in_pages(store: Store) -> None:
    early, late = "2026-11-20T00:00:00.000000Z", "2026-11-21T00:00:00.000000Z"
    await store.remember("w", "bob", replace(turn("1"), at=late))
    await store.remember("w", "ann", replace(turn("1"), at=early))
    await store.note("w", "ann", fact("a", at=late))
    await store.note("w/x", "ü", fact("a", at=early))
    everything = [
        *(MemoryInfo("w", "ann", late), MemoryInfo("w", "bob", late)),
        MemoryInfo("w/x", "ü", early),
    ]
    for filters, expected in (({}, everything), ({"workflow": "w"}, everything[:2])):
        found: list[MemoryInfo] = []
        after = None
        while True:
            page = await store.memories(after=after, limit=1, **filters)
            found += page.items
            if (after := page.cursor) is None:
                break
        assert found == expected
    for cursor in ("elsewhere", "[1]", '["a", 2]', "7"):
        with pytest.raises(InvalidInput):
            await store.memories(after=cursor)
    await store.forget("w", "ann")
    assert [m.key for m in (await store.memories(workflow="w")).items] == ["bob"]


async def test_what_was_added_to_lately_is_not_forgotten_as_unused(store: Store) -> None:
    early, late = "2026-11-20T00:00:00.000000Z", "2026-11-21T00:00:00.000000Z"
    await store.remember("w", "ann", replace(turn("1"), at=early))
    await store.note("w", "ann", fact("a", at=late))
    await store.note("w", "bob", fact("a", at=early))
    assert await store.forget("w", "ann", before=late) == 0
    assert await store.forget("w", "bob", before=late) == 1
    assert await store.forget("w", "nobody", before=late) == 0
    assert (await ids(store), await names(store)) == (["1"], ["a"])
    assert await store.forget("w", "ann", before="2026-11-21T00:00:00.000001Z") == 2
    assert (await store.memories()).items == []


async def test_what_several_add_at_once_is_all_there(two_stores: tuple[Store, Store]) -> None:
    one, other = two_stores
    await asyncio.gather(
        *(store.remember("w", "ann", turn(f"{n}")) for n, store in enumerate([one, other] * 5))
    )
    assert sorted(await ids(one), key=int) == [str(number) for number in range(10)]
    assert await ids(one) == await ids(other)
