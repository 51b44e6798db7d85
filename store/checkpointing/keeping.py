"""What may go and what must stay when old checkpoints are removed."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from ...graphs.errors import StoreError
from .rows import Query, Remove

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .reading import Reading, Skeleton

_COUNTERS: Final = "counters_since_delta_snapshot"
"""Where LangGraph counts, for each `DeltaChannel`, what happened since it was last stored."""


async def superseded(reading: Reading, thread: str) -> list[Remove]:
    """All but the latest checkpoint of each namespace, and what that needs to be read.

    A parked execution goes on from the latest checkpoints and the writes on top of them, its
    questions among them: all of that stays.
    """
    changes = []
    for family in await _families(reading, thread):
        if doomed := family.all.keys() - family.with_needed([family.latest]):
            changes.append(await family.without(doomed))
    return changes


async def of_runs(reading: Reading, thread: str, runs: Collection[str]) -> list[Remove]:
    """The checkpoints of these runs.

    Raises `StoreError` when others are rebuilt from them: removing them would leave those
    with less than they held, and no sign of it.
    """
    changes = []
    for family in await _families(reading, thread):
        doomed = {id for id, skeleton in family.all.items() if skeleton.head.run in runs}
        if needed := doomed & family.with_needed(family.all.keys() - doomed):
            raise StoreError(
                f"The runs {', '.join(sorted(runs))} cannot be deleted from thread {thread!r}: "
                f"later checkpoints are rebuilt from what they wrote ({min(needed)} among it). "
                "Delete the later runs too, or the whole thread."
            )
        if doomed:
            changes.append(await family.without(doomed))
    return changes


class _Family:
    """The checkpoints of one namespace, the latest first."""

    def __init__(self, reading: Reading, skeletons: Iterable[Skeleton]) -> None:
        self._reading = reading
        self.all = {skeleton.head.id: skeleton for skeleton in skeletons}
        self.latest = next(iter(self.all))
        # The graph is not known here, but every superstep counts each of its delta channels.
        self._delta = {
            channel for s in self.all.values() for channel in s.metadata.get(_COUNTERS, ())
        }

    def with_needed(self, ids: Iterable[str]) -> set[str]:
        """These and the ancestors from which their delta channels are rebuilt."""
        kept = set(ids)
        for id in tuple(kept):
            skeleton = self.all[id]
            # A channel that has no version was never written.
            rebuilt = self._delta & skeleton.bare.keys()
            walked = {id}
            parent = skeleton.head.parent
            while rebuilt and parent in self.all and parent not in walked:
                walked.add(parent)
                kept.add(parent)
                skeleton = self.all[parent]
                rebuilt -= skeleton.held.keys()
                parent = skeleton.head.parent
        return kept

    async def without(self, doomed: Collection[str]) -> Remove:
        """The change that removes these checkpoints, and the blobs that no other holds."""
        head = self.all[self.latest].head
        held = {
            key
            for id, skeleton in self.all.items()
            if id not in doomed
            for key in skeleton.held.items()
        }
        keys = await self._reading.rows.blob_keys(head.thread, head.namespace)
        return Remove(head.namespace, doomed, [key for key in keys if key not in held])


async def _families(reading: Reading, thread: str) -> Sequence[_Family]:
    heads = await reading.rows.heads(Query(thread), after=None, limit=None)
    heads.sort(key=attrgetter("namespace"))  # stable: inside a namespace still the latest first
    return [
        _Family(reading, await reading.skeletons(list(group)))
        for _, group in groupby(heads, attrgetter("namespace"))
    ]
