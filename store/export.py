"""Executions and everything else as JSON documents, out of any store and into any other.

A document says in `assay` what it is and in `format` how it is written. Left out is what can
be made again (checkpoints, cached results) and the bytes of files, which lie beside a store.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson

from ..graphs.errors import InvalidInput, NotPossible, WorkflowNotFound
from ..graphs.execution import Execution
from ..graphs.firing import Lane, Trigger
from ..graphs.listing import every
from ..graphs.memory import TURNS, Fact, Turn
from ..graphs.question import Question
from ..graphs.scoring import LOOKED_AT
from ..graphs.stored import ArtifactInfo, AuditEntry, Commit, Entry, Principal
from ..graphs.verdicts import Verdict
from .firing import firing_of

if TYPE_CHECKING:
    from ..graphs.ports import Store
    from ..graphs.workflow import Workflow

FORMAT = 1
"""The format that is written; `load` reads it and every earlier one."""

T = TypeVar("T")


async def export(store: Store, execution_id: str) -> dict[str, Any]:
    """One execution with its journal, its questions and the definitions it is pinned to.

    A unique prefix of the id is enough. Raises `ExecutionNotFound`.
    """
    # The row first: of an execution that goes on, the journal may be ahead of it, not behind.
    execution = await store.execution(execution_id)
    id = execution.id
    entries = [entry async for entry in _entries(store, id)]
    questions = every(store.questions, execution_id=id, status=None)
    artifacts = every(store.artifacts, execution_id=id)
    return _document(
        "execution",
        execution={**execution.given(), **execution.row()},
        entries=[entry_to_dict(entry) for entry in entries],
        questions=[question.to_dict() async for question in questions],
        artifacts=[asdict(artifact) async for artifact in artifacts][::-1],
        workflows=await _definitions(store, {execution.digest, *execution.pins.values()}),
    )


async def export_all(store: Store) -> AsyncIterator[dict[str, Any]]:
    """Everything, as documents in an order in which `load` can take them."""
    infos = [info async for info in every(store.workflows)]
    for info in sorted(infos, key=lambda info: info.registered_at):
        document = await store.workflow(info.name, info.version)
        yield _document("workflow", document=dict(document), description=info.description)
    async for execution in every(store.executions):
        yield await export(store, execution.id)
    async for verdict in verdicts(store):
        yield _document("verdict", verdict=asdict(verdict))
    async for memory in memories(store):
        yield _document("memory", **memory)
    async for kind, row in triggering(store):
        yield _document(kind, **{kind: row})
    async for principal in every(store.principals):
        yield _document("principal", principal=asdict(principal))
    audit = [entry async for entry in every(store.audit)]
    for entry in reversed(audit):
        yield _document("audit", entry=asdict(entry))


async def verdicts(store: Store) -> AsyncIterator[Verdict]:
    """What was said of answers, oldest first: the newest of each step that anybody looks at."""
    newest: list[Verdict] = []
    seen: Counter[tuple[str, str]] = Counter()
    async for verdict in every(store.verdicts):
        seen[verdict.workflow, verdict.step] += 1
        if seen[verdict.workflow, verdict.step] <= LOOKED_AT:
            newest.append(verdict)
    for verdict in reversed(newest):
        yield verdict


async def memories(store: Store) -> AsyncIterator[dict[str, Any]]:
    """What agents remember, whole, key by key."""
    async for info in every(store.memories):
        turns = await store.remembered(info.workflow, info.key, limit=TURNS)
        facts = await store.facts(info.workflow, info.key)
        yield {
            "workflow": info.workflow,
            "key": info.key,
            "turns": [asdict(turn) for turn in turns],
            "facts": [asdict(fact) for fact in reversed(facts)],
        }


async def triggering(store: Store) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What starts executions, by kind; it comes behind all that tells what was started.

    A lane of no trigger is about this store, such as how far its log has been read.
    """
    known = set()
    async for trigger in every(store.triggers):
        known.add(trigger.id)
        yield "trigger", asdict(trigger)
    async for lane in every(store.lanes):
        if lane.trigger in known:
            yield "lane", asdict(lane)
    async for firing in every(store.firings):
        yield "firing", asdict(firing)


