"""The part of a client that keeps and reads definitions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from ...graphs.errors import InvalidSpec, Problem, WorkflowNotFound
from ...graphs.stored import WorkflowInfo
from .asking import Asking
from .reading import Registered, problems_of, record, segment

Definition = Mapping[str, Any] | str | Path
"""A document, or the file that holds one, in YAML or JSON."""


class Definitions(Asking):
    async def register(self, definition: Definition) -> Registered:
        """Keep a definition under its name and version, for good; the same again changes nothing.

        Raises `InvalidSpec` with everything that is wrong, `WorkflowConflict`.
        """
        sent = _read(definition)
        try:
            found = await self._server.ask(
                "POST", "/v1/workflows", content=sent.body, headers=sent.headers, again=True
            )
        except InvalidSpec as error:
            raise _placed(error.problems, sent.source) from error
        return record_of_version(found)

    async def validate(self, definition: Definition) -> Sequence[Problem]:
        """What is doubtful in a definition; nothing is kept. Raises `InvalidSpec`."""
        sent = _read(definition)
        found = await self._server.ask(
            "POST", "/v1/workflows/validate", content=sent.body, headers=sent.headers, again=True
        )
        problems = problems_of(found["problems"], sent.source)
        if not found["valid"]:
            raise InvalidSpec(problems)
        return problems

    def workflows(self) -> AsyncGenerator[WorkflowInfo]:
        """Registered versions by name, newest version first."""
        return self._listed("/v1/workflows", partial(record, WorkflowInfo))

    def versions(self, name: str) -> AsyncGenerator[WorkflowInfo]:
        """Those of one workflow, newest first. Raises `WorkflowNotFound`."""
        return self._listed(
            f"/v1/workflows/{segment(name)}/versions", partial(record, WorkflowInfo)
        )

    async def workflow(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        """The document of a version, of the newest when none is named."""
        found = await self._get(f"/v1/workflows/{segment(name)}", version=version)
        document: Mapping[str, Any] = found["document"]
        return document

    async def diff(self, name: str, before: str, after: str | None = None) -> str:
        """What has changed since a version, as a unified diff; empty: nothing."""
        found = await self._get(f"/v1/workflows/{segment(name)}/diff", before=before, after=after)
        return str(found["diff"])

    async def delete_workflow(self, name: str, version: str | None = None) -> int:
        """Forget one version, or all, that no execution runs on; how many are gone."""
        found = await self._server.ask(
            "DELETE", f"/v1/workflows/{segment(name)}", params={"version": version}
        )
        return int(found["deleted"])


class _Sent(NamedTuple):
    body: bytes
    source: str
    json: bool = True

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Type": "application/json" if self.json else "application/yaml"}


def _read(definition: Definition) -> _Sent:
    if isinstance(definition, Mapping):
        try:
            return _Sent(orjson.dumps(dict(definition)), "workflow")
        except TypeError as error:
            raise InvalidSpec(
                problems_of([{"at": "", "message": str(error)}], "workflow")
            ) from error
    path = Path(definition)
    try:
        body = path.read_bytes()
    except OSError as error:
        raise WorkflowNotFound(
            f"the definition {path} cannot be read: {error.strerror}; check the path"
        ) from error
    return _Sent(body, str(path), path.suffix == ".json")


def _placed(problems: Sequence[Problem], source: str) -> InvalidSpec:
    return InvalidSpec(
        [Problem(source, p.position, p.message, p.path, p.warning) for p in problems]
    )


def record_of_version(found: Mapping[str, Any]) -> Registered:
    return Registered(found["name"], found["version"], found["digest"])
