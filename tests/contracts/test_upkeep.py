"""A store that is looked after: archives, moves, checks and sweeps, the same on every store."""

from __future__ import annotations

import io
import os
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stored import begun, ended, entry, execution, journal, parked, question, queued

from assay.graphs.errors import (
    ConcurrencyLimit,
    ExecutionNotFound,
    InvalidInput,
    NotPossible,
)
from assay.graphs.execution import Status
from assay.graphs.lease import Command, Message, SlotRequest
from assay.graphs.ports import Store
from assay.graphs.question import Answer
from assay.graphs.stored import ArtifactInfo, Commit, Entry
from assay.store.archive import moving, taking
from assay.store.archive.moving import move
from assay.store.archive.reading import read
from assay.store.archive.writing import write
from assay.store.blobs import FolderBlobs
from assay.store.checking import check
from assay.store.connect import connect
from assay.store.firestore.blobs import FirestoreBlobs
from assay.store.sweeping import unreferred
from assay.store.upkeep import Arrival, KeptStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

Kept = Any


@pytest.fixture
async def elsewhere() -> AsyncIterator[KeptStore]:
    async with AsyncExitStack() as stack:
        opened = await connect("sqlite://:memory:")
        stack.push_async_callback(opened.close)
        yield cast("KeptStore", opened)


@pytest.fixture
def blobs(store: Store, tmp_path: Path) -> Kept:
    return store.blobs(tmp_path / "blobs")


@pytest.fixture
def others(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "others")


async def archived(store: Kept, blobs: Kept, *ids: str) -> bytes:
    stream = io.BytesIO()
    await write(store, blobs, stream, ids)
    return stream.getvalue()


async def whole(store: Any, id: str) -> dict[str, Any]:
    """All that is known of an execution."""
    return {
        "execution": await store.execution(id),
        "entries": await journal(store, id),
        "questions": [
            replace(q, revision=0)
            for q in (await store.questions(execution_id=id, status=None)).items
        ],
        "artifacts": (await store.artifacts(execution_id=id)).items,
        "mail": [(m.command, m.data) for m in await store.mail(id)],
    }


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Arrival, list[bytes]]:
    id = draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
    statuses = [*(s for s in Status if s not in (Status.SKIPPED, Status.COMPENSATED))]
    of = execution(
        id,
        status=draw(st.sampled_from(statuses)),
        inputs=draw(st.dictionaries(texts, values, max_size=3)),
        outputs=draw(st.dictionaries(texts, values, max_size=3)),
        notices=tuple(draw(st.lists(texts, max_size=2))),
    )
    large = draw(st.lists(st.binary(min_size=1, max_size=2_000_000), max_size=2))
    data = draw(st.lists(st.binary(max_size=200), max_size=5))
    entries = [entry(n, data=each or b"-") for n, each in enumerate(data, 1)]
    asked = [question(id, path) for path in sorted(draw(st.sets(texts, max_size=3)))]
    mail = [Message(id, Command.ANSWER, {"question": q.id}) for q in asked]
    if of.status.terminal:
        mail = []
    return Arrival(of, entries, asked, [], mail), large


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrivals())
async def test_whatever_goes_into_an_archive_comes_out_of_it(
    store: Kept, blobs: Kept, others: FolderBlobs, came: tuple[Arrival, list[bytes]]
) -> None:
    arrival, large = came
    id = arrival.execution.id
    kept = [await blobs.put(data) for data in large]
    files = [ArtifactInfo(id, "a", f"n{n}", "f", s, 1, "at") for n, s in enumerate(kept)]
    try:
        await store.execution(id)
    except ExecutionNotFound:
        pass
    else:
        return
    await store.arrive(replace(arrival, artifacts=files))
    async with AsyncExitStack() as stack:
        target = await connect("sqlite://:memory:")
        stack.push_async_callback(target.close)
        data = await archived(store, blobs, id)
        for again in (False, True):
            taken = await read(cast("KeptStore", target), others, io.BytesIO(data), "x")
            assert (taken.executions, taken.there) == (([], [id]) if again else ([id], []))
        assert await whole(target, id) == await whole(store, id)
        for sha256, text in zip(kept, large, strict=True):
            assert await others.get(sha256) == text


