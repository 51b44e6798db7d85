"""What is kept and held: artifacts, the cache of steps, units of concurrency keys."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import asdict
from pathlib import Path as Folder
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from ..problems import problem
from ..shapes import Artifact, Deleted, Holding, Invalidate, Listed
from .answers import After, Asking, Id, JsonRoute, Limit, describes, matches

router = APIRouter(route_class=JsonRoute)

_SHOWN = frozenset(
    {
        *("application/json", "application/pdf", "image/gif", "image/jpeg", "image/png"),
        *("image/webp", "text/csv", "text/plain"),
    }
)
"""What a browser may show as what it is: nothing of it is a program."""

_PART = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


@router.get(
    "/executions/{id}/artifacts",
    tags=["artifacts"],
    response_model=Listed[Artifact],
    responses=describes(404),
)
async def list_artifacts(
    control: Asking, id: Id, after: After = None, limit: Limit = 50
) -> Listed[Artifact]:
    """Files that the execution's steps kept, newest first."""
    page = await control.artifacts(id, after=after, limit=limit)
    items = [Artifact.model_validate(each, from_attributes=True) for each in page.items]
    return Listed(items=items, next=page.cursor)


@router.get(
    "/executions/{id}/artifacts/{sha256}",
    tags=["artifacts"],
    response_class=Response,
    responses={
        200: {
            "description": "The bytes, always to be saved and never to be shown.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {
            "description": "The part that `Range` names, where the store keeps files on disk.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "It is what `If-None-Match` names."},
        **describes(404, 416),
    },
)
async def get_artifact(
    control: Asking,
    request: Request,
    id: Id,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
) -> Response:
    """The bytes of a file that a step kept."""
    info, kept = await control.artifact(id, sha256)
    tag = f'"{sha256}"'
    name = Folder(info.file).name or info.name
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {
        "ETag": tag,
        "Cache-Control": "private, immutable, max-age=31536000",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if matches(request, tag):
        return Response(status_code=304, headers=headers)
    kind = kind if kind in _SHOWN else "application/octet-stream"
    if isinstance(kept, Folder):
        if _beyond(request, info.size):
            says = f"The file has {info.size:,} bytes."
            return problem(416, "no_such_part", says, {"Content-Range": f"bytes */{info.size}"})
        return FileResponse(kept, media_type=kind, headers=headers)
    return Response(kept, media_type=kind, headers=headers)


@router.post("/cache/invalidate", tags=["cache"], response_model=Deleted)
async def invalidate_cache(control: Asking, which: Invalidate) -> Deleted:
    """Forget cached results of steps."""
    return Deleted(deleted=await control.invalidate_cache(which.prefix))


@router.get("/slots", tags=["slots"], response_model=list[Holding])
async def list_slots(
    control: Asking, key: Annotated[str | None, Query(max_length=1000)] = None
) -> list[Holding]:
    """Who holds units of a concurrency key, then who waits for one, in order of turn."""
    return [Holding.model_validate(asdict(each)) for each in await control.slots(key)]


def _beyond(request: Request, size: int) -> bool:
    """Whether nothing is left of the part that is asked for. What is no single part is not
    looked at any further: the whole answers it."""
    found = _PART.fullmatch(request.headers.get("range", ""))
    if found is None:
        headers = request.scope["headers"]
        request.scope["headers"] = [each for each in headers if each[0] != b"range"]
        return False
    start, end, last = found.groups()
    if last is not None:
        return not (int(last) and size)
    return int(start) >= size or (end != "" and int(end) < int(start))
