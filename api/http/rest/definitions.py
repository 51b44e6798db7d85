"""`/v1/workflows`: register, read, compare, validate and delete definitions."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import yaml
from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from ....graphs.errors import InvalidSpec
from ....graphs.launching import Source
from ....graphs.stored import WorkflowInfo
from ....graphs.workflow import Workflow
from ...digest import digest_of
from ..problems import list_of
from ..shapes import Definition, Deleted, Difference, Listed, Registered, Verdict
from ..shapes import Version as VersionRow
from .answers import TAGGED, After, Asking, JsonRoute, Limit, Name, Version, describes, tagged
from .examples import DEFINITION

router = APIRouter(prefix="/workflows", tags=["workflows"], route_class=JsonRoute)

_YAML = ("application/yaml", "application/x-yaml", "text/yaml")

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A definition, as its author wrote it; 1 MiB at most.",
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": DEFINITION},
            "application/yaml": {
                "schema": {"type": "string"},
                "example": yaml.safe_dump(DEFINITION, sort_keys=False),
            },
        },
    }
}

_ANY: dict[str, Any] = {
    "requestBody": {
        **_BODY["requestBody"],
        "description": "Anything: what is wrong with it is told.",
        "content": {
            kind: {**content, "schema": {}}
            for kind, content in _BODY["requestBody"]["content"].items()
        },
    }
}


async def _source(request: Request) -> Source:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and kind not in _YAML:
        raise HTTPException(
            415, f"{kind or 'nothing'} is no definition; send application/json or application/yaml"
        )
    return Source(await request.body(), json=kind == "application/json")


@router.post(
    "",
    status_code=201,
    response_model=Registered,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **describes(409),
    },
    openapi_extra=_BODY,
)
async def register_workflow(control: Asking, request: Request, response: Response) -> Registered:
    """Keep a definition under its name and version, for good."""
    workflow = await control.register(await _source(request))
    response.headers["Location"] = _place(workflow)
    return Registered(name=workflow.name, version=workflow.version, digest=workflow.digest)


@router.post("/validate", response_model=Verdict, openapi_extra=_ANY)
async def validate_workflow(control: Asking, request: Request) -> Verdict:
    """Everything that is wrong or doubtful in a definition; nothing is kept."""
    try:
        program = await control.validate(await _source(request))
    except InvalidSpec as error:
        return _verdict(False, list_of(error.problems))
    return _verdict(True, list_of(program.warnings))


def _verdict(valid: bool, problems: list[dict[str, Any]]) -> Verdict:
    return Verdict.model_validate({"valid": valid, "problems": problems})


@router.get("", response_model=Listed[VersionRow])
async def list_workflows(
    control: Asking, after: After = None, limit: Limit = 50
) -> Listed[VersionRow]:
    """Registered versions by name, newest version first."""
    page = await control.workflows(after=after, limit=limit)
    return Listed(items=[_version(each) for each in page.items], next=page.cursor)


@router.get("/{name}", response_model=Definition, responses={**TAGGED, **describes(404)})
async def get_workflow(
    control: Asking, request: Request, name: Name, version: Version | None = None
) -> Response:
    """The definition of a version, of the newest one when none is named."""
    document = await control.workflow(name, version)
    return tagged(
        request,
        Definition(
            name=name,
            version=str(document.get("version", "1")),
            digest=digest_of(document),
            document=dict(document),
        ),
    )


@router.get("/{name}/versions", response_model=Listed[VersionRow], responses=describes(404))
async def list_versions(
    control: Asking, name: Name, after: After = None, limit: Limit = 50
) -> Listed[VersionRow]:
    """The versions of a workflow, newest first."""
    page = await control.versions(name, after=after, limit=limit)
    return Listed(items=[_version(each) for each in page.items], next=page.cursor)


@router.get("/{name}/diff", response_model=Difference, responses=describes(404))
async def compare_versions(
    control: Asking,
    name: Name,
    before: Version,
    after: Annotated[
        str | None, Query(min_length=1, max_length=50, description="Absent: the newest.")
    ] = None,
) -> Difference:
    """What has changed between two versions."""
    old, new = await control.workflow(name, before), await control.workflow(name, after)
    later = str(new.get("version", "1"))
    # Two long texts with little in common take seconds.
    said = await asyncio.to_thread(_diff, old, new, f"{name}@{before}", f"{name}@{later}")
    return Difference(name=name, before=before, after=later, same=not said, diff=said)


@router.delete("/{name}", response_model=Deleted, responses=describes(404, 409))
async def delete_workflow(control: Asking, name: Name, version: Version | None = None) -> Deleted:
    """Forget one version, or all, that no execution runs on."""
    return Deleted(deleted=await control.delete_workflow(name, version))


def _diff(old: Mapping[str, Any], new: Mapping[str, Any], before: str, after: str) -> str:
    return "".join(difflib.unified_diff(_lines(old), _lines(new), before, after))


def _lines(document: Mapping[str, Any]) -> list[str]:
    text: str = yaml.safe_dump(dict(document), sort_keys=True, allow_unicode=True, width=1000)
    return text.splitlines(keepends=True)


def _version(info: WorkflowInfo) -> VersionRow:
    return VersionRow.model_validate(info, from_attributes=True)


def _place(workflow: Workflow) -> str:
    return f"/v1/workflows/{workflow.name}?version={quote(workflow.version, safe='')}"
