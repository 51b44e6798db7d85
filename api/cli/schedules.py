"""`assay schedules`: what the clock fires, and when; and ranges that are made up for."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput
from ...graphs.units import format_moment
from .exits import OK
from .opened import open_site
from .output import Output
from .text import columns, one_line, plural
from .triggers import fired, local, told

if TYPE_CHECKING:
    from ..triggers import Timed


async def listing(count: int, *, json: bool) -> int:
    """Each with so many of its next due times."""
    async with open_site() as site, aclosing(site.schedules(count)) as schedules:
        found = [each async for each in schedules]
    out = Output()
    if json:
        out.json([_told(each) for each in found])
    else:
        out.lines(columns([row for each in found for row in _rows(each)]))
    return OK


async def backfill(id: str, start: str, end: str | None, *, json: bool) -> int:
    """Fire it for each time that was due from one to another, and for each of those once,
    however often this is asked for. Raises `TriggerNotFound`, `NotPossible`, `InvalidInput`."""
    since = _time("--from", start)
    until = datetime.now().astimezone() if end is None else _time("--to", end)
    async with open_site() as site:
        found = await site.backfill(id, since, until)
    out = Output()
    if json:
        out.json([fired(each) for each in found])
        return OK
    if not found:
        out.line(f"{id} was not due from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}")
        return OK
    waiting = sum(each.status.open for each in found)
    rest = f", {plural(len(found) - waiting, 'firing')} of before" if waiting < len(found) else ""
    out.line(
        f"{id} fires for {plural(len(found), 'due time')}{rest}; whoever serves begins them: "
        f"assay trigger firings {id}"
    )
    return OK


def _told(timed: Timed) -> dict[str, Any]:
    due = [format_moment(each) for each in timed.next]
    return {**told(timed.trigger), "next": due, "says": timed.says}


def _rows(timed: Timed) -> list[tuple[str, str, str]]:
    trigger, says = timed.trigger, one_line(timed.says)
    if not timed.next:
        return [(trigger.id, "never again" if trigger.enabled else "off", says)]
    first, *rest = [local(due) for due in timed.next]
    return [(trigger.id, first, says), *(("", due, "") for due in rest)]


def _time(option: str, text: str) -> datetime:
    """Without a zone it is that of the reader. Raises `InvalidInput`."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{option} {text!r} is no time; write 2026-11-01, or 2026-11-01T09:00:00+01:00"
        ) from error
