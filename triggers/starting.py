"""The one execution that a firing begins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..graphs.errors import AssayError, ExecutionNotFound, StoreUnavailable
from ..graphs.execution import timestamp
from ..graphs.profiles import bounded
from ..graphs.stored import AuditEntry
from .payload import scope_of

if TYPE_CHECKING:
    from ..graphs.binding import BoundField
    from ..graphs.firing import Firing, Trigger
    from ..graphs.scope import Scope
    from ..graphs.trigger import BoundTrigger
    from .desk import Desk

_log = logging.getLogger("assay.triggers")


async def start(desk: Desk, firing: Firing, trigger: Trigger, bound: BoundTrigger) -> None:
    """Begin the execution that the firing names, unless it has begun. Raises as
    `Manager.start` does; then nothing has begun."""
    if await _begun(desk, firing):
        return
    document = await desk.store.workflow(trigger.workflow, trigger.version)
    inputs = await _inputs(desk, bound.inputs, firing, scope_of(firing, trigger), document)
    try:
        await desk.manager.start(
            document,
            inputs,
            priority=bound.spec.priority,
            id=firing.execution_id,
            profile=bounded(trigger.profile, firing.profile),
            firing=firing.id,
        )
    except StoreUnavailable:
        raise
    except AssayError:
        # Somebody else may have begun it in this moment.
        if not await _begun(desk, firing):
            raise
        return
    try:
        await desk.store.record(_entry(firing, trigger))
    except AssayError as error:
        # It runs: nobody may believe that it does not, and begin another.
        _log.error("execution %s is not in the audit log: %s", firing.execution_id, error)


async def _begun(desk: Desk, firing: Firing) -> bool:
    try:
        await desk.store.execution(firing.execution_id)
    except ExecutionNotFound:
        return False
    return True


async def _inputs(
    desk: Desk,
    given: BoundField | None,
    firing: Firing,
    scope: Scope,
    document: Mapping[str, Any],
) -> Mapping[str, Any]:
    if given is not None:
        inputs: Mapping[str, Any] = given.render(scope)
        return inputs
    if not isinstance(firing.payload, Mapping):
        return {}
    declared = (await desk.manager.load(document)).workflow.inputs
    return {name: firing.payload[name] for name in declared if name in firing.payload}


def _entry(firing: Firing, trigger: Trigger) -> AuditEntry:
    return AuditEntry(
        timestamp(),
        f"trigger:{trigger.id}",
        "start_execution",
        trigger.workflow,
        rule=f"a {trigger.type} trigger fired" + (f", by {firing.by}" if firing.by else ""),
        data={"firing": firing.id, "execution_id": firing.execution_id},
    )
