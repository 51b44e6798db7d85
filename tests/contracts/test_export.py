"""Executions and everything else out of one store and into another, over the port alone."""

from __future__ import annotations

import hashlib
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.stored import begun, ended, entry, execution, journal, parked, question, queued

from assay.graphs.errors import (
    ExecutionNotFound,
    InvalidInput,
    NotPossible,
    StoreError,
    WorkflowConflict,
    WorkflowNotFound,
)
from assay.graphs.execution import Status
from assay.graphs.firing import Firing, FiringStatus, Lane, Trigger
from assay.graphs.lease import SlotRequest
from assay.graphs.memory import Fact, Turn
from assay.graphs.question import Answer
from assay.graphs.stored import (
    ArtifactInfo,
    AuditEntry,
    Commit,
    Entry,
    Principal,
)
from assay.graphs.verdicts import Case, Source, Verdict
from assay.store.connect import connect
from assay.store.export import export, export_all, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class _Workflow:
    """Stands for a `Workflow`: a store looks at these attributes only."""

    name: str = "build"
    version: str = "1"
    document: dict[str, Any] = field(default_factory=dict)
    description: str | None = "What it is for"

    @property
    def digest(self) -> str:
        canonical = orjson.dumps(self.document, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()


def workflow(name: str = "build", version: str = "1", **document: Any) -> Any:
    return _Workflow(name, version, {"name": name, "version": version, **document})


@pytest.fixture
async def elsewhere() -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        opened = await connect("sqlite://:memory:")
        stack.push_async_callback(opened.close)
        yield opened


def sent(document: dict[str, Any]) -> Any:
    """The document as it arrives elsewhere: as text and back."""
    return json.loads(json.dumps(document))


async def test_an_execution_arrives_as_it_was(store: Store, elsewhere: Store) -> None:
    main, child = workflow(), workflow("child", steps=[{"id": "é"}])
    for each in (main, child):
        await store.keep(each)
    of, lease = await begun(
        store,
        "0190-e",
        digest=main.digest,
        pins={f"{main.digest}/child@1": child.digest},
        inputs={"n": [1, None, "𝄞"]},
        created_at="2026-01-01T00:00:00Z",
    )
    entries = [Entry(1, 2, b'[1,0,["r",1.5,"\xc3\xa9"]]'), Entry(3, 3, b"\xff not JSON"), entry(4)]
    for each in entries:
        await store.commit(Commit(lease, each))
    asked, closed = question(of.id, "a", due=5.0), question(of.id, "b")
    files = [ArtifactInfo(of.id, "a", f"n{n}", "f", "0" * 64, n, "at") for n in range(3)]
    await store.commit(Commit(lease, questions=[asked, closed], artifacts=files))
    await store.answer(replace(closed.answered(Answer(1, "ann")), revision=1))
    waiting = replace(of, status=Status.WAITING, outputs={"x": 1})
    await store.commit(Commit(lease, execution=waiting))

    assert await load(elsewhere, sent(await export(store, "0190"))) == of.id

    assert await elsewhere.execution(of.id) == waiting
    assert await journal(elsewhere, of.id) == entries
    ours, theirs = [(await each.questions(status=None)).items for each in (store, elsewhere)]
    assert [q.to_dict() for q in theirs] == [q.to_dict() for q in ours]
    assert (await elsewhere.artifacts()).items == (await store.artifacts()).items
    for each in (main, child):
        assert await elsewhere.workflow_by_digest(each.digest) == each.document
    assert (await elsewhere.workflows()).items == []
    # Nobody drives it there, and somebody may.
    assert await elsewhere.holder(of.id) is None
    assert await elsewhere.ready(elsewhere.worker, now=5.0) == [of.id]
    assert await elsewhere.claim(of.id, elsewhere.worker)


async def test_records_are_in_plain_sight(store: Store) -> None:
    data = b'[1,0,["r",1,"a"]]'
    await begun(store, "e", entries=[Entry(1, 1, data), Entry(2, 2, b"[1, 2]")])
    plain, spaced = (await export(store, "e"))["entries"]
    assert plain == {"first": 1, "last": 1, "records": [1, 0, ["r", 1, "a"]]}
    assert set(spaced) == {"first", "last", "base64"}  # it would come back as other bytes


async def test_what_has_ended_arrives_ended(store: Store, elsewhere: Store) -> None:
    only = SlotRequest("k", 1, "reject")
    of, lease = await begun(store, "e", slot=only)
    await ended(store, lease, of, Status.COMPLETED)
    await elsewhere.create(queued("holder", only), [], elsewhere.worker)
    await load(elsewhere, sent(await export(store, "e")))
    assert (await elsewhere.execution("e")).status is Status.COMPLETED
    assert len(await elsewhere.slots("k")) == 1


async def test_an_id_that_is_there_is_refused(store: Store, elsewhere: Store) -> None:
    await parked(store, "e", question("e"), entries=[entry(1)])
    document = sent(await export(store, "e"))
    await load(elsewhere, document)
    await elsewhere.answer(replace(question("e").answered(Answer("yes")), revision=1))
    with pytest.raises(StoreError, match="e exists already"):
        await load(elsewhere, document)
    assert (await elsewhere.questions()).items == []
    with pytest.raises(StoreError, match="e exists already"):
        await load(store, document)


async def test_an_open_execution_brings_its_slot_and_displaces_nobody(
    store: Store, elsewhere: Store
) -> None:
    latest = SlotRequest("k", 1, "replace")
    await parked(store, "e", question("e"), slot=latest)
    document = sent(await export(store, "e"))
    holder = await elsewhere.create(queued("holder", latest), [], elsewhere.worker)
    assert holder is not None
    with pytest.raises(NotPossible, match="'k'"):
        await load(elsewhere, document)
    with pytest.raises(ExecutionNotFound):
        await elsewhere.execution("e")
    assert await elsewhere.inbox(elsewhere.worker) == []
    await ended(elsewhere, holder, queued("holder", latest), Status.COMPLETED)
    await load(elsewhere, document)
    assert [slot.execution_id for slot in await elsewhere.slots("k")] == ["e"]
    assert len((await elsewhere.questions()).items) == 1


async def test_everything_arrives(store: Store, elsewhere: Store) -> None:
    for version in ("9", "10"):
        await store.register(workflow(version=version))
    for number in range(60):
        await begun(store, f"e{number:02}", entries=[entry(1)])
    await store.put_principal(
        Principal("p", "Ann", "admin", ("a", "b"), "hash", profile="standard")
    )
    off = Trigger("build.cron", "build", "cron", {"é": [1]}, "9", enabled=False, next_at=6.0)
    await store.put_trigger(replace(off, enabled=True))
    await store.put_trigger(replace(off, revision=1))
    lane = Lane("l", "build.cron", "at", {"held": ["e00"]}, lasting=True)
    await store.put_lane(lane)
    fired = [
        Firing(f"f{n}", "build.cron", "build", f"at{n}", f"e0{n}", {"n": n}, status=status, due=n)
        for n, status in enumerate(FiringStatus)
    ]
    for each in fired:
        await store.put_firing(replace(each, attempts=1, merged=("a",), attributes={"a": "b"}))
    for number in range(3):
        await store.record(AuditEntry(f"at{number}", "p", "stop", "e", data={"n": number}))

    documents = [sent(document) async for document in export_all(store)]
    loaded = [await load(elsewhere, document) for document in documents]

    assert {"build@9", "build@10", "e00", "e59", "p", "e", "build.cron", "l", "f0"} <= set(loaded)
    infos = [(i.name, i.version, i.digest) for i in (await store.workflows()).items]
    assert [(i.name, i.version, i.digest) for i in (await elsewhere.workflows()).items] == infos
    assert (await elsewhere.workflow("build"))["version"] == "10"
    assert len((await elsewhere.executions(limit=100)).items) == 60
    assert (await elsewhere.triggers()).items == [off]
    assert (await elsewhere.lanes()).items == [lane]
    assert (await elsewhere.firings()).items == (await store.firings()).items
    assert await elsewhere.due_firings(99.0) == await store.due_firings(99.0) != []
    assert (await elsewhere.principals()).items == (await store.principals()).items
    assert [e.at for e in (await elsewhere.audit()).items] == ["at2", "at1", "at0"]
    for kind in ("trigger", "lane", "firing"):
        with pytest.raises(NotPossible, match="is there already"):
            await load(elsewhere, next(d for d in documents if d["assay"] == kind))


async def test_a_registered_version_is_not_overwritten(store: Store, elsewhere: Store) -> None:
    await store.register(workflow(steps=[]))
    await elsewhere.register(workflow(steps=[1]))
    (document,) = [sent(document) async for document in export_all(store)]
    with pytest.raises(WorkflowConflict):
        await load(elsewhere, document)


async def test_a_definition_that_was_tampered_with_is_refused(
    store: Store, elsewhere: Store
) -> None:
    kept = workflow()
    await store.keep(kept)
    await begun(store, "e", digest=kept.digest)
    document = sent(await export(store, "e"))
    document["workflows"][kept.digest]["steps"] = ["other"]
    with pytest.raises(InvalidInput, match="other content"):
        await load(elsewhere, document)
    with pytest.raises(WorkflowNotFound):
        await elsewhere.workflow_by_digest(kept.digest)
    with pytest.raises(ExecutionNotFound):
        await elsewhere.execution("e")


DAMAGE: list[dict[str, Any]] = [
    {"execution": {}},
    {"execution": None},
    {"execution": {"id": "e", "status": "unknown"}},
    {"execution": {**execution("e").given(), **execution("e").row(), "id": 5}},
    {"entries": [{"first": 1, "last": 1}]},
    {"entries": [{"first": 1, "last": 1, "base64": "é"}]},
    {"entries": [{"first": 1, "last": 1, "base64": "a"}]},
    {"entries": [{"first": "1", "last": 1, "records": []}]},
    {"entries": [{"first": 0, "last": 1, "records": []}]},
    {"entries": 5},
    {"questions": [{"id": "q"}]},
    {"artifacts": [{"name": "n", "odd": 1}]},
    {"workflows": []},
    {"workflows": {"d": {}}},
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
async def test_a_damaged_document_is_refused_as_a_whole(
    elsewhere: Store, damage: dict[str, Any]
) -> None:
    of = execution("e")
    whole = {
        "assay": "execution",
        "format": 1,
        "execution": {**of.given(), **of.row()},
        "entries": [],
        "questions": [],
        "artifacts": [],
        "workflows": {},
    }
    with pytest.raises(InvalidInput, match="execution is damaged"):
        await load(elsewhere, {**whole, **damage})
    assert (await elsewhere.executions()).items == []
    assert await load(elsewhere, whole) == "e"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("trigger", {"id": "t", "workflow": "w"}),
        ("trigger", {"id": 5, "workflow": "w", "type": "cron"}),
        ("trigger", {"id": "t", "workflow": "w", "type": "cron", "odd": 1}),
        ("trigger", []),
        ("lane", {"id": "l", "trigger": "t", "at": None}),
        ("firing", {"id": "f", "trigger": "t", "at": "", "execution_id": "e", "lane": ""}),
    ],
)
async def test_a_damaged_trigger_or_firing_is_refused(
    elsewhere: Store, kind: str, wrong: Any
) -> None:
    with pytest.raises(InvalidInput, match=f"{kind} is damaged"):
        await load(elsewhere, {"assay": kind, "format": 1, kind: wrong})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "no export"),
        ([], "no export"),
        (None, "no export"),
        ({"assay": "execution"}, "no export"),
        ({"assay": ["execution"], "format": 1}, "no export"),
        ({"assay": "nothing", "format": 1}, "no export"),
        ({"assay": "execution", "format": 2}, r"format 2.*up to 1.*upgrade"),
        ({"assay": "execution", "format": "1"}, "no export"),
    ],
)
async def test_what_is_no_export_is_refused(elsewhere: Store, document: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await load(elsewhere, document)


async def test_what_does_not_exist_is_not_exported(store: Store) -> None:
    with pytest.raises(ExecutionNotFound):
        await export(store, "nothing")


async def test_what_was_said_of_answers_and_what_is_remembered_goes_along(
    store: Store, elsewhere: Store
) -> None:
    here, there = store, elsewhere
    said = [
        Verdict(
            *(f"v/{n}", "w", "s", "m", "p", n > 0, Source.VERIFY, "e", "s", "2026-11-21T09:30:00Z"),
            case=Case({"mail": "☃"}, "later") if n else None,
        )
        for n in range(3)
    ]
    turns = [Turn(f"e/{n}", "Hi?", f"Hi {n}.", f"2026-11-21T09:30:0{n}Z") for n in range(3)]
    facts = [Fact(f"f{n}", str(n), f"2026-11-21T09:30:0{n}Z") for n in range(3)]
    for verdict in said:
        await here.judge(verdict)
    for turn, fact in zip(turns, facts, strict=True):
        await here.remember("w", "ann", turn)
        await here.note("w", "ann", fact)
    newer = Fact("f1", "since", "2026-11-22T09:30:00Z")
    await there.note("w", "ann", newer)

    for _ in range(2):
        for document in [document async for document in export_all(here)]:
            await load(there, sent(document))

    assert list((await there.verdicts()).items) == said[::-1]
    assert list(await there.remembered("w", "ann", limit=10)) == turns
    assert sorted(await there.facts("w", "ann"), key=lambda f: f.name) == [
        *(facts[0], newer, facts[2])
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"assay": "verdict", "verdict": {}},
        {"assay": "verdict", "verdict": {"id": "x", "source": "nobody"}},
        {"assay": "memory", "workflow": "w", "key": 7, "turns": [], "facts": []},
        {"assay": "memory", "workflow": "w", "key": "k", "turns": [{}], "facts": []},
        {"assay": "memory", "workflow": "w", "key": "k", "turns": None, "facts": []},
    ],
)
async def test_a_damaged_verdict_or_memory_is_refused(
    elsewhere: Store, content: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        await load(elsewhere, {"format": 1, **content})
