"""An execution gathered from a store, as it would go on elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from ...graphs.errors import NotPossible, WorkflowNotFound
from ...graphs.execution import Execution
from ...graphs.listing import every
from ...graphs.question import QuestionStatus
from ..mentions import mentioned
from ..upkeep import Arrival

if TYPE_CHECKING:
    from ...graphs.ports import Blobs
    from ...graphs.stored import Entry
    from ..upkeep import KeptStore

T = TypeVar("T")

_LOOK = 0.2
"""Seconds between two looks at an execution that somebody drives."""


async def gather(store: KeptStore, execution: Execution) -> Arrival:
    """All of the execution, which nobody may drive meanwhile; one at a time fits into memory.

    One that was moved away from here, or is about to be, is gathered as it was before.
    """
    id = execution.id
    entries = [entry async for entry in entries_of(store, id)]
    asked = every(store.questions, execution_id=id, status=None)
    kept = every(store.artifacts, execution_id=id)
    questions = [question async for question in asked]
    artifacts = [artifact async for artifact in kept][::-1]
    if execution.moved is not None:
        left = execution.moved
        execution = Execution.from_row(execution.given(), left["row"])
        open = frozenset(left["asked"])
        questions = [
            replace(q, status=QuestionStatus.OPEN)
            if q.id in open and q.status is QuestionStatus.WITHDRAWN
            else q
            for q in questions
        ]
    return Arrival(execution, entries, questions, artifacts, await store.mail(id))


async def undriven(store: KeptStore, execution: Execution, wait: float) -> Execution:
    """The execution once nobody drives it, `wait` seconds from now at most.

    Raises `NotPossible`.
    """
    until = time.monotonic() + wait
    while not execution.status.terminal and (worker := await store.holder(execution.id)):
        if time.monotonic() >= until:
            raise NotPossible(
                f"Execution {execution.id} is {execution.status}, and worker {worker} drives it; "
                f"pause it (assay pause {execution.id}) or wait until it waits or has ended "
                "(--wait SECONDS)."
            )
        await asyncio.sleep(_LOOK)
        execution = await store.execution(execution.id)
    return await store.execution(execution.id)


async def definitions(store: KeptStore, execution: Execution) -> dict[str, Any]:
    """The documents that it is pinned to, by digest; one that was never kept is left out."""
    found = {}
    for digest in sorted({execution.digest, *execution.pins.values()}):
        try:
            found[digest] = dict(await store.workflow_by_digest(digest))
        except WorkflowNotFound:
            continue
    return found


def named_in(arrival: Arrival) -> set[str]:
    """The blobs that the execution may need."""
    execution = arrival.execution
    texts = [
        orjson.dumps([execution.given(), execution.row()], default=dict),
        *(entry.data for entry in arrival.entries),
        *(orjson.dumps(question.to_dict(), default=dict) for question in arrival.questions),
        *(orjson.dumps(dict(message.data), default=dict) for message in arrival.messages),
    ]
    found = {sha256 for text in texts for sha256 in mentioned(text)}
    return found | {artifact.sha256 for artifact in arrival.artifacts}


async def with_blobs(
    blobs: Blobs, wanted: set[str], seen: set[str]
) -> AsyncIterator[tuple[str, bytes]]:
    """Those of the blobs that are there and not `seen`, and any that stand in their text."""
    left = sorted(wanted - seen)
    while left:
        sha256 = left.pop()
        seen.add(sha256)
        if not await blobs.has(sha256):
            continue
        data = await blobs.get(sha256)
        yield sha256, data
        left += sorted(set(mentioned(data)) - seen)


async def entries_of(store: KeptStore, execution_id: str) -> AsyncIterator[Entry]:
    after = 0
    while True:
        page = await store.entries(execution_id, after=after)
        for entry in page.items:
            yield entry
        if page.cursor is None:
            return
        after = int(page.cursor)
