"""What is left at the end, and everything in it that breaks a promise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from assay.graphs.event import Event, EventType
from assay.graphs.execution import Execution, Status
from assay.graphs.fold import events as events_of
from assay.graphs.fold import load
from assay.graphs.ports import Store
from assay.graphs.stored import Entry
from assay.store.firestore import leases, names
from assay.store.firestore.checkpoint_documents import thread_name
from assay.store.firestore.database import Database
from assay.store.firestore.journal import entries

from ..durability.existence import Left
from ..durability.ledger import Account
from ..durability.verdict import ENDS, broken, differences
from .commits import Written
from .effects import ledger_of

ONCE = {"pay", "all.b"}
"""The steps that must not happen twice."""

NO_PROMISE = ("shell never ran", "hear: ")
"""What programs do is not in the ledger; and an event that was heard bears the case's name."""


async def left(store: Store, execution: Execution, account: Account, blobs: Path) -> Left:
    """All that an execution has left in the store, and in the world outside."""
    id = execution.id
    history = await load(store, store.blobs(blobs), id, _lost)
    events = [e for entry in (await store.entries(id, limit=10_000)).items for e in _of(entry, id)]
    asked = await store.questions(execution_id=id, status=None, limit=10_000)
    holder = await store.holder(id)
    return Left(execution, history, events, asked.items, holder, "ok", account)


async def judged(
    store: Store,
    database: Database,
    workspace: Path,
    calm: Mapping[tuple[str, int], Left],
    told_to_stop: set[str],
) -> list[str]:
    """What is wrong with each execution, and with all of them together."""
    wrong: list[str] = []
    for row in (await store.executions(limit=10_000)).items:
        execution = await store.execution(row.id)
        of = f"{row.id} ({execution.inputs['case']}, {execution.status})"
        if not execution.status.terminal:
            wrong.append(f"{of} has not ended: {await _standing(database, row.id)}")
            continue
        written = await journal(database, row.id)
        lines = ledger_of(workspace, row.id).lines()
        account = Account.of(in_epochs(written, lines, row.id))
        here = await left(store, execution, account, workspace)
        epochs = max((epoch for _, epoch, _ in written), default=0)
        found = [*broken(here, epochs - 1, ONCE), *of_drivers(written, lines)]
        stopped = row.id in told_to_stop and execution.status is Status.CANCELLED
        if not stopped:
            expected = calm[execution.workflow, execution.inputs["n"]]
            found += differences(here, expected)
        wrong += [f"{of}: {each}" for each in found if not each.startswith(NO_PROMISE)]
    return [*wrong, *await left_behind(store, database)]


Entries = Sequence[tuple[str, int, Entry]]
"""Each entry of a journal with the worker and the epoch that wrote it."""


async def journal(database: Database, id: str) -> Entries:
    page = await entries(database, id, 0, 10_000)
    below = database.all(names.JOURNAL, names.name(id), names.ENTRIES)
    found = await database.find(below.select(["worker", "epoch", "last"]))
    by = {each["last"]: (each["worker"], each["epoch"]) for each in found}  # later ones, too
    return [(*by[each.last], each) for each in page.items]


def in_epochs(written: Entries, lines: Sequence[str], id: str) -> Iterator[str]:
    """The ledger as one of lives: an epoch is one, and finds durable what earlier ones wrote."""
    split = [line.split(" ") for line in lines]
    yield from (line for line in lines if line.startswith("repeat "))
    durable: list[tuple[int, str]] = []
    for _, epoch, entry in written:
        for event in _of(entry, id):
            if event.type in ENDS:
                durable.append((epoch, event.path))
            elif event.type is EventType.STEP_RETRYING:
                durable.append((epoch, f"{event.path}@{event.data['attempt'] - 1}"))
    for epoch in sorted({int(line[4]) for line in split if line[0] != "repeat"}):
        yield "life"
        yield from (f"durable {path}" for at, path in durable if at < epoch)
        for line in split:
            if line[0] in ("begin", "end") and int(line[4]) == epoch:
                yield " ".join(line[:4])


def of_drivers(written: Entries, lines: Sequence[str]) -> Iterator[str]:
    """Each epoch is one worker's, they follow each other, and in none a step begins twice."""
    drivers: dict[int, set[str]] = defaultdict(set)
    last = 0
    for worker, epoch, entry in written:
        if epoch < last:
            yield f"entry {entry.first} was written in epoch {epoch}, after epoch {last} had begun"
        last = max(last, epoch)
        if epoch:
            drivers[epoch].add(worker)
    begun: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        word, *told = line.split(" ")
        if word in ("begin", "end", "cut"):
            drivers[int(told[3])].add(told[4])
            begun[word, *told[:2], told[3]] += 1
    for epoch, workers in drivers.items():
        if len(workers) > 1:
            yield f"epoch {epoch} was driven by {sorted(workers)}"
    yield from (f"{' '.join(what)} {n} times" for what, n in begun.items() if n > 1)


def late_writers(written: Sequence[Written], ids: Sequence[str]) -> Iterator[str]:
    """Commits to an execution by workers from which another had taken it before."""
    for id in ids:
        own = [names.name(id), thread_name(id).id]
        holder, epoch = "", 0
        for commit in written:
            now = commit.epochs.get(own[0])
            if now is None:
                if commit.touches(own) and holder not in ("", commit.worker):
                    what = {document.split("/")[0] for document in commit.documents}
                    yield f"{id}: {commit.worker} wrote {sorted(what)} in epoch {epoch}"
            elif now < epoch or (now == epoch > 0 and commit.worker != holder):
                yield f"{id}: {commit.worker} wrote in epoch {now}, after {holder} began {epoch}"
            elif now:
                holder, epoch = commit.worker, now


async def left_behind(store: Store, database: Database) -> list[str]:
    """What nobody has or waits for any more once every execution has ended."""
    return [each async for each in _left_behind(store, database)]


async def _left_behind(store: Store, database: Database) -> AsyncIterator[str]:
    for slot in await store.slots():
        yield f"slot {slot.key} of {slot.execution_id}: held {slot.held}"
    for found in await database.find(database.all(names.LEASES)):
        lease = leases.read(found)
        if lease.worker or found.get("queue_key"):
            yield f"lease of {lease.execution}: {lease}, {found.get('queue_key')}"
    for found in await database.find(database.all(names.INBOX)):
        yield f"message {found.id} to {found['execution']}: {found['command']}"


async def _standing(database: Database, id: str) -> str:
    """Where an execution is stuck."""
    lease = await leases.load(database, id)
    mail = [m for m in await database.find(database.all(names.INBOX)) if m["execution"] == id]
    page = await _last_words(database, id)
    return f"{lease}; mail {[m['command'] for m in mail]}; {page}"


async def _last_words(database: Database, id: str) -> list[str]:
    """The last things that it has said."""
    events = [e for _, _, entry in await journal(database, id) for e in _of(entry, id)]
    return [f"{e.type.value} {e.path}" for e in events[-4:]]


def _of(entry: Entry, id: str) -> list[Event]:
    return list(events_of(entry, id))


def _lost(*what: object) -> None:
    raise AssertionError(f"lost: {what}")
