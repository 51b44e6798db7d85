"""What every `Store` owes of cached results."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from assay.graphs.execution import Cost, Status, StepResult
from assay.store.connect import connect

if TYPE_CHECKING:
    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


def result(output: Any) -> StepResult:
    return StepResult("a", "a", "set", Status.COMPLETED, output, cost=Cost(1, 2, 1, 0.5), seq=3)


async def test_a_cached_result_is_kept_until_it_is_replaced(store: Store) -> None:
    assert await store.cached("k") is None
    await store.cache("k", result(1), ttl=None)
    await store.cache("other", result(2), ttl=3600)
    assert await store.cached("k") == result(1)
    await store.cache("k", result([3]), ttl=3600)
    assert await store.cached("k") == result([3])
    assert await store.cached("other") == result(2)


async def test_a_cached_result_expires_after_its_seconds(store: Store) -> None:
    await store.cache("gone", result(1), ttl=0)
    assert await store.cached("gone") is None
    await store.cache("brief", result(1), ttl=0.05)
    await store.cache("long", result(1), ttl=60)
    async with asyncio.timeout(5):
        while await store.cached("brief"):  # noqa: ASYNC110 - only time passes
            await asyncio.sleep(0.01)
    assert await store.cached("long") is not None


async def test_cached_results_are_there_when_the_store_is_opened_again(lasting_url: str) -> None:
    first = await connect(lasting_url)
    await first.cache("k", result(1), ttl=None)
    await first.close()
    again = await connect(lasting_url)
    try:
        assert await again.cached("k") == result(1)
    finally:
        await again.close()
