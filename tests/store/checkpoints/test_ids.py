"""Ids, namespaces and names may be any text; no two of them are ever the same place."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from assay.graphs.errors import InvalidInput, StoreError

from .states import at, follow, pending, state

if TYPE_CHECKING:
    from assay.store.checkpointing.saver import Saver

pytestmark = pytest.mark.anyio

HOSTILE = [
    "a",
    "A",
    "a/b",
    "a_b",
    "a|b",
    "a:b",
    "a%2Fb",
    "a\0",
    "a\0b",
    " a",
    "a ",
    "..",
    "%",
    "_",
    "'; DROP TABLE checkpoints; --",
    "é",  # one code point
    "e\u0301",  # two, drawn the same
    "日本語",
    "🧪",
    "\u202ea",
    "x" * 3000,
    "1",
    "1.0",
    "None",
]


async def test_no_two_threads_or_namespaces_share_anything(saver: Saver) -> None:
    places = [*product(HOSTILE, ["", "a", "a\0", "é"]), *product(["t"], HOSTILE)]
    configs = []
    for number, place in enumerate(places):
        config = await follow(saver, at(*place), {"n": number})
        await saver.aput_writes(config, [("n", number)], "node")
        configs.append(config)

    for number, (place, config) in enumerate(zip(places, configs, strict=True)):
        found = await saver.aget_tuple(at(*place))
        assert found is not None
        assert found.config == config
        assert found.checkpoint["channel_values"] == {"n": number}
        assert await pending(saver, config) == [("node", "n", number)]
    for thread in HOSTILE:
        await saver.adelete_thread(thread)
    assert {c.config["configurable"]["thread_id"] async for c in saver.alist(None)} == {"t"}


async def test_no_two_channels_or_nodes_share_anything(saver: Saver) -> None:
    config = await follow(saver, at(), {name: n for n, name in enumerate(HOSTILE)})
    for n, name in enumerate(HOSTILE):
        await saver.aput_writes(config, [(name, n)], name, name)

    assert await state(saver, config) == {name: n for n, name in enumerate(HOSTILE)}
    assert sorted(await pending(saver, config)) == sorted(
        (name, name, n) for n, name in enumerate(HOSTILE)
    )


async def test_a_namespace_and_an_id_are_not_those_that_read_alike(saver: Saver) -> None:
    base = await saver.aget_tuple(await follow(saver, at(), {}))
    assert base is not None
    places = [("", "abc"), ("a", "bc"), ("ab", "c"), ("abc", "d")]
    for namespace, id in places:
        checkpoint = {**base.checkpoint, "id": id}
        await saver.aput(at("u", namespace), checkpoint, {"step": len(id)}, {})  # type: ignore[arg-type]

    for namespace, id in places:
        found = await saver.aget_tuple(at("u", namespace, id))
        assert found is not None
        assert found.metadata["step"] == len(id)
    assert len([c async for c in saver.alist({"configurable": {"thread_id": "u"}})]) == 4


async def test_checkpoint_ids_are_compared_as_they_are(saver: Saver) -> None:
    base = await saver.aget_tuple(await follow(saver, at(), {}))
    assert base is not None
    for id in HOSTILE:
        await saver.aput(at("u"), {**base.checkpoint, "id": id}, {}, {})

    listed = [c.checkpoint["id"] async for c in saver.alist(at("u"))]

    assert listed == sorted(HOSTILE, reverse=True, key=lambda id: id.encode())
    for id in HOSTILE:
        found = await saver.aget_tuple(at("u", id=id))
        assert found is not None
        assert found.checkpoint["id"] == id


async def test_a_thread_may_be_a_number(saver: Saver) -> None:
    config = await follow(saver, {"configurable": {"thread_id": 7}}, {"n": 1})

    assert config["configurable"]["thread_id"] == "7"
    assert await state(saver, {"configurable": {"thread_id": 7}}) == {"n": 1}
    assert await state(saver, at("7")) == {"n": 1}


async def test_text_that_is_not_unicode_is_refused_and_hurts_no_other(saver: Saver) -> None:
    with pytest.raises(InvalidInput, match="Not valid Unicode"):
        await follow(saver, at("\ud800"), {"n": 1})
    with pytest.raises(InvalidInput, match="Not valid Unicode"):
        await saver.aget_tuple(at("\ud800"))

    await follow(saver, at(), {"n": 1})


@pytest.mark.parametrize(
    "config", [{}, {"configurable": {}}, {"configurable": {"thread_id": None}}]
)
async def test_a_config_without_a_thread_says_what_it_needs(
    saver: Saver, config: dict[str, dict[str, None]]
) -> None:
    with pytest.raises(StoreError, match="names no thread to keep state for; give"):
        await saver.aget_tuple(config)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="names no thread"):
        _ = [c async for c in saver.alist(config)]  # type: ignore[arg-type]
