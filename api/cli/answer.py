"""`assay answer` and `assay send`: tell an execution what it waits for, and go on with it."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.errors import InvalidInput, NotPossible, QuestionNotFound
from ...graphs.execution import Execution, Status
from ...graphs.question import Question, QuestionStatus, Wait
from .exits import OK, worst
from .lookup import LATEST
from .opened import open_site
from .output import Output
from .resume import go_on
from .signals import signals
from .sitting import Showing, Sitting
from .text import one_line, plural
from .waits import members, place, told

if TYPE_CHECKING:
    from .site import Site

_NOTICED = 5.0
"""Seconds within which a process that lives takes notice of an answer."""

_LOOK = 0.1
"""Seconds between two looks at whether it has."""

_EXECUTION = re.compile(r"[0-9a-f-]+")
_KEPT = "kept: no execution waits for it"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it is given. `value` is JSON text, `pairs` members of it; `approved` None:
    not said."""

    approved: bool | None = None
    value: str | None = None
    pairs: Sequence[str] = ()
    comment: str = ""
    by: str | None = None


async def answer(given: str | None, reply: Reply, showing: Showing, *, detach: bool) -> int:
    """Answer a question, then go on with its execution unless somebody does.

    `given` is the id of a question, or of an execution with one open question; None: the
    only one that is open. Raises `QuestionNotFound`, `InvalidInput` and what else keeps the
    answer from being one.
    """
    with signals() as stop:
        async with open_site() as site:
            question = await _meant(site, given)
            approved, value = _said(question, reply)
            execution = await site.row(question.execution_id)
            # Where others drive it, it goes on as soon as it is answered.
            before = await Sitting.again(site, execution, showing) if site.far else None
            answered = await site.answer(
                question.id, value, approved=approved, by=reply.by, comment=reply.comment
            )
            _tell(answered, approved, showing, alone=detach)
            if answered.status is QuestionStatus.OPEN:
                return OK
            if not await _left_to_us(site, execution, detach=detach):
                return OK
            if before is None:
                sitting = await _gone_on(site, execution.id, showing, stop)
            else:
                sitting = before
                await sitting.watch(stop, site.hear(execution.id))
            if sitting is None:
                return OK
    return sitting.end()


async def send(
    event: str, key: str | None, payload: str | None, showing: Showing, *, detach: bool
) -> int:
    """Send an event, then go on with the executions that waited for it, unless somebody does."""
    value = None if payload is None else _json(payload, "--payload")
    out = Output()
    with signals() as stop:
        async with open_site() as site:
            detach = detach or site.far
            ids = await site.send_event(event, value, key)
            if showing.json and (detach or not ids):
                out.json({"event": event, "key": key, "told": list(ids)})
            elif not showing.json:
                heard = f"sent to {plural(len(ids), 'execution')}" if ids else _KEPT
                out.line(f"{one_line(event)}: {heard}")
            executions = [await site.row(id) for id in ids]
            ours = [e for e in executions if await _left_to_us(site, e, detach=detach)]
            sittings = []
            for execution in ours:
                if stop.is_set():
                    break
                sitting = await _gone_on(site, execution.id, showing, stop)
                if sitting is not None:
                    sittings.append(sitting)
    return worst([sitting.end() for sitting in sittings])


async def _meant(site: Site, given: str | None) -> Question:
    """The question that an argument means."""
    if given is None:
        found = [q for q in await site.open_questions() if not q.timed]
        return _only(found, "no question is open")
    if given == LATEST:
        given = await site.whole_id(given)
    if not given.startswith("q"):
        if not _EXECUTION.fullmatch(given):
            raise InvalidInput(
                f"{given!r} is neither a question nor an execution; assay questions lists what "
                "is asked"
            )
        id = await site.whole_id(given)
        found = [q for q in await site.open_questions(id) if not q.timed]
        return _only(found, f"execution {id} asks nothing")
    return await site.question(given)


def _only(found: Sequence[Question], nothing: str) -> Question:
    if not found:
        raise QuestionNotFound(f"{nothing}; assay status shows where an execution stands")
    if len(found) > 1:
        listed = "\n".join(line.text for line in told(found, found[0].execution_id))
        raise InvalidInput(f"{len(found)} questions are open; say which one:\n{listed}")
    return found[0]


def _said(question: Question, reply: Reply) -> tuple[bool, Any]:
    """The verdict and the value. Raises `InvalidInput` for a reply that says too little."""
    value = _value(question.schema, reply)
    plain = question.kind is Wait.APPROVAL and question.schema is None
    if plain and reply.approved is None:
        raise InvalidInput(f"question {question.id} wants a yes or no: --approve or --reject")
    return reply.approved is not False, value


def _value(schema: Mapping[str, Any] | None, reply: Reply) -> Any:
    if reply.value is not None and reply.pairs:
        raise InvalidInput("--value and -v were both given; give the value once")
    if reply.value is not None:
        return _json(reply.value, "--value")
    if not reply.pairs:
        return None
    value = {}
    for pair in reply.pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise InvalidInput(f"-v {pair!r} names no value; write -v name=value")
        value[name] = _typed(schema, name, text)
    return value


def _typed(schema: Mapping[str, Any] | None, name: str, text: str) -> Any:
    """The text as the schema wants the member: JSON, unless it may be a text and is no JSON."""
    wanted = members(schema).get(name, {})
    if wanted.get("type") == "string" or text in wanted.get("enum", ()):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _json(text: str, option: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"{option} is not JSON: {error}; a text is written with quotes: '\"text\"'"
        ) from error


def _tell(question: Question, approved: bool, showing: Showing, *, alone: bool) -> None:
    out = Output()
    if showing.json:
        if alone or question.status is QuestionStatus.OPEN:
            out.json(question.to_dict())
        return
    who = place(question) or question.id
    if question.status is QuestionStatus.OPEN:
        agreed = sum(vote.approved for vote in question.votes)
        out.line(f"{who}: {agreed} of {question.wanted} have said yes; it waits for the others")
    elif question.kind is Wait.APPROVAL:
        out.line(f"{who}: {'approved' if approved else 'rejected'}")
    else:
        out.line(f"{who}: answered")


async def _gone_on(
    site: Site, execution_id: str, showing: Showing, stop: asyncio.Event
) -> Sitting | None:
    """As `go_on`; None also when it has ended elsewhere just now."""
    try:
        return await go_on(site, execution_id, showing, stop)
    except NotPossible:
        return None


async def _left_to_us(site: Site, before: Execution, *, detach: bool) -> bool:
    """Whether the execution goes on only if it does so here; says why when it does not.

    `before` is what was known of it before it was told anything.
    """
    err, id = Output(sys.stderr), before.id
    if site.far:
        if detach:
            err.line(f"{id} goes on there; to watch it: assay logs -f {id}")
        return not detach
    patience = time.monotonic() + _NOTICED
    while True:
        execution = await site.row(id)
        held = await site.elsewhere(id)
        waits = execution.status in (Status.WAITING, Status.PAUSED)
        noticed = not waits or execution.updated_at != before.updated_at
        if noticed or not held or time.monotonic() > patience:
            break
        await asyncio.sleep(_LOOK)
    if execution.status.terminal:
        return False
    if execution.status is Status.PAUSED:
        err.line(f"{id} is paused; to go on: assay resume {id}")
    elif held:
        err.line(f"{id} goes on in another process; to watch it: assay logs -f {id}")
    elif detach:
        err.line(f"{id} goes on with the next worker, or with: assay resume {id}")
    else:
        return True
    return False
