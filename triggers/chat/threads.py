"""What a conversation has begun: kept in a lane of the store, as long as anything is said in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from ...graphs.execution import timestamp
from ...graphs.firing import Lane, lane_id

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from .adapter import Conversation

KEPT = 20
"""Executions of one conversation that are remembered."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Thread:
    """`trigger` fired last, with what was `captured`; `executions` as they began."""

    trigger: str = ""
    captured: Mapping[str, str] = field(default_factory=dict)
    executions: Sequence[str] = ()

    @property
    def ours(self) -> bool:
        """Whether anything was begun in it."""
        return bool(self.executions)


async def thread(store: Store, conversation: Conversation) -> Thread:
    lane = await store.lane(lane_id("chat", conversation.key))
    return Thread() if lane is None else Thread(**lane.document)


async def note(
    store: Store,
    conversation: Conversation,
    execution: str,
    trigger: str,
    captured: Mapping[str, str],
) -> None:
    """An execution was begun in the conversation; once, however often this is called."""
    id = lane_id("chat", conversation.key)
    for _ in range(_TRIES):
        lane = await store.lane(id) or Lane(id, "chat", timestamp(), revision=-1)
        kept = Thread(**lane.document)
        if execution in kept.executions:
            return
        fresh = Thread(trigger, captured, [*kept.executions, execution][-KEPT:])
        changed = replace(lane, at=timestamp(), document=asdict(fresh), revision=lane.revision + 1)
        if await store.put_lane(changed):
            return
