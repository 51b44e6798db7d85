"""Listing: in order, page after page, of one thread or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .states import at, follow

if TYPE_CHECKING:
    from assay.store.checkpointing.saver import Saver

pytestmark = pytest.mark.anyio


async def test_all_threads_are_listed_the_newest_checkpoint_first(saver: Saver) -> None:
    """More than a page of them, and some ids twice: a copied thread keeps its ids."""
    for n in range(70):
        await follow(saver, at(f"thread {n % 7}", "" if n % 3 else "child:1"), {"n": n})
    for n in range(5):
        await saver.acopy_thread("thread 0", f"copy {n}")

    places = [c.config["configurable"] async for c in saver.alist(None)]

    assert len(places) == 70 + 5 * 10
    assert len({tuple(place.values()) for place in places}) == len(places)
    ids = [place["checkpoint_id"] for place in places]
    assert ids == sorted(ids, reverse=True)


async def test_a_thread_is_listed_whole_or_by_namespace_or_by_id(saver: Saver) -> None:
    configs = [await follow(saver, at("t", ns), {"n": ns}) for ns in ["", "a", "b", "a"]]
    await follow(saver, at("other"), {"n": 0})

    async def listed(config: object) -> list[object]:
        return [c.config async for c in saver.alist(config)]  # type: ignore[arg-type]

    assert await listed({"configurable": {"thread_id": "t"}}) == configs[::-1]
    assert await listed(at("t", "a")) == [configs[3], configs[1]]
    assert await listed(at("t", "")) == [configs[0]]
    assert await listed(configs[2]) == [configs[2]]
    assert await listed(at("nobody")) == []


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (40, 40), (99, 80), (None, 80)])
async def test_a_limit_counts_what_fits_the_filter(
    saver: Saver, limit: int | None, expected: int
) -> None:
    """It takes several pages of checkpoints that do not fit to find those that do."""
    for n in range(160):
        await follow(saver, at(), {"n": n}, kind="even" if n % 2 == 0 else "odd", user="ann")

    found = [
        c.checkpoint["channel_values"]["n"]
        async for c in saver.alist(at(), filter={"kind": "even", "user": "ann"}, limit=limit)
    ]

    assert found == list(range(158, -1, -2))[:expected]


async def test_before_leaves_out_what_is_not_older(saver: Saver) -> None:
    configs = [await follow(saver, at(), {"n": n}) for n in range(5)]

    older = [c.config async for c in saver.alist(at(), before=configs[3], limit=2)]

    assert older == [configs[2], configs[1]]
    assert len([c async for c in saver.alist(at(), before=at())]) == 5, "it names no checkpoint"


async def test_metadata_filters_on_what_the_config_says(saver: Saver) -> None:
    """As LangGraph's other savers do: what is set in configurable and metadata is kept too."""
    config = at()
    config["configurable"]["tenant"] = "acme"
    config["metadata"] = {"plan": "gold", "nul": "a\0b"}
    await follow(saver, config, {"n": 1})
    await follow(saver, at(), {"n": 2})

    for filter in ({"tenant": "acme"}, {"plan": "gold"}, {"nul": "ab"}):
        (found,) = [c async for c in saver.alist(at(), filter=filter)]
        assert found.checkpoint["channel_values"] == {"n": 1}
        assert found.metadata["tenant"] == "acme"  # type: ignore[typeddict-item]
    assert [c async for c in saver.alist(at(), filter={"tenant": "other"})] == []


async def test_deleting_while_listing_skips_what_is_gone(saver: Saver) -> None:
    for n in range(50):
        await follow(saver, at(f"t{n}"), {"n": n})

    seen = []
    async for found in saver.alist(None):
        seen.append(found.checkpoint["channel_values"]["n"])
        if len(seen) == 1:
            await saver.adelete_thread("t0")

    assert seen == list(range(49, 0, -1))
