"""The server of the protocol, whatever carries it: its handlers over one asker's `Control`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import mcp_types as types
from mcp import MCPError
from mcp.server import NotificationOptions, Server

from ...graphs.errors import AssayError, StoreUnavailable, WorkflowNotFound
from . import resources
from .calling import Calling, Told
from .commands import command, commands
from .telling import refusal
from .workflows import Shelf

if TYPE_CHECKING:
    from .callers import Callers, Context
    from .listening import Listening

PATIENCE = 300.0
"""Seconds that one call waits for an execution; after that, it says how to go on waiting."""

INSTRUCTIONS = (
    "Each tool but those named assay_* runs a workflow and answers with its outputs and the id of "
    "the execution. An execution goes on when nobody waits for it: assay_status tells how it "
    "stands, assay_answer answers what it asks, assay_stop ends it."
)

_T = TypeVar("_T")
_log = logging.getLogger("assay.mcp")


def build(callers: Callers, listening: Listening, patience: float = PATIENCE) -> Server[Any]:
    """The server, for `callers`; each call waits so many seconds at most."""
    handlers = _Handlers(callers, patience)
    return _Server(
        "assay",
        title="Assay",
        version=version("assay"),
        instructions=INSTRUCTIONS,
        get_tool_input_schema=lambda _: None,
        on_list_tools=_told(handlers.list_tools),
        on_call_tool=handlers.call_tool,
        on_list_resources=_told(handlers.list_resources),
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=_told(handlers.read_resource),
        on_subscriptions_listen=_told(listening.stream),
    )


class _Server(Server[Any]):
    """Says of itself what changes here: the list of tools, not that of the resources."""

    def get_capabilities(
        self, notification_options: NotificationOptions | None = None, *args: Any, **named: Any
    ) -> types.ServerCapabilities:
        changing = NotificationOptions(tools_changed=True)
        said = super().get_capabilities(changing, *args, **named)
        if said.resources is not None:
            said.resources.list_changed = False
        return said


class _Handlers:
    def __init__(self, callers: Callers, patience: float) -> None:
        self._callers = callers
        self._patience = patience
        self._shelf = Shelf()

    async def list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        control = self._callers.control(context)
        cursor = params.cursor if params else None
        page = await self._shelf.tools(control, cursor)
        if cursor is None:
            page.tools[:0] = commands(control)
        return page

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> Told:
        control = self._callers.control(context)
        calling = Calling(context, self._callers, self._shelf, self._patience)
        try:
            done = await command(control, calling, params.name, params.arguments or {})
            if done is not None:
                return done
            workflow = await self._shelf.named(control, params.name)
            if workflow is not None:
                return await calling.run(workflow, params)
        except WorkflowNotFound:
            pass
        except AssayError as error:
            return refusal(error)
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return await resources.listing(
            self._callers.control(context), params.cursor if params else None
        )

    async def list_templates(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[*resources.TEMPLATES])

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await resources.read(self._callers.control(context), params.uri)


_Handler = Callable[["Context", Any], Awaitable[_T]]


def _told(handler: _Handler[_T]) -> _Handler[_T]:
    """The handler, with errors of ours as errors of the protocol."""

    @wraps(handler)
    async def tell(context: Context, params: Any) -> _T:
        try:
            return await handler(context, params)
        except AssayError as error:
            fault = types.INVALID_PARAMS
            if isinstance(error, StoreUnavailable):
                _log.warning("a request could not be served: %s", error.message)
                fault = types.INTERNAL_ERROR
            raise MCPError(fault, error.message, {"code": error.code}) from error

    return tell
