"""How MCP is asked: single requests, as the protocol has them since 2026."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx

from assay.api.access import Operation

from .asks import About, Ask, Caller, Told
from .rest import bearer, told

O = Operation  # noqa: E741
_THING, _LIST = About.THING, About.LIST
VERSION = "2026-07-28"


class Method(NamedTuple):
    name: str
    params: dict[str, Any]

    @property
    def about(self) -> str:
        """What the header of the request must name."""
        said = self.params.get("name", self.params.get("uri", ""))
        assert isinstance(said, str)
        return said


def tool(name: str, **given: Any) -> Method:
    return Method("tools/call", {"name": name, "arguments": given})


def resource(uri: str) -> Method:
    return Method("resources/read", {"uri": f"assay://{uri}"})


ASKS = [
    Ask(O.READ_WORKFLOWS, _LIST, Method("tools/list", {}), "workflow", to=O.START_EXECUTION),
    Ask(O.READ_EXECUTIONS, _LIST, Method("resources/list", {}), "execution"),
    Ask(O.READ_EXECUTIONS, _THING, resource("executions/{execution}")),
    Ask(O.READ_EXECUTIONS, _THING, resource("executions/{ended}/events")),
    Ask(O.READ_EXECUTIONS, _THING, resource("executions/{ended}/report")),
    Ask(O.READ_EXECUTIONS, _LIST, tool("assay_list"), "execution"),
    Ask(O.READ_EXECUTIONS, _THING, tool("assay_status", execution_id="{execution}")),
    Ask(O.READ_ARTIFACTS, _THING, resource("artifacts/{kept}/plan")),
    Ask(O.START_EXECUTION, _THING, tool("{workflow}")),
    Ask(O.STOP_EXECUTION, _THING, tool("assay_stop", execution_id="{execution}")),
    Ask(O.ANSWER_QUESTION, _THING, tool("assay_answer", question_id="{question}", approved=True)),
]


class Mcp:
    """MCP, as an agent's program asks it."""

    name = "mcp"
    asks = ASKS
    lacks = frozenset(O) - {ask.operation for ask in ASKS}

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(self, caller: Caller, how: Method) -> Told:
        client = {"name": "matrix", "version": "1"}
        meta = {"protocolVersion": VERSION, "clientInfo": client, "clientCapabilities": {}}
        named = {f"io.modelcontextprotocol/{name}": each for name, each in meta.items()}
        params = {**how.params, "_meta": named}
        answer = await self._http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": how.name, "params": params},
            headers=httpx.Headers(
                {
                    "Accept": "application/json, text/event-stream",
                    "MCP-Protocol-Version": VERSION,
                    "Mcp-Method": how.name,
                    "Mcp-Name": how.about,
                    **bearer(caller),
                },
                encoding="utf-8",
            ),
        )
        if answer.status_code == 401:
            return told(answer)
        return _said(answer.json(), answer.text)


def _said(body: Any, text: str) -> Told:
    """An error of the protocol, or of the tool."""
    if "error" in body:
        message = body["error"]["message"]
        code = (body["error"].get("data") or {}).get("code", "")
        if message.startswith("Unknown tool"):
            code = "workflow_not_found"
    else:
        structured = body["result"].get("structuredContent") or {}
        if not body["result"].get("isError") or "execution_id" in structured:
            return Told("done", text)
        code = structured["error"]["code"]
    kinds = {"not_authorized": "forbidden"}
    return Told("absent" if code.endswith("_not_found") else kinds.get(code, code), text)


def listed(body: str) -> list[str]:
    """The names of the tools in the answer to `tools/list`."""
    return [each["name"] for each in json.loads(body)["result"]["tools"]]
