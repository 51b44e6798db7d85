"""`assay memory list forget prune`: what agents remember."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ...store.sweeping import said
from ...store.sweeping import unused as find_unused
from .exits import OK
from .lookup import open_store
from .opened import here_only, open_records, open_site
from .output import Output
from .text import columns, one_line, plural

if TYPE_CHECKING:
    from ...graphs.memory import MemoryInfo


async def show(workflow: str | None, *, json: bool) -> int:
    """All of it, page by page."""
    out = Output()
    async with open_records() as site, aclosing(site.memories(workflow)) as memories:
        found = [each async for each in memories]
    _print(out, found, json=json)
    return OK


async def forget(workflow: str, key: str, *, json: bool) -> int:
    """What is not there is forgotten already."""
    async with open_site() as site:
        count = await site.forget_memory(workflow, key)
    out = Output()
    if json:
        out.json({"deleted": count})
    else:
        out.line(f"forgot {plural(count, 'turn')}, facts included")
    return OK


async def prune(days: float, *, check: bool, json: bool) -> int:
    """On this machine's own store; verdicts go by their age. Raises `StoreError`."""
    here_only("memory prune")
    before = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%S.%fZ}"
    async with open_store() as store:
        found = [each async for each in find_unused(store, before)]
        if check:
            verdicts = sum([v.at < before async for v in said(store)])
        else:
            found = [
                each for each in found if await store.forget(each.workflow, each.key, before=before)
            ]
            verdicts = await store.forget_verdicts(before)
    out = Output()
    if json:
        out.json({"memories": [asdict(each) for each in found], "verdicts": verdicts})
        return OK
    _print(out, found, json=False)
    did = "would be forgotten" if check else "forgotten"
    out.line(f"{plural(len(found), 'key')} and {plural(verdicts, 'verdict')} {did}")
    return OK


def _print(out: Output, found: Sequence[MemoryInfo], *, json: bool) -> None:
    if json:
        out.json([asdict(each) for each in found])
    else:
        out.lines(columns([(each.workflow, one_line(each.key), each.at) for each in found]))
