"""Executions, and what is beside them, into an archive."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

from ...graphs.execution import timestamp
from ...graphs.listing import every
from ..export import entry_to_dict, memories, triggering, verdicts
from .lines import Writer
from .packing import definitions, gather, named_in, undriven, with_blobs

if TYPE_CHECKING:
    from collections import Counter

    from ...graphs.execution import Execution
    from ...graphs.ports import Blobs
    from ..upkeep import KeptStore

_CHUNK = 512 * 1024
"""Bytes of a blob on one line."""


async def write(
    store: KeptStore,
    blobs: Blobs,
    stream: BinaryIO,
    ids: Sequence[str] = (),
    *,
    wait: float = 0,
) -> Counter[str]:
    """Write these executions, or all that is in the store; how many lines of each kind.

    Never more than one execution, or one blob, is in memory. Raises `ExecutionNotFound`, and
    `NotPossible` for one that somebody drives for more than `wait` seconds from now.
    """
    wanted = [await store.execution(id) for id in ids]
    count = len(wanted) if ids else await _count(store)
    for execution in wanted:
        await undriven(store, execution, wait)  # before anything is written
    archive = Writer(stream)
    archive.header(made_at=timestamp(), source=store.name, executions=count, whole=not ids)
    known: set[str] = set()
    seen: set[str] = set()
    async for execution in _executions(store, wanted if ids else None):
        await _write_execution(store, blobs, archive, execution, wait, known, seen)
    if not ids:
        await _write_shelves(store, archive)
    archive.trailer()
    return archive.counts


async def _write_execution(
    store: KeptStore,
    blobs: Blobs,
    archive: Writer,
    execution: Execution,
    wait: float,
    known: set[str],
    seen: set[str],
) -> None:
    execution = await undriven(store, execution, wait)
    arrival = await gather(store, execution)
    for digest, document in (await definitions(store, execution)).items():
        if digest not in known:
            known.add(digest)
            archive.line("definition", digest=digest, document=document)
    async for sha256, data in with_blobs(blobs, named_in(arrival), seen):
        archive.line("blob", sha256=sha256, size=len(data))
        for at in range(0, len(data), _CHUNK):
            archive.line("chunk", data=base64.b64encode(data[at : at + _CHUNK]).decode())
    # One that was moved away stays moved away: only a move takes it with it.
    row = execution if execution.moved is not None else arrival.execution
    archive.begin()
    archive.line("execution", row={**row.given(), **row.row()})
    for entry in arrival.entries:
        archive.line("entry", **entry_to_dict(entry))
    for question in arrival.questions:
        archive.line("question", question=question.to_dict())
    for artifact in arrival.artifacts:
        archive.line("artifact", artifact=asdict(artifact))
    for message in arrival.messages:
        archive.line("message", command=message.command.value, data=dict(message.data))
    archive.end(execution.id)


async def _write_shelves(store: KeptStore, archive: Writer) -> None:
    infos = [info async for info in every(store.workflows)]
    for info in sorted(infos, key=lambda info: info.registered_at):
        document = dict(await store.workflow(info.name, info.version))
        archive.line("workflow", document=document, description=info.description)
    async for verdict in verdicts(store):
        archive.line("verdict", verdict=asdict(verdict))
    async for memory in memories(store):
        archive.line("memory", **memory)
    async for kind, row in triggering(store):
        archive.line(kind, **{kind: row})
    async for principal in every(store.principals):
        archive.line("principal", principal=asdict(principal))
    async for entry in every(store.audit):
        archive.line("audit", entry=asdict(entry))


async def _executions(
    store: KeptStore, wanted: Sequence[Execution] | None
) -> AsyncIterator[Execution]:
    if wanted is None:
        async for execution in every(store.executions):
            yield execution
    else:
        for execution in wanted:
            yield execution


async def _count(store: KeptStore) -> int:
    return sum([1 async for _ in every(store.executions)])
