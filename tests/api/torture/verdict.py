"""What a subscriber has heard, beside what the store says afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from assay.graphs.fold import events as events_of
from assay.store.connect import connect

from .subscribers import Subscriber

Told = Mapping[str, Any]


class Kept(NamedTuple):
    """An event in the log of all journals; `place` is that of its entry."""

    place: int
    event: Told


async def journal(store: str) -> list[Kept]:
    """Every durable event, in the order of commits."""
    opened, cursor, found = await connect(store), "", []
    try:
        while page := await opened.log(after=cursor, limit=500):
            for each in page:
                for event in events_of(each.entry, each.execution_id):
                    plain = orjson.loads(orjson.dumps(event.to_dict()))
                    found.append(Kept(int(each.cursor), plain))
            cursor = page[-1].cursor
    finally:
        await opened.close()
    return found


@dataclass(frozen=True)
class Fault:
    """What is wrong with what one has heard of an execution; `seq` by `seq`."""

    who: str
    execution: str
    lost: Sequence[int]
    twice: Sequence[int]
    other: Sequence[str]


def faults(subscriber: Subscriber, log: Sequence[Kept]) -> list[Fault]:
    """Empty when it has heard exactly what it was to hear, each execution's in order."""
    wanted, heard = _by_execution(_wanted(subscriber, log)), _by_execution(subscriber.heard)
    return [
        _fault(subscriber, id, wanted[id], heard[id])
        for id in wanted.keys() | heard.keys()
        if wanted[id] != heard[id]
    ]


def _wanted(subscriber: Subscriber, log: Sequence[Kept]) -> list[Told]:
    if subscriber.execution is not None:
        return [e.event for e in log if e.event["execution_id"] == subscriber.execution]
    if subscriber.began is not None:
        before, _, within = subscriber.began.partition("|")
        assert not within, "a stream begins at an entry"
        return [each.event for each in log if each.place > int(before or 0)]
    if not subscriber.heard:
        return [log[-1].event]
    events = [each.event for each in log]
    return events[events.index(subscriber.heard[0]) :]


def _by_execution(events: Sequence[Told]) -> defaultdict[str, list[Told]]:
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for event in events:
        found[event["execution_id"]].append(event)
    return found


def _fault(subscriber: Subscriber, id: str, wanted: Sequence[Told], heard: Sequence[Told]) -> Fault:
    seqs = [event["seq"] for event in heard]
    known = {event["seq"]: event for event in wanted}
    other = [f"{e!r} is {known.get(e['seq'])!r}" for e in heard if e != known.get(e["seq"])]
    if not other and sorted(seqs) != seqs:
        other = [f"in the order {seqs}"]
    return Fault(
        repr(subscriber),
        id,
        [seq for seq in known if seq not in seqs],
        sorted({seq for seq in seqs if seqs.count(seq) > 1}),
        other,
    )
