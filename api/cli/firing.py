"""`assay trigger fire` and `replay`: fire a trigger, and show what it begins like `run`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.errors import InvalidInput
from ...graphs.firing import Firing, FiringStatus, Trigger
from .exits import CANCELLED, FAILED, OK
from .given import inputs_from, read_bytes
from .opened import open_site
from .output import Output
from .run import say_turn
from .signals import signals
from .sitting import Showing, Sitting
from .text import one_line
from .triggers import fired

if TYPE_CHECKING:
    from .site import Ear, Site


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. `payload` is JSON, or `@` and a file that holds some;
    `members` are of it, one by one."""

    trigger: str
    payload: str | None = None
    members: Sequence[str] = ()
    attributes: Sequence[str] = ()
    key: str | None = None
    detach: bool = False


async def fire(request: Request, showing: Showing) -> int:
    """Fire it, then show what it began, to its end or until it waits for somebody.

    Raises `TriggerNotFound`, `InvalidInput`, or `NotPossible` for one that is switched off.
    """
    attributes = _attributes(request.attributes)
    with signals() as stop:
        async with open_site() as site:
            trigger = await site.trigger(request.trigger)
            payload = await _payload(site, trigger, request)
            ear = site.hear()  # before there is anything to be heard
            firing = await site.fire(trigger.id, payload, attributes, request.key)
            sitting = await _shown(site, firing, showing, stop, ear, detach=request.detach)
    return sitting.end() if isinstance(sitting, Sitting) else sitting


async def replay(given: str, showing: Showing, *, detach: bool) -> int:
    """Try again what is dead, or was dropped or skipped. Raises `FiringNotFound`,
    `NotPossible`."""
    with signals() as stop:
        async with open_site() as site:
            id = (await site.firing(given)).id
            ear = site.hear()
            firing = await site.replay(id)
            sitting = await _shown(site, firing, showing, stop, ear, detach=detach)
    return sitting.end() if isinstance(sitting, Sitting) else sitting


async def _shown(
    site: Site,
    firing: Firing,
    showing: Showing,
    stop: asyncio.Event,
    ear: Ear,
    *,
    detach: bool,
) -> Sitting | int:
    """What it began, watched; or an exit code when it has begun nothing."""
    if detach:
        _say(firing, f"fired {firing.trigger} as {firing.id}; whoever serves goes on", showing)
        return OK
    over = await _over(site, firing, stop)
    if over is None:
        return CANCELLED
    if over.status is not FiringStatus.STARTED:
        why = f": {one_line(over.reason)}" if over.reason else ""
        _say(over, f"{over.status}{why}", showing)
        return OK if over.status is FiringStatus.DELIVERED else FAILED
    execution = await site.row(over.execution_id)
    await say_turn(site, execution)
    sitting = Sitting.of(site, execution, await site.program(execution), showing)
    await sitting.watch(stop, ear)
    return sitting


async def _over(site: Site, firing: Firing, stop: asyncio.Event) -> Firing | None:
    """When something has come of it; None when somebody does not wait any longer."""
    err = Output(sys.stderr)

    def waits() -> None:
        err.line(f"{firing.id} waits for its turn; Ctrl-C leaves it to whoever serves")

    dealing = asyncio.create_task(site.deal(firing, waits))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((dealing, stopped), return_when=asyncio.FIRST_COMPLETED)
        if dealing.done():
            return await dealing
    finally:
        for each in (dealing, stopped):
            each.cancel()
        await asyncio.gather(dealing, stopped, return_exceptions=True)
    err.line(f"{firing.id} is left to whoever serves: assay trigger firings {firing.trigger}")
    return None


def _say(firing: Firing, said: str, showing: Showing) -> None:
    out = Output()
    if showing.json:
        out.json(fired(firing), indent=False)
    else:
        out.line(said)


async def _payload(site: Site, trigger: Trigger, request: Request) -> Any:
    """Members are typed as the inputs that are called so."""
    payload = None if request.payload is None else _json(request.payload)
    if not request.members:
        return payload
    if payload is not None and not isinstance(payload, dict):
        raise InvalidInput("-p is no object, so that -i cannot give members of it")
    # With an `@` it is no file that happens to be called so.
    program = await site.load(f"{trigger.workflow}@{trigger.version or ''}")
    workflow = None if program is None else program.workflow
    return {**(payload or {}), **inputs_from(workflow, request.members, None)}


def _json(text: str) -> Any:
    given: str | bytes = read_bytes(text[1:]) if text.startswith("@") else text
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"the payload is not JSON: {error}; a text is written with quotes: '\"text\"'"
        ) from error


def _attributes(pairs: Sequence[str]) -> dict[str, str]:
    given = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise InvalidInput(f"-a {pair!r} names no value; write -a name=value")
        given[name.lower()] = text
    return given
