"""`assay trigger list show create enable disable delete firings`: what starts executions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput, InvalidSpec, Problem
from ...graphs.firing import Firing, FiringStatus, Trigger
from ...graphs.units import format_moment
from .exits import OK
from .given import read_bytes
from .opened import open_records, open_site
from .output import Output
from .text import columns, local_time, one_line, shown

if TYPE_CHECKING:
    from ...graphs.document import Document
    from .site import Records

_NEWEST = 5
"""Firings that are shown with a trigger."""

_TOLD = (
    *("id", "workflow", "version", "type", "document", "declared"),
    *("enabled", "by", "profile", "created_at", "next_at", "reason"),
)
_FIRED = (
    *("id", "trigger", "workflow", "at", "status", "execution_id"),
    *("reason", "into", "payload", "attributes", "by"),
)


async def listing(workflow: str | None, type: str | None, *, json: bool) -> int:
    """All of them, by id."""
    async with open_records() as site, aclosing(site.triggers(workflow, type)) as triggers:
        found = [each async for each in triggers]
    out = Output()
    if json:
        out.json([told(each) for each in found])
    else:
        out.lines(columns([listed(each) for each in found]))
    return OK


async def show(id: str, *, json: bool) -> int:
    """One, as its author wrote it, and what came of it last. Raises `TriggerNotFound`."""
    async with open_records() as site:
        trigger = await site.trigger(id)
        newest = await _newest(site, id, None, _NEWEST)
    out = Output()
    if json:
        out.json({**told(trigger), "firings": [fired(each) for each in newest]})
    else:
        out.lines([*_shown(trigger), *_firings(newest)])
    return OK


async def create(workflow: str, file: str, version: str | None, *, json: bool) -> int:
    """One beside those of the definition, from a file that holds what stands in `triggers`.

    Raises `InvalidSpec` with every problem at its place, `WorkflowNotFound`, `NotPossible`.
    """
    document = _read(file)
    if not isinstance(document.value, Mapping):
        raise InvalidInput(f"{file} holds no trigger; write a mapping with a `type`")
    async with open_site() as site:
        try:
            made = await site.create_trigger(workflow, document.value, version)
        except InvalidSpec as error:
            raise InvalidSpec([_placed(each, document) for each in error.problems]) from error
    _say(made, f"created {made.id}{_due(made)}", json=json)
    return OK


async def switch(id: str, *, on: bool, json: bool) -> int:
    """Raises `TriggerNotFound`."""
    async with open_site() as site:
        trigger = await site.enable_trigger(id, on)
    state = "on" if on else "off"
    _say(trigger, f"{trigger.id} is {state}{_due(trigger)}", json=json)
    return OK


async def delete(id: str, *, json: bool) -> int:
    """Raises `TriggerNotFound`, `NotPossible` for one of a definition."""
    async with open_site() as site:
        trigger = await site.trigger(id)
        await site.delete_trigger(id)
    _say(trigger, f"deleted {id}", json=json)
    return OK


async def firings(trigger: str | None, status: str | None, limit: int, *, json: bool) -> int:
    """What came of them, newest first. Raises `TriggerNotFound`."""
    if status is not None and status not in list(FiringStatus):
        known = ", ".join(FiringStatus)
        raise InvalidInput(f"{status!r} is no status of a firing; there are: {known}")
    async with open_records() as site:
        if trigger is not None:
            await site.trigger(trigger)
        found = await _newest(site, trigger, status, limit)
    out = Output()
    if json:
        out.json([fired(each) for each in found])
    else:
        out.lines(_firings(found, names=trigger is None))
    return OK


def told(trigger: Trigger) -> dict[str, Any]:
    """A trigger as its users read it."""
    due = None if trigger.next_at is None else format_moment(trigger.next_at)
    return {**{name: getattr(trigger, name) for name in _TOLD}, "next_at": due}


def fired(firing: Firing) -> dict[str, Any]:
    """A firing as its users read it."""
    return {name: getattr(firing, name) for name in _FIRED}


def local(seconds: float) -> str:
    """A time, seconds since 1970, where the reader is."""
    return local_time(format_moment(seconds), date=True)


def _firings(found: Sequence[Firing], *, names: bool = False) -> list[str]:
    rows = [
        (
            each.id,
            *([each.trigger] if names else []),
            each.status.value,
            local_time(each.at, date=True),
            each.execution_id if each.status is FiringStatus.STARTED else one_line(each.reason),
        )
        for each in found
    ]
    return columns(rows)


async def _newest(site: Records, trigger: str | None, status: str | None, n: int) -> list[Firing]:
    found: list[Firing] = []
    async with aclosing(site.firings(trigger, status)) as newest:
        async for each in newest:
            found.append(each)
            if len(found) == n:
                break
    return found


def listed(trigger: Trigger) -> tuple[str, ...]:
    """Its row among others."""
    about = trigger.document.get("description")
    return (
        trigger.id,
        trigger.type,
        "on" if trigger.enabled else "off",
        _due(trigger).removeprefix("; "),
        one_line(str(about)) if about else "",
    )


def _shown(trigger: Trigger) -> Iterator[str]:
    yield f"{trigger.id}  {trigger.type}  {'on' if trigger.enabled else 'off'}"
    version = "its newest version" if trigger.version is None else f"version {trigger.version}"
    yield f"  starts   {trigger.workflow}, {version}"
    whose = "the definition" if trigger.declared else trigger.by or "whoever sits here"
    yield f"  made by  {whose}, {local_time(trigger.created_at, date=True)}"
    if trigger.profile:
        yield f"  profile  {trigger.profile}: no step of what it starts is more"
    if trigger.reason:
        yield f"  because  {one_line(trigger.reason)}"
    if trigger.next_at is not None:
        yield f"  next     {local(trigger.next_at)}"
    if trigger.type == "webhook":
        yield f"  address  /hooks/{trigger.id}"
    for name, value in trigger.document.items():
        if name not in ("type", "id"):
            yield f"  {one_line(name)}: {one_line(shown(value))}"


def _due(trigger: Trigger) -> str:
    """`; next 2026-11-23 09:00:00`, of one that the clock fires."""
    if trigger.next_at is None or trigger.type != "cron" or not trigger.enabled:
        return ""
    return f"; next {local(trigger.next_at)}"


def _say(trigger: Trigger, said: str, *, json: bool) -> None:
    out = Output()
    if json:
        out.json(told(trigger))
    else:
        out.line(said)


def _read(file: str) -> Document:
    from ...graphs.document import read

    return read(read_bytes(file), file, format="json" if file.endswith(".json") else "yaml")


def _placed(problem: Problem, document: Document) -> Problem:
    """Where it stands in the file."""
    position = document.position(problem.path)
    return Problem(document.name, position, problem.message, problem.path, problem.warning)
