"""Triggers as a store keeps them, and what came of each time that one fired."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .stored import Page

PAYLOAD_LIMIT = 512 * 1024
"""Bytes of JSON of a firing's payload and attributes; of what a trigger or a lane keeps as well."""

KEPT = 30 * 24 * 3600.0
"""Seconds for which what came of a firing is told, and what comes again is known."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts executions of a workflow, of its newest version unless `version` is given.

    `document` is what its author wrote, as JSON. One of a definition (`declared`) goes away
    with it. `enabled` is False when somebody has switched it off. `by` made it, under the
    security profile `profile` (empty: no cap of its own). `next_at` is when somebody must look
    at it, seconds since 1970, None: never. `memory` is what its kind has to remember, as JSON.
    `revision` grows with every change.
    """

    id: str
    workflow: str
    type: str
    document: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    declared: bool = False
    enabled: bool = True
    by: str = ""
    profile: str = ""
    created_at: str = ""
    next_at: float | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0

    @property
    def reason(self) -> str:
        """What went wrong with it last, or why it switched itself off; empty: nothing did."""
        return str(self.memory.get("reason", ""))


class FiringStatus(StrEnum):
    """What has come of a firing."""

    PENDING = "pending"  # somebody has yet to look at it
    WAITING = "waiting"  # for its turn, or until nothing more comes
    STARTED = "started"  # its execution has begun
    SKIPPED = "skipped"  # `if` was false
    DROPPED = "dropped"  # `overlap`, `throttle`, or a circle of events: see `reason`
    DELIVERED = "delivered"  # a notification: its receiver has it
    MERGED = "merged"  # another firing, `into`, stands for it
    DEAD = "dead"  # it failed for good: see `reason`; it can be replayed

    @property
    def open(self) -> bool:
        return self in (FiringStatus.PENDING, FiringStatus.WAITING)


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that a trigger fired: it starts one execution at most, `execution_id`.

    `payload` is what came, JSON; `attributes` text about it, by lower-case name. `at` is RFC
    3339. `due` is when somebody must look at it, seconds since 1970, None: nobody. `attempts`
    counts how often somebody has. `depth` is how many triggers lie behind it in a chain of
    events. `lane` is the id of the lane that it waits in. `merged` are ids of firings that it
    stands for, of very many the last. `by` is who fired it, if a person did. `revision` grows
    with every change.
    """

    id: str
    trigger: str
    workflow: str
    at: str
    execution_id: str
    payload: Any = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    status: FiringStatus = FiringStatus.PENDING
    due: float | None = None
    attempts: int = 0
    depth: int = 0
    lane: str = ""
    into: str = ""
    merged: Sequence[str] = ()
    reason: str = ""
    by: str = ""
    profile: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """What firings of one trigger with one key share: their turn. `document` is JSON, small;
    `at`, RFC 3339, when it was changed. `lasting`: it is kept however long ago that was."""

    id: str
    trigger: str
    at: str
    document: Mapping[str, Any] = field(default_factory=dict)
    lasting: bool = False
    revision: int = 0


class Firings(Protocol):
    """Triggers and their firings. A `put` with revision 0 inserts, with a higher one replaces
    that of the revision before; False when somebody else was first. It raises `InvalidInput`
    for an id that can name nothing, and for more JSON than `PAYLOAD_LIMIT`."""

    async def put_trigger(self, trigger: Trigger) -> bool: ...

    async def trigger(self, trigger_id: str) -> Trigger:
        """Raises `TriggerNotFound`."""

    async def triggers(
        self,
        *,
        workflow: str | None = None,
        type: str | None = None,
        due: float | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Trigger]:
        """By id; of one workflow, of one type, or, the longest due first, the enabled ones whose
        `next_at` has come by `due`: one of the three at most. What is damaged and due is left
        out."""

    async def delete_trigger(self, trigger_id: str) -> None:
        """Forget it and its lanes; its firings stay. What is not there is forgotten already."""

    async def put_firing(self, firing: Firing) -> bool: ...

    async def firing(self, firing_id: str) -> Firing:
        """Raises `FiringNotFound`."""

    async def firings(
        self,
        *,
        trigger: str | None = None,
        status: FiringStatus | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Firing]:
        """Newest first; of one trigger, with one status, or both."""

    async def due_firings(self, now: float, *, limit: int = 100) -> Sequence[Firing]:
        """Those whose `due` has come, the longest due first; what is damaged is left out."""

    async def prune_firings(self, before: str) -> int:
        """Forget those from before that time, RFC 3339, that are not open, and lanes that were
        not changed since, are not `lasting`, and that no open firing waits in; how many firings."""

    async def lane(self, lane_id: str) -> Lane | None: ...

    async def put_lane(self, lane: Lane) -> bool: ...

    async def lanes(self, *, after: str | None = None, limit: int = 100) -> Page[Lane]:
        """By id."""


def firing_id(trigger_id: str, id: str) -> str:
    """The id of the firing of a trigger for what is called `id` where it came from."""
    return "f" + _digest(trigger_id, id)


def lane_id(trigger_id: str, key: str) -> str:
    return "l" + _digest(trigger_id, key)


def _digest(trigger_id: str, name: str) -> str:
    # What others call a thing need not be Unicode.
    text = f"{trigger_id}\0{name}".encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()[:31]
