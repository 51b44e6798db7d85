"""Workflows as tools: which ones an asker may start, what each takes, which one a tool is."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import mcp_types as types
import orjson

from ...graphs.errors import AssayError, InvalidInput
from ...graphs.listing import every
from ..access import Operation
from .forms import inputs_schema
from .naming import is_plain, tool_name
from .telling import OUTCOME

if TYPE_CHECKING:
    from ...graphs.stored import WorkflowInfo
    from ..control import Control

PAGE = 50
_KNOWN = 512


class Shape(NamedTuple):
    """What a definition takes, and how many steps its root list has."""

    takes: dict[str, Any]
    steps: int


class Shelf:
    """Remembers the shapes of definitions by digest: a digest never means another one."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[str, Shape] = OrderedDict()

    async def tools(self, control: Control, cursor: str | None) -> types.ListToolsResult:
        """A page of the newest versions of what the asker may start.

        Raises `InvalidInput` for a cursor that is none.
        """
        last, after = _read(cursor)
        page = await control.workflows(after=after, limit=PAGE)
        tools = []
        for info in page.items:
            newest, last = info.name != last, info.name
            if newest and control.may(Operation.START_EXECUTION, info.name):
                tools.append(await self._tool(control, info))
        more = None if page.cursor is None else _write(last, page.cursor)
        return types.ListToolsResult(tools=tools, next_cursor=more)

    async def named(self, control: Control, tool: str) -> str | None:
        """The workflow that a tool is; None when no workflow has that name as a tool."""
        if is_plain(tool):
            return tool
        async for info in every(control.workflows, limit=100):
            if tool_name(info.name) == tool:
                return info.name
        return None

    async def shape(self, control: Control, name: str, version: str, digest: str) -> Shape:
        if digest not in self._shapes:
            try:
                program = await control.validate(await control.workflow(name, version))
            except AssayError:
                # One that this version cannot load is refused when it is called, with reasons.
                return Shape({"type": "object"}, 0)
            self._shapes[digest] = Shape(inputs_schema(program.workflow.inputs), len(program.steps))
            if len(self._shapes) > _KNOWN:
                self._shapes.popitem(last=False)
        return self._shapes[digest]

    async def _tool(self, control: Control, info: WorkflowInfo) -> types.Tool:
        shape = await self.shape(control, info.name, info.version, info.digest)
        return types.Tool(
            name=tool_name(info.name),
            title=info.name,
            description=info.description or f"Runs the workflow {info.name}.",
            input_schema=shape.takes,
            output_schema=OUTCOME,
            _meta={"assay/workflow": info.name, "assay/version": info.version},
        )


def _write(last: str, after: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([last, after])).decode()


def _read(cursor: str | None) -> tuple[str, str | None]:
    if cursor is None:
        return "", None
    try:
        last, after = orjson.loads(base64.b64decode(cursor, b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise InvalidInput(f"{cursor[:60]!r} is no cursor of this list") from None
    if not isinstance(last, str) or not isinstance(after, str):
        raise InvalidInput(f"{cursor[:60]!r} is no cursor of this list")
    return last, after
