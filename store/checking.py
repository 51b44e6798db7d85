"""Is everything in a store as it should be? Each finding says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..graphs.errors import ExecutionNotFound, StoreError, WorkflowNotFound
from ..graphs.event import EventType
from ..graphs.execution import Status
from ..graphs.fold import Folder, events
from ..graphs.listing import every
from .archive.packing import entries_of
from .upkeep import Finding

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from ..graphs.ports import Blobs
    from .upkeep import KeptStore

_ENDS = {
    EventType.EXECUTION_COMPLETED: Status.COMPLETED,
    EventType.EXECUTION_FAILED: Status.FAILED,
    EventType.EXECUTION_CANCELLED: Status.CANCELLED,
}
_RESTORE = "restore it from a backup, or begin it anew: assay retry {}"
_UNREADABLE = "until then its workflow can only be started from the beginning"
_PUT_BACK = (
    "put the file back among the blobs, or begin again at that step, or before it: "
    "assay fork {} --from PATH"
)


async def check(store: KeptStore, blobs: Blobs, *, deep: bool) -> AsyncIterator[Finding]:
    """All that is wrong. The journals of executions that have ended, and files, if `deep`."""
    async for finding in store.faults():
        yield finding
    async for execution in every(store.executions):
        if deep or not execution.status.terminal:
            async for finding in _journal(store, blobs, execution):
                yield finding
        async for finding in _beside(store, execution):
            yield finding
    async for finding in _slots(store):
        yield finding
    if deep:
        async for finding in _files(store, blobs):
            yield finding


async def _journal(store: KeptStore, blobs: Blobs, execution: Execution) -> AsyncIterator[Finding]:
    """Gaps, damage, lost values, and a row that says something else than the journal."""
    id, of = execution.id, f"execution {execution.id}"
    lost: list[str] = []
    folder = Folder(id, blobs, lambda _, why: lost.append(why))
    said: Status | None = None
    try:
        async for entry in entries_of(store, id):
            await folder.fold([entry])
            for event in events(entry, id):
                said = _ENDS.get(event.type, said)
    except StoreError as error:
        yield Finding(of, error.message, _UNREADABLE)  # it says what to do
        return
    for why in lost:
        yield Finding(of, why, _PUT_BACK.format(id))
    now = await store.execution(id)  # which may have gone on meanwhile
    if now.moved is not None or now.status is not execution.status:
        return
    if said is not None and now.status is not said and await store.holder(id) is None:
        yield Finding(
            of, f"its row says {now.status}, and its journal that it is {said}", _RESTORE.format(id)
        )
    if said is None and now.status.terminal:
        yield Finding(
            of, f"its row says {now.status}, and its journal does not end", _RESTORE.format(id)
        )


async def _beside(store: KeptStore, execution: Execution) -> AsyncIterator[Finding]:
    id, of = execution.id, f"execution {execution.id}"
    if not execution.status.terminal:
        for digest in sorted({execution.digest, *execution.pins.values()}):
            try:
                await store.workflow_by_digest(digest)
            except WorkflowNotFound:
                yield Finding(
                    of,
                    f"the definition {digest[:12]} that it is pinned to is lost",
                    "register that content again (assay register FILE), or stop it",
                )
        return
    async for question in every(store.questions, execution_id=id):
        yield Finding(
            f"question {question.id}",
            f"it is open, and its execution {id} is {execution.status}",
            f"nobody waits for an answer; delete the execution: assay delete {id}",
        )


async def _slots(store: KeptStore) -> AsyncIterator[Finding]:
    for slot in await store.slots():
        try:
            status = (await store.execution(slot.execution_id)).status
        except ExecutionNotFound:
            status = None
        if status is None or status.terminal:
            what = "does not exist" if status is None else f"is {status}"
            yield Finding(
                f"slot {slot.key!r}",
                f"it is {'held' if slot.held else 'waited for'} by execution "
                f"{slot.execution_id}, which {what}",
                "delete that execution, or use another key until it is restored",
            )


async def _files(store: KeptStore, blobs: Blobs) -> AsyncIterator[Finding]:
    looked: set[str] = set()
    async for file in every(store.artifacts):
        if file.sha256 in looked:
            continue
        looked.add(file.sha256)
        try:
            await blobs.get(file.sha256)
        except StoreError as error:
            yield Finding(
                f"file {file.file} of execution {file.execution_id}",
                error.message,
                "put it back among the blobs from a backup",
            )
