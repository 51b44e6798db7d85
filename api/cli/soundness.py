"""Whether the triggers of a store can start anything. Needs no LangGraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphs.errors import AssayError, InvalidSpec, StoreError
from ...graphs.listing import every
from ...graphs.trigger import NOTIFICATION
from .definitions import Reader
from .text import one_line

if TYPE_CHECKING:
    from ...graphs.firing import Trigger
    from ...graphs.ports import Store
    from ...graphs.secrets import Secrets
    from ...graphs.workflow import Workflow

_MANY = 1000
"""Triggers that are looked at at most."""


_NAME_SECRETS = ("webhook", NOTIFICATION)


class Checked(NamedTuple):
    """How many there are, how many are switched off, and what is wrong with which."""

    total: int
    off: int
    broken: list[str]


async def check_triggers(store: Store, secrets: Secrets) -> Checked:
    """Raises `StoreError`."""
    looking, count, off = _Looking(store, secrets), 0, 0
    broken: list[str] = []
    async for trigger in every(store.triggers):
        count += 1
        off += not trigger.enabled
        if why := await looking.broken(trigger):
            broken.append(f"{trigger.id}: {one_line(why).rstrip('.')}")
        if count == _MANY:
            break
    return Checked(count, off, broken)


class _Looking:
    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets
        self._reader = Reader()
        self._read: dict[tuple[str, str | None], Workflow] = {}

    async def broken(self, trigger: Trigger) -> str:
        """Why nothing can come of it; empty when something can."""
        name = trigger.id.removeprefix(f"{trigger.workflow}.")
        try:
            workflow = await self._workflow(trigger.workflow, trigger.version)
            self._reader.trigger(trigger.document, name, workflow)
        except StoreError:
            raise
        except InvalidSpec as error:
            return "; ".join(problem.message for problem in error.problems)
        except AssayError as error:
            return error.message
        if trigger.enabled and trigger.type in _NAME_SECRETS:
            named = {k: v for k, v in trigger.document.items() if k != "description"}
            return "; ".join(self._secrets.lacking(named))
        return ""

    async def _workflow(self, name: str, version: str | None) -> Workflow:
        """Read once: many may start one."""
        if (name, version) not in self._read:
            document = await self._store.workflow(name, version)
            self._read[name, version] = self._reader.mapping(document).workflow
        return self._read[name, version]
