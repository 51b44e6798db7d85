"""The tools of all servers of a step, as the agent has them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import mcp_types as types
import orjson
from langchain_core.utils.function_calling import convert_to_openai_tool

from ...graphs.thinking import AgentTask, Leash, ToolServer
from ..tools import Offer, Reach, bounded, clean
from .session import Session

_NAME_LIMIT = 64
_DESCRIPTION_LIMIT = 4_000
_SCHEMA_LIMIT = 64_000
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


@asynccontextmanager
async def offered(
    task: AgentTask, reach: Reach, leash: Leash
) -> AsyncIterator[tuple[list[Offer], list[str]]]:
    """What the servers of the task offer its agent, and what is to be said of that.

    Raises `ToolServerFailed`, `NotAllowed` or `ConfigurationError`.
    """
    offers: list[Offer] = []
    notices: list[str] = []
    async with AsyncExitStack() as stack:
        for server in task.servers:
            if server.url is not None and reach.profile.network == "none":
                notices.append(
                    f"security profile {reach.profile.name!r} withholds the MCP server "
                    f"{server.name!r}: it is across the network"
                )
                continue
            session = Session(server, reach)
            tools = await stack.enter_async_context(session.open())
            for tool in _allowed(server, tools, notices):
                name = tool_name(server.name, tool.name)
                if task.allowed_tools is not None and name not in task.allowed_tools:
                    continue
                offer = _offer(session, name, tool, leash)
                if _usable(offer):
                    offers.append(offer)
                else:
                    notices.append(f"the tool {name!r} has a schema that cannot be used: withheld")
        yield offers, notices


def tool_name(server: str, tool: str) -> str:
    """What the model calls it: `server__tool`, as far as models may say that."""
    name = _FOREIGN.sub("_", f"{server}__{tool}")
    if len(name) > _NAME_LIMIT or name != f"{server}__{tool}":
        mark = hashlib.sha256(tool.encode()).hexdigest()[:8]
        name = f"{name[: _NAME_LIMIT - len(mark) - 1]}-{mark}"
    return name


def _allowed(
    server: ToolServer, tools: Sequence[types.Tool], notices: list[str]
) -> list[types.Tool]:
    """Those that the step allows, each once."""
    there = {tool.name: tool for tool in reversed(tools)}
    missing = [name for name in server.allow if name != "*" and name not in there]
    if missing:
        notices.append(f"the MCP server {server.name!r} has no tool {', '.join(missing)}")
    every = "*" in server.allow
    return [there[name] for name in sorted(there) if every or name in server.allow]


def _offer(session: Session, name: str, tool: types.Tool, leash: Leash) -> Offer:
    said = leash.masked(tool.description or tool.title or tool.name)
    described = bounded(clean(said), limit=_DESCRIPTION_LIMIT)
    schema = {"properties": {}, **leash.masked(tool.input_schema), "type": "object"}
    return Offer(name, described, schema, partial(session.call, tool.name))


def _usable(offer: Offer) -> bool:
    """Whether a model can be told of it: a server may say anything."""
    try:
        if len(orjson.dumps(offer.schema)) > _SCHEMA_LIMIT:
            return False
        convert_to_openai_tool({"title": offer.name, "description": "", **offer.schema})  # type: ignore[dict-item]
    except Exception:
        return False
    return True