async def test_an_archive_that_is_spoiled_anywhere_brings_nothing_or_says_where(
    store: Kept, blobs: Kept, others: FolderBlobs, elsewhere: KeptStore
) -> None:
    await parked(store, "e", question("e"), entries=[entry(1), entry(2)])
    lines = (await archived(store, blobs, "e")).splitlines(keepends=True)
    for number in range(len(lines)):
        for spoiled in (
            lines[:number],
            [*lines[:number], lines[number][: len(lines[number]) // 2]],
            [*lines[:number], b'{"assay":"entry","first":7}\n', *lines[number:]],
            [*lines[:number], *lines[number + 1 :]],
        ):
            with pytest.raises(InvalidInput, match=r"^x, line [0-9]+: "):
                await read(elsewhere, others, io.BytesIO(b"".join(spoiled)), "x")
            there = (await elsewhere.executions()).items
            if there:
                assert len(await journal(elsewhere, "e")) == 2
                assert len((await elsewhere.questions()).items) == 1
                await _delete(elsewhere, "e")


async def _delete(store: Kept, id: str) -> None:
    lease = await store.claim(id, store.worker)
    await ended(store, lease, await store.execution(id), Status.COMPLETED)
    await store.delete_execution(id)


async def test_what_somebody_drives_is_not_exported(store: Kept, blobs: Kept) -> None:
    of, lease = await begun(store, "e")
    with pytest.raises(NotPossible, match=r"e is running, and worker .*--wait"):
        await archived(store, blobs, "e")
    await store.commit(Commit(lease, execution=replace(of, status=Status.PAUSED), release=True))
    assert await archived(store, blobs, "e")


async def test_an_answer_at_the_moment_of_a_move_goes_with_it(
    store: Kept, blobs: Kept, others: FolderBlobs, elsewhere: KeptStore, monkeypatch: Any
) -> None:
    asked, other = question("e", "a"), question("e", "b")
    await parked(store, "e", asked, other, entries=[entry(1)])
    keep = moving._carry
    carried = 0

    async def carry(*arguments: Any) -> None:
        nonlocal carried
        carried += 1
        if carried == 1:
            answered = asked.answered(Answer("yes"))
            assert await store.answer(replace(answered, revision=1))
        else:
            late = other.answered(Answer("no"))
            assert not await store.answer(replace(late, revision=1))
        await keep(*arguments)

    monkeypatch.setattr(moving, "_carry", carry)
    moved = await move((store, blobs), (elsewhere, others), "e", "there")
    assert moved.status is Status.WAITING
    asked_there = {q.id: q.status for q in (await elsewhere.questions(status=None)).items}
    assert asked_there == {asked.id: "answered", other.id: "open"}
    assert [m.command for m in await elsewhere.mail("e")] == [Command.ANSWER]
    assert await elsewhere.ready(elsewhere.worker, now=0) == ["e"]
    assert await store.ready(store.worker, now=0) == []
    assert await store.claim("e", store.worker) is None


@pytest.mark.parametrize("step", ["claim", "commit", "entries", "arrive", "after"])
async def test_a_move_that_is_cut_off_anywhere_leaves_one_side_and_is_done_by_doing_it_again(
    store: Kept, blobs: Kept, others: FolderBlobs, elsewhere: Kept, monkeypatch: Any, step: str
) -> None:
    await parked(store, "e", question("e"), entries=[entry(1)])
    before = await whole(store, "e")

    class Cut(Exception): ...

    async def cut(*_: Any, **__: Any) -> Any:
        raise Cut

    with monkeypatch.context() as broken:
        if step == "arrive":
            broken.setattr(type(elsewhere), "arrive", cut)
        elif step == "after":
            broken.setattr(moving, "take", _then(taking.take, Cut))
        elif step == "commit":
            broken.setattr(type(store), "commit", _then(type(store).commit, Cut))
        elif step == "entries":
            broken.setattr(moving, "gather", cut)
        else:
            broken.setattr(moving, "_leave", cut)
        with pytest.raises(Cut):
            await move((store, blobs), (elsewhere, others), "e", "there")

    here = not (await store.execution("e")).status.terminal
    try:
        there = not (await elsewhere.execution("e")).status.terminal
    except ExecutionNotFound:
        there = False
    assert not (here and there)
    assert here is (step in ("claim", "entries"))

    await move((store, blobs), (elsewhere, others), "e", "there")
    assert await whole(elsewhere, "e") == before
    assert (await store.execution("e")).moved["to"] == "there"
    assert (await store.questions()).items == []
    with pytest.raises(NotPossible, match="was moved to there"):
        await move((store, blobs), (elsewhere, others), "e", "elsewhere")
    # And back, over what it left.
    await move((elsewhere, others), (store, blobs), "e", "here")
    assert await whole(store, "e") == before


def _then(function: Any, error: type[Exception]) -> Any:
    async def call(*arguments: Any) -> Any:
        await function(*arguments)
        raise error

    return call


async def test_what_arrives_stops_nobody_who_holds_its_slot(
    store: Kept, blobs: Kept, others: FolderBlobs, elsewhere: Kept
) -> None:
    latest = SlotRequest("k", 1, "replace")
    await parked(store, "e", question("e"), slot=latest)
    await elsewhere.create(queued("holder", latest), [], elsewhere.worker)
    with pytest.raises(ConcurrencyLimit, match="'k'"):
        await move((store, blobs), (elsewhere, others), "e", "there")
    assert (await store.execution("e")).status is Status.WAITING
    assert [slot.execution_id for slot in await store.slots("k")] == ["e"]
    with pytest.raises(ConcurrencyLimit, match="'k'"):
        await elsewhere.arrive(Arrival(execution("x", status=Status.WAITING, slot=latest), []))
    with pytest.raises(ExecutionNotFound):
        await elsewhere.execution("x")
    await elsewhere.arrive(Arrival(queued("q", latest), []))
    assert [(s.execution_id, s.held) for s in await elsewhere.slots("k")] == [
        ("holder", True),
        ("q", False),
    ]


async def test_what_needs_many_commits_arrives_whole(store: Kept) -> None:
    asked = [question("e", f"p{n}") for n in range(350)]
    files = [ArtifactInfo("e", "a", f"n{n}", "f", "0" * 64, n, "at") for n in range(120)]
    entries = [Entry(n, n, os.urandom(9_000)) for n in range(1, 450)]
    of = execution("e", status=Status.WAITING)
    await store.arrive(Arrival(of, entries, asked, files))
    assert await journal(store, "e") == entries
    assert len((await store.questions(execution_id="e", limit=1000)).items) == 350
    assert (await store.artifacts(execution_id="e", limit=1000)).items == files[::-1]
    assert await store.claim("e", store.worker)


async def wrongs(store: Kept, blobs: Kept) -> list[str]:
    return [str(finding) async for finding in check(store, blobs, deep=True)]


async def test_a_check_names_what_is_wrong_and_what_to_do(store: Kept, blobs: Kept) -> None:
    good = Entry(1, 1, b'[2,0,["e",1,0,"ExecutionQueued","",{}]]')
    end = Entry(2, 2, b'[2,0,["e",2,0,"ExecutionCompleted","",{}]]')
    of, lease = await begun(store, "fine", entries=[good], digest="d")
    await store.commit(Commit(lease, end, replace(of, status=Status.COMPLETED), release=True))
    assert await wrongs(store, blobs) == []
    assert await wrongs(store, blobs) == []

    await store.arrive(Arrival(execution("gap", status=Status.FAILED), [good, entry(5)]))
    lost = Entry(1, 1, b'[2,0,["r",1,0,"a","shell","c",0,{"*o":["%s",9]}]]' % (b"a" * 64))
    await store.arrive(Arrival(execution("value", status=Status.PAUSED), [lost]))
    row = replace(execution("row"), status=Status.FAILED)
    await store.arrive(Arrival(row, [good, end], [question("row")]))
    await store.arrive(Arrival(execution("pin", status=Status.WAITING, digest="lost"), [good]))
    file = ArtifactInfo("row", "a", "n", "gone.txt", "a" * 64, 1, "at")
    await store.arrive(Arrival(execution("files", status=Status.PAUSED), [good], [], [file]))
    found = "\n".join(await wrongs(store, blobs))
    for part in (
        "execution gap: the journal of execution gap lacks what lies between 1 and 5; restore a "
        "backup; until then its workflow can only be started from the beginning",
        "; put the file back among the blobs, or begin again at that step, or before it: "
        "assay fork value --from PATH",
        "execution row: its row says failed, and its journal that it is completed",
        "it is open, and its execution row is failed",
        "execution pin: the definition lost that it is pinned to is lost",
        "gone.txt",
    ):
        assert part in found, found


async def test_a_sweep_removes_what_nobody_refers_to_and_nothing_else(
    store: Kept, blobs: Kept, monkeypatch: Any
) -> None:
    monkeypatch.setattr(FirestoreBlobs, "fresh", 0.0)
    file, inner, gone, young = [await blobs.put(f"{n}".encode() * 1000) for n in range(4)]
    value = await blobs.put(b'[{"sha256":"%s"}]' % inner.encode())
    record = b'[2,0,["r",1,0,"a","shell","c",0,{"*o":["%s",9]}]]' % value.encode()
    files = [ArtifactInfo("e", "a", "n", "f", file, 1, "at")]
    await store.arrive(
        Arrival(execution("e", status=Status.PAUSED), [Entry(1, 1, record)], [], files)
    )
    before = time.time() + 60
    assert await unreferred(store, blobs, before - 3600) == set()
    assert await unreferred(store, blobs, before) == {gone, young}

    assert await blobs.remove(gone, before)
    assert not await blobs.has(gone)
    assert not await blobs.remove(gone, before)
    for sha256 in (file, inner, value, young):
        assert await blobs.get(sha256)
    assert await blobs.put(b"2" * 1000) == gone
    assert await blobs.get(gone) == b"2" * 1000


async def test_what_is_put_again_is_not_removed(store: Kept, blobs: Kept, monkeypatch: Any) -> None:
    monkeypatch.setattr(FirestoreBlobs, "fresh", 0.0)
    sha256 = await blobs.put(b"data")
    place = blobs.path(sha256)
    if place is not None:
        os.utime(place, (1, 1))
        before = time.time() - 60
    else:
        before = await _until_older(blobs, sha256)
    assert [each async for each in blobs.older(before)] == [sha256]
    await blobs.put(b"data")
    assert [each async for each in blobs.older(before)] == []
    assert not await blobs.remove(sha256, before)
    assert await blobs.get(sha256) == b"data"


async def _until_older(blobs: Kept, sha256: str) -> float:
    """A time after which it has not been put."""
    while True:
        before = time.time()
        if [each async for each in blobs.older(before)] == [sha256]:
            return before
