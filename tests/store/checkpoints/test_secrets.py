"""Encryption: nothing of a secret is in the store, and keys can be changed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from assay.checkpoint import KeyRing
from assay.graphs.errors import ConfigurationError, StateCorrupted

from .states import at, follow, pending, state

if TYPE_CHECKING:
    from assay.store.checkpointing.saver import Saver

    from .places import Place

pytestmark = pytest.mark.anyio

OLD, NEW = os.urandom(32), os.urandom(16)
SECRET = "attack at dawn"


class State(TypedDict):
    message: str
    large: str
    reply: str


def graph(saver: Saver) -> Any:
    def ask(state: State) -> dict[str, str]:
        return {"reply": state["message"] + interrupt(f"{SECRET}?")}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    return builder.compile(checkpointer=saver)


async def test_nothing_of_a_secret_is_in_the_store(place: Place) -> None:
    """Not of state, input, writes, questions, answers or metadata; not even in the log."""
    config = at()
    config["configurable"]["note"] = SECRET
    async with place.open(cipher=KeyRing({"k": OLD}, "k")) as saver:
        g = graph(saver)
        await g.ainvoke({"message": SECRET, "large": SECRET * 10_000}, config, durability="sync")
        (question,) = (await g.aget_state(config)).interrupts
        assert question.value == f"{SECRET}?"
        result = await g.ainvoke(Command(resume=SECRET), config)
        assert result["reply"] == SECRET * 2
        found = [c async for c in saver.alist(at(), filter={"note": SECRET})]
        assert len(found) == 3
        everything = await place.everything()
        assert len(everything) > 100_000
    everything += await place.everything()

    assert SECRET.encode() not in everything


async def test_the_same_secret_never_looks_the_same(place: Place) -> None:
    async with place.open(cipher=KeyRing({"k": OLD}, "k")) as saver:
        await follow(saver, await follow(saver, at(), {"a": SECRET}), {"a": SECRET, "b": SECRET})

    kept = [row["data"] for row in await place.rows("blobs")]
    assert len(set(kept)) == 3


async def test_keys_can_be_changed(place: Place) -> None:
    async with place.open(cipher=KeyRing({"2026": OLD}, "2026")) as saver:
        old = await follow(saver, at("old"), {"a": SECRET, "b": 1})

    async with place.open(cipher=KeyRing({"2026": OLD, "2027": NEW}, "2027")) as saver:
        assert await state(saver, old) == {"a": SECRET, "b": 1}
        mixed = await follow(saver, old, {"b": 2})
        await saver.aput_writes(mixed, [("b", 3)], "node")
        new = await follow(saver, at("new"), {"a": SECRET})
        assert await state(saver, mixed) == {"a": SECRET, "b": 2}

    async with place.open(cipher=KeyRing({"2027": NEW}, "2027")) as saver:
        assert await state(saver, new) == {"a": SECRET}
        for config in (old, mixed):
            with pytest.raises(ConfigurationError, match=r"'aes-gcm:2026', for which .* no key"):
                await saver.aget_tuple(config)


async def test_encryption_may_begin_on_a_store_in_use(place: Place) -> None:
    async with place.open() as saver:
        before = await follow(saver, at(), {"a": "in clear", "b": 1})
    async with place.open(cipher=KeyRing({"k": OLD}, "k")) as saver:
        after = await follow(saver, before, {"b": SECRET})
        assert await state(saver, after) == {"a": "in clear", "b": SECRET}


async def test_what_is_encrypted_asks_for_its_cipher_and_is_not_called_damaged(
    place: Place,
) -> None:
    async with place.open(cipher=KeyRing({"k": OLD}, "k")) as saver:
        config = await follow(saver, at(), {"a": SECRET})
    async with place.open() as saver:
        with pytest.raises(ConfigurationError, match=r"encrypted with 'aes-gcm:k'.*`cipher`"):
            await saver.aget_tuple(config)


async def test_a_wrong_key_or_bytes_exchanged_by_somebody_are_reported(place: Place) -> None:
    async with place.open(cipher=KeyRing({"k": OLD}, "k")) as saver:
        config = await follow(saver, at(), {"a": 1})
    async with place.open(cipher=KeyRing({"k": NEW}, "k")) as saver:
        with pytest.raises(StateCorrupted, match="is damaged: the ring's key 'k' is not the one"):
            await saver.aget_tuple(config)


async def test_any_serializer_of_langgraph_may_be_given(place: Place) -> None:
    serde = EncryptedSerializer(KeyRing({"k": OLD}, "k"), JsonPlusSerializer(pickle_fallback=True))
    async with place.open(serde=serde) as saver:
        config = await follow(saver, at(), {"a": {SECRET}})
        await saver.aput_writes(config, [("a", complex(1, 2))], "node")
        assert await state(saver, config) == {"a": {SECRET}}
        assert await pending(saver, config) == [("node", "a", 1 + 2j)]


def test_keys_that_cannot_work_are_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"no key 'b'; the ring has \['a'\]"):
        KeyRing({"a": OLD}, "b")
    with pytest.raises(ConfigurationError, match=r"A key cannot be used: .*bit"):
        KeyRing({"a": b"short"}, "a")


def test_without_cryptography_the_ring_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)

    with pytest.raises(ConfigurationError, match="pip install cryptography"):
        KeyRing({"a": OLD}, "a")


async def test_options_that_exclude_each_other_are_refused(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="Give either serde, or allow and cipher"):
        async with place.open(serde=JsonPlusSerializer(), allow=[State]):
            pass
