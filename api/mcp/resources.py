"""Executions and the files they kept, as resources that a client lists and reads."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio
import mcp_types as types

from ...graphs.errors import ArtifactNotFound, ExecutionNotFound, InvalidInput
from .telling import as_json, execution_uri

if TYPE_CHECKING:
    from ...graphs.stored import ArtifactInfo
    from ..control import Control

LARGEST = 8 << 20
"""Bytes of the largest file that is read over this protocol, which has no parts."""

_JSON = "application/json"
_EXECUTIONS, _ARTIFACTS = "assay://executions/", "assay://artifacts/"

TEMPLATES = (
    types.ResourceTemplate(
        name="execution",
        uri_template=f"{_EXECUTIONS}{{id}}",
        description="An execution with its steps, inputs and outputs.",
        mime_type=_JSON,
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
    if uri.startswith(_EXECUTIONS):
        execution = await control.execution(uri.removeprefix(_EXECUTIONS))
        text = as_json(execution.to_dict())
        contents = types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)
        return types.ReadResourceResult(contents=[contents])
    id, slash, name = uri.removeprefix(_ARTIFACTS).partition("/")
    if not uri.startswith(_ARTIFACTS) or not slash:
        raise InvalidInput(
            f"{uri[:200]!r} is nothing here; there are: {_EXECUTIONS}… {_ARTIFACTS}…"
        )
    return await _file(control, uri, await _kept(control, id, unquote(name)))


async def _kept(control: Control, execution_id: str, name: str) -> ArtifactInfo:
    after: str | None = None
    while True:
        try:
            page = await control.artifacts(execution_id, after=after, limit=100)
        except ExecutionNotFound as error:
            raise ArtifactNotFound(error.message) from error
        for info in page.items:
            if info.name == name:
                return info
        if (after := page.cursor) is None:
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
    contents: types.TextResourceContents | types.BlobResourceContents
    try:
        contents = types.TextResourceContents(
            uri=uri, mime_type=kind or "text/plain", text=content.decode()
        )
    except UnicodeDecodeError:
        contents = types.BlobResourceContents(
            uri=uri,
            mime_type=kind or "application/octet-stream",
            blob=base64.b64encode(content).decode(),
        )
    return types.ReadResourceResult(contents=[contents])
