"""Executions and the files they kept, as resources that a client lists and reads."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import anyio
import mcp_types as types

from ...graphs.errors import ArtifactNotFound, ExecutionNotFound, InvalidInput
from ...graphs.listing import every
from .reporting import report
from .telling import as_json, execution_uri

if TYPE_CHECKING:
    from ...graphs.stored import ArtifactInfo
    from ..control import Control

LARGEST = 8 << 20
"""Bytes of the largest file that is read over this protocol, which has no parts."""

EVENTS = 1000
"""Events that are read at once."""

_JSON, _MARKDOWN = "application/json", "text/markdown"
_EXECUTIONS, _ARTIFACTS = "assay://executions/", "assay://artifacts/"

TEMPLATES = (
    types.ResourceTemplate(
        name="execution",
        uri_template=f"{_EXECUTIONS}{{id}}",
        description="An execution with its steps, inputs and outputs.",
        mime_type=_JSON,
    ),
    types.ResourceTemplate(
        name="events",
        uri_template=f"{_EXECUTIONS}{{id}}/events{{?after}}",
        description="What has happened to an execution, in order, after the event of that `seq`; "
        f"{EVENTS} at a time, and `next` is where to go on.",
        mime_type=_JSON,
    ),
    types.ResourceTemplate(
        name="report",
        uri_template=f"{_EXECUTIONS}{{id}}/report",
        description="An execution in words: how it ended, what it gave, what each step came to.",
        mime_type=_MARKDOWN,
    ),
    types.ResourceTemplate(
        name="artifact",
        uri_template=f"{_ARTIFACTS}{{execution}}/{{name}}",
        description="A file that a step of an execution kept, the last one of that name.",
    ),
)


async def listing(control: Control, cursor: str | None) -> types.ListResourcesResult:
    """Executions, newest first."""
    page = await control.executions(after=cursor)
    return types.ListResourcesResult(
        resources=[
            types.Resource(
                name=f"{e.workflow}@{e.version}",
                uri=execution_uri(e.id),
                description=f"{e.status.value}, began {e.created_at}",
                mime_type=_JSON,
            )
            for e in page.items
        ],
        next_cursor=page.cursor,
    )


async def read(control: Control, uri: str) -> types.ReadResourceResult:
    """What is at the URI. Raises `ExecutionNotFound`, `ArtifactNotFound`, `InvalidInput`."""
    if uri.startswith(_ARTIFACTS):
        id, slash, name = uri.removeprefix(_ARTIFACTS).partition("/")
        if not slash:
            raise InvalidInput(f"{uri[:200]!r} names no file: {_ARTIFACTS}EXECUTION/NAME")
        return await _file(control, uri, await _kept(control, unquote(id), unquote(name)))
    id, part, query = _parsed(uri)
    if part == "events":
        return _text(uri, _JSON, as_json(await _events(control, id, query)))
    execution = await control.execution(id)
    if part == "report":
        return _text(uri, _MARKDOWN, report(execution))
    return _text(uri, _JSON, as_json(execution.to_dict()))


def execution_of(uri: str) -> str:
    """The id of the execution that the URI speaks of. Raises `InvalidInput`."""
    return _parsed(uri)[0]


def _parsed(uri: str) -> tuple[str, str, str]:
    """The execution's id, what of it, and the query."""
    path, _, query = uri.removeprefix(_EXECUTIONS).partition("?")
    id, slash, part = path.partition("/")
    whole = part in ("events", "report") if slash else True
    if not (uri.startswith(_EXECUTIONS) and id and whole):
        raise InvalidInput(
            f"{uri[:200]!r} is nothing here; there are: {_EXECUTIONS}… {_ARTIFACTS}…"
        )
    return unquote(id), part, query


async def _events(control: Control, id: str, query: str) -> dict[str, Any]:
    after = (parse_qs(query).get("after") or ["0"])[-1]
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise InvalidInput(f"after={after[:60]!r} is not the `seq` of an event")
    events: list[dict[str, Any]] = []
    async for event in await control.events(id, after=int(after)):
        if len(events) == EVENTS:
            return {
                "events": events,
                "next": execution_uri(id, f"/events?after={events[-1]['seq']}"),
            }
        events.append(event.to_dict())
    return {"events": events, "next": None}


async def _kept(control: Control, execution_id: str, name: str) -> ArtifactInfo:
    kept = every(control.artifacts, execution_id, limit=100)
    try:
        async for info in kept:
            if info.name == name:
                return info
    except ExecutionNotFound as error:
        raise ArtifactNotFound(error.message) from error
    raise ArtifactNotFound(f"execution {execution_id} has kept nothing as {name!r}")


async def _file(control: Control, uri: str, info: ArtifactInfo) -> types.ReadResourceResult:
    if info.size > LARGEST:
        raise InvalidInput(
            f"{info.name!r} has {info.size:,} bytes, and at most {LARGEST:,} are read here; "
            "read it over REST"
        )
    _, found = await control.artifact(info.execution_id, info.sha256)
    content = await anyio.Path(found).read_bytes() if isinstance(found, Path) else found
    kind = mimetypes.guess_type(info.file)[0]
    try:
        return _text(uri, kind or "text/plain", content.decode())
    except UnicodeDecodeError:
        contents = types.BlobResourceContents(
            uri=uri,
            mime_type=kind or "application/octet-stream",
            blob=base64.b64encode(content).decode(),
        )
        return types.ReadResourceResult(contents=[contents])


def _text(uri: str, kind: str, text: str) -> types.ReadResourceResult:
    contents = types.TextResourceContents(uri=uri, mime_type=kind, text=text)
    return types.ReadResourceResult(contents=[contents])
