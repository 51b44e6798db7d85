"""Deciding, doing and auditing what one asker asks for: what every operation stands on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from ..graphs.errors import ExecutionNotFound, InvalidInput, NotAuthorized, WorkflowNotFound
from ..graphs.execution import Execution, timestamp
from ..graphs.stored import AuditEntry, Page, Principal
from .access import Decision, Operation, covers, decide, most
from .seal import Seal
from .triggering import trigger_service

if TYPE_CHECKING:
    from ..graphs.manager import Manager
    from ..triggers.desk import Desk as Triggers

T = TypeVar("T")

MOST = 100
"""The longest page of any listing."""

_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_LOOKS = 10
"""Pages of the store that one page of a scoped listing may cost."""


class Asker(NamedTuple):
    """Who asks, and through which surface: `rest`, `graphql`, `ws`, `sse`, `mcp` or `chat`."""

    principal: Principal
    surface: str
    tenant: str = ""


class Deciding:
    """One asker before one store: what they may not see is not there, and nothing is changed
    without an entry in the audit."""

    def __init__(self, manager: Manager, asker: Asker, triggers: Triggers | None = None) -> None:
        self._manager = manager
        self._store = manager.store
        self._triggers = triggers or trigger_service(manager).desk
        self.asker = asker

    @property
    def _profile(self) -> str:
        return most(self.asker.principal)

    def may(self, operation: Operation, workflow: str | None = None) -> bool:
        return bool(decide(self.asker.principal, operation, workflow))

    def _allow(self, operation: Operation, workflow: str | None = None) -> None:
        decision = decide(self.asker.principal, operation, workflow)
        if not decision:
            raise NotAuthorized(f"{decision.rule}; ask whoever runs this server for more")

    def _there(self, workflow: str) -> None:
        if not covers(self.asker.principal, workflow):
            raise WorkflowNotFound.named(workflow)

    def _visible(self, execution: Execution) -> None:
        if not covers(self.asker.principal, execution.workflow):
            raise ExecutionNotFound.of(execution.id)

    async def _row(self, id: str) -> Execution:
        """By the whole id: what several begin with would tell of what no scope covers."""
        if not _ID.fullmatch(id):
            raise ExecutionNotFound(f"no execution {id!r}; give the whole id")
        return await self._store.execution(id)

    async def _of(self, id: str, operation: Operation) -> Execution:
        """An execution's row, when the asker may do that to it."""
        self._allow(operation)
        execution = await self._row(id)
        self._visible(execution)
        return execution

    async def _to(
        self,
        id: str,
        operation: Operation,
        change: Callable[[str], Awaitable[T]],
        data: Mapping[str, Any] = MappingProxyType({}),
    ) -> T:
        execution = await self._row(id)
        self._visible(execution)
        return await self._change(
            operation, execution.workflow, execution.id, partial(change, execution.id), data
        )

    async def _change(
        self,
        operation: Operation,
        workflow: str | None,
        target: str,
        change: Callable[[], Awaitable[T]],
        data: Mapping[str, Any],
        *,
        refused: str = "",
    ) -> T:
        """Do it, if the asker may, and keep who did it by which rule; both are durable then.

        `refused`: why they may not, even so.
        """
        decision = decide(self.asker.principal, operation, workflow)
        if decision and refused:
            decision = Decision(False, refused)
        entry = AuditEntry(
            timestamp(),
            self.asker.principal.id,
            operation,
            target,
            decision.allowed,
            decision.rule,
            {**data, "surface": self.asker.surface},
        )
        if not decision:
            await self._store.record(entry)
            raise NotAuthorized(f"{decision.rule}; ask whoever runs this server for more")
        # Beside each other: they share one commit of the store.
        kept = asyncio.ensure_future(self._store.record(entry))
        try:
            return await change()
        finally:
            await kept

    async def _page(
        self,
        read: Callable[..., Awaitable[Page[T]]],
        workflow_of: Callable[[T], Awaitable[str]],
        after: str | None,
        limit: int,
    ) -> Page[T]:
        """A page of what the asker's scopes cover; it may be short before the last one."""
        principal, left = self.asker.principal, size(limit)
        if not principal.scopes:
            return await read(after=after, limit=left)
        if after is not None:
            after = (await self._seal()).opened(after, principal.id)
        found: list[T] = []
        for _ in range(_LOOKS):
            page = await read(after=after, limit=left)
            found += [i for i in page.items if covers(principal, await workflow_of(i))]
            after, left = page.cursor, limit - len(found)
            if after is None or not left:
                break
        if after is not None:
            after = (await self._seal()).closed(after, principal.id)
        return Page(found, after)

    async def _seal(self) -> Seal:
        if self._manager not in _SEALS:
            _SEALS[self._manager] = await Seal.of(self._store)
        return _SEALS[self._manager]


_SEALS: WeakKeyDictionary[Manager, Seal] = WeakKeyDictionary()


def size(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"A page has 1 to {MOST} items, not {limit}")
    return limit