async def load(store: Store, document: Any) -> str:
    """Put a document of `export` or `export_all` into a store; the id of what it holds.

    Raises `InvalidInput` when it is no such document, `StoreError` when an execution of that
    id is there already, `WorkflowConflict` when that version of a workflow is another one, and
    `NotPossible` for an open execution whose slot is taken, and for a trigger, a lane or a firing
    of an id that is there.
    """
    written, kind = None, None
    if isinstance(document, Mapping):
        written, kind = document.get("format"), document.get("assay")
    if isinstance(written, int) and written > FORMAT:
        raise InvalidInput(
            f"The document is written in format {written}, and this Assay knows formats up to "
            f"{FORMAT}; upgrade Assay."
        )
    loader = _LOADERS.get(kind) if isinstance(kind, str) else None
    if written != FORMAT or loader is None:
        raise InvalidInput(
            "The document is no export of Assay: it has no `assay` and `format` that are known."
        )
    try:
        loading = loader(store, document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else repr(error)
        raise InvalidInput(f"The exported {kind} is damaged: {why}.") from error
    return await loading


def _load_execution(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    execution = Execution.from_row(document["execution"], {})
    for name in ("id", "workflow", "version", "digest"):
        if not isinstance(getattr(execution, name), str):
            raise TypeError(f"{name} is no text")
    entries = [entry_from_dict(entry) for entry in document["entries"]]
    questions = [Question.from_dict(question) for question in document["questions"]]
    artifacts = [ArtifactInfo(**artifact) for artifact in document["artifacts"]]
    definitions = [checked_definition(*each) for each in document["workflows"].items()]

    async def loading() -> str:
        arriving = await _allowed_in(store, execution)
        for definition in definitions:
            await store.keep(definition)
        lease = await store.create(arriving, entries, store.worker)
        # Without a lease (the slot was taken this moment) it is queued, and asks once more.
        if lease is not None:
            await store.commit(
                Commit(lease, questions=questions, artifacts=artifacts, release=True)
            )
        return execution.id

    return loading()


def _load_workflow(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    definition = _definition(document["document"], document["description"])

    async def loading() -> str:
        await store.register(definition)
        return f"{definition.name}@{definition.version}"

    return loading()


def _load_trigger(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    given = _named(document["trigger"], "id", "workflow", "type")
    trigger = replace(Trigger(**given), revision=0)
    return _new("Trigger", trigger.id, lambda: store.put_trigger(trigger))


def _load_lane(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    lane = replace(Lane(**_named(document["lane"], "id", "trigger", "at")), revision=0)
    return _new("Lane", lane.id, lambda: store.put_lane(lane))


def _load_firing(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    given = _named(document["firing"], "id", "trigger", "at", "execution_id", "lane")
    firing = firing_of(given, revision=0)
    return _new("Firing", firing.id, lambda: store.put_firing(firing))


def _load_principal(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    given = document["principal"]
    principal = Principal(**{**given, "scopes": tuple(given["scopes"])})

    async def loading() -> str:
        await store.put_principal(principal)
        return principal.id

    return loading()


def _load_audit(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    entry = AuditEntry(**document["entry"])

    async def loading() -> str:
        await store.record(entry)
        return entry.target

    return loading()


def _load_verdict(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    verdict = Verdict.from_dict(document["verdict"])

    async def loading() -> str:
        await store.judge(verdict)
        return verdict.id

    return loading()


def _load_memory(store: Store, document: Mapping[str, Any]) -> Awaitable[str]:
    workflow, key = document["workflow"], document["key"]
    turns = [Turn(**turn) for turn in document["turns"]]
    facts = [Fact(**fact) for fact in document["facts"]]
    if not (isinstance(workflow, str) and isinstance(key, str)):
        raise TypeError("workflow and key are texts")

    async def loading() -> str:
        for turn in turns:
            await store.remember(workflow, key, turn)
        known = {fact.name: fact.at for fact in await store.facts(workflow, key)}
        for fact in facts:
            if known.get(fact.name, "") < fact.at:  # what was noted here since stays
                await store.note(workflow, key, fact)
        return f"{workflow}/{key}"

    return loading()


_LOADERS: Mapping[str, Callable[[Store, Mapping[str, Any]], Awaitable[str]]] = {
    "workflow": _load_workflow,
    "execution": _load_execution,
    "verdict": _load_verdict,
    "memory": _load_memory,
    "trigger": _load_trigger,
    "lane": _load_lane,
    "firing": _load_firing,
    "principal": _load_principal,
    "audit": _load_audit,
}


@dataclass(frozen=True, slots=True)
class _Definition:
    """As much of a `Workflow` as a store keeps."""

    name: str
    version: str
    digest: str
    document: Mapping[str, Any]
    description: str | None


def _definition(document: Mapping[str, Any], description: str | None = None) -> Workflow:
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(canonical).hexdigest()
    name, version = document["name"], document.get("version", "1")
    return cast("Workflow", _Definition(name, str(version), digest, document, description))


def checked_definition(digest: str, document: Mapping[str, Any]) -> Workflow:
    """The definition, as a store keeps it. Raises `ValueError` when its digest is another."""
    definition = _definition(document)
    if definition.digest != digest:
        raise ValueError(f"the definition with digest {digest} has other content")
    return definition


async def _definitions(store: Store, digests: set[str]) -> dict[str, Any]:
    found = {}
    for digest in sorted(digests):
        try:
            found[digest] = dict(await store.workflow_by_digest(digest))
        except WorkflowNotFound:
            continue  # it was never kept, so an import cannot do better
    return found


async def _allowed_in(store: Store, execution: Execution) -> Execution:
    """The execution as it may be created: an import stops nobody who holds a slot."""
    slot = execution.slot
    if slot is None or execution.status.terminal:
        return execution
    if len(await store.slots(slot.key)) >= slot.limit:
        raise NotPossible(
            f"Execution {execution.id} is {execution.status} and needs a slot of {slot.key!r}, "
            "which is taken; import it when the others have ended."
        )
    return replace(execution, slot=replace(slot, overflow="queue"))


def _named(given: Mapping[str, Any], *texts: str) -> Mapping[str, Any]:
    """What is given, if these are texts in it; else raises `TypeError` or `KeyError`."""
    for name in texts:
        if not isinstance(given[name], str):
            raise TypeError(f"{name} is no text")
    return given


async def _new(kind: str, id: str, put: Callable[[], Awaitable[bool]]) -> str:
    if not await put():
        raise NotPossible(f"{kind} {id} is there already; delete it first.")
    return id


def _document(kind: str, **content: Any) -> dict[str, Any]:
    return {"assay": kind, "format": FORMAT, **content}


def entry_to_dict(entry: Entry) -> dict[str, Any]:
    """The entry with its records in plain sight, as far as that keeps every byte."""
    place = {"first": entry.first, "last": entry.last}
    try:
        records = orjson.loads(entry.data)
    except orjson.JSONDecodeError:
        records = None
    if records is not None and orjson.dumps(records) == entry.data:
        return {**place, "records": records}
    return {**place, "base64": base64.b64encode(entry.data).decode()}


def entry_from_dict(entry: Mapping[str, Any]) -> Entry:
    """Raises `KeyError` or `ValueError`."""
    first, last = entry["first"], entry["last"]
    if not (isinstance(first, int) and isinstance(last, int) and 0 < first <= last):
        raise ValueError(f"an entry from {first!r} to {last!r}")
    if "records" in entry:
        return Entry(first, last, orjson.dumps(entry["records"]))
    return Entry(first, last, base64.b64decode(entry["base64"], validate=True))


async def _entries(store: Store, execution_id: str) -> AsyncIterator[Entry]:
    after = 0
    while True:
        page = await store.entries(execution_id, after=after)
        for entry in page.items:
            yield entry
        if page.cursor is None:
            return
        after = int(page.cursor)
