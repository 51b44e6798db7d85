"""How REST is asked, and the two streams of server-sent events that it has."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import httpx

from assay.api.access import Operation

from .asks import About, Ask, Caller, Told

O = Operation  # noqa: E741
DEFINITION = {
    "name": "{new}",
    "steps": [{"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}}],
}
NEW_TRIGGER = {"workflow": "{workflow}", "trigger": {"type": "manual", "id": "{new_trigger}"}}
PAST = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
KINDS = {401: "unknown", 403: "forbidden", 404: "absent"}


class Call(NamedTuple):
    """`until`: a stream that does not end by itself is read until it tells of that."""

    method: str
    path: str
    body: Any = None
    until: str = ""

    @property
    def route(self) -> str:
        """Of OpenAPI, whatever it calls its parameters."""
        return f"{self.method} {re.sub(r'{[^}]*}', '{}', self.path.partition('?')[0])}"


_THING, _LIST, _STORE = About.THING, About.LIST, About.STORE
_EXECUTION = "/v1/executions/{execution}"

ASKS = [
    Ask(O.READ_WORKFLOWS, _LIST, Call("GET", "/v1/workflows?limit=100"), "workflow"),
    Ask(O.READ_WORKFLOWS, _THING, Call("GET", "/v1/workflows/{workflow}")),
    Ask(O.READ_WORKFLOWS, _THING, Call("GET", "/v1/workflows/{workflow}?version=1")),
    Ask(O.READ_WORKFLOWS, _THING, Call("GET", "/v1/workflows/{workflow}/versions")),
    Ask(O.READ_WORKFLOWS, _THING, Call("GET", "/v1/workflows/{workflow}/diff?before=1")),
    Ask(O.VALIDATE_WORKFLOW, About.NOTHING, Call("POST", "/v1/workflows/validate", DEFINITION)),
    Ask(O.REGISTER_WORKFLOW, About.NAME, Call("POST", "/v1/workflows", DEFINITION)),
    Ask(O.DELETE_WORKFLOW, _THING, Call("DELETE", "/v1/workflows/{workflow}?version=1")),
    Ask(O.READ_EXECUTIONS, _LIST, Call("GET", "/v1/executions?limit=100"), "execution"),
    Ask(O.READ_EXECUTIONS, _THING, Call("GET", _EXECUTION)),
    Ask(O.READ_EXECUTIONS, _THING, Call("GET", f"{_EXECUTION}/steps")),
    Ask(O.READ_EXECUTIONS, _THING, Call("GET", f"{_EXECUTION}/events")),
    Ask(O.READ_EXECUTIONS, _THING, Call("GET", "/v1/executions/{failed}/fork")),
    Ask(O.START_EXECUTION, _THING, Call("POST", "/v1/executions", {"workflow": "{workflow}"})),
    Ask(O.STOP_EXECUTION, _THING, Call("POST", f"{_EXECUTION}/stop", {"reason": "enough"})),
    Ask(O.PAUSE_EXECUTION, _THING, Call("POST", f"{_EXECUTION}/pause")),
    Ask(O.RESUME_EXECUTION, _THING, Call("POST", "/v1/executions/{paused}/resume")),
    Ask(O.RETRY_EXECUTION, _THING, Call("POST", "/v1/executions/{failed}/retry")),
    Ask(O.FORK_EXECUTION, _THING, Call("POST", "/v1/executions/{ended}/fork", {"path": "say"})),
    Ask(O.DELETE_EXECUTION, _THING, Call("DELETE", "/v1/executions/{ended}")),
    Ask(O.READ_QUESTIONS, _LIST, Call("GET", "/v1/questions?limit=100"), "question"),
    Ask(O.READ_QUESTIONS, _THING, Call("GET", "/v1/questions?execution={execution}")),
    Ask(O.READ_QUESTIONS, _THING, Call("GET", "/v1/questions/{question}")),
    Ask(
        O.ANSWER_QUESTION,
        _THING,
        Call("POST", "/v1/questions/{question}/answer", {"approved": True}),
    ),
    Ask(
        O.RECORD_FEEDBACK,
        _THING,
        Call("POST", "/v1/executions/{judged}/feedback", {"path": "think", "passed": True}),
    ),
    Ask(O.SEND_EVENT, _STORE, Call("POST", "/v1/events", {"name": "paid"})),
    Ask(O.READ_TRIGGERS, _LIST, Call("GET", "/v1/triggers?limit=100"), "trigger"),
    Ask(O.READ_TRIGGERS, _THING, Call("GET", "/v1/triggers/{trigger}")),
    Ask(O.READ_TRIGGERS, _LIST, Call("GET", "/v1/schedules?limit=100"), "schedule"),
    Ask(O.READ_TRIGGERS, _LIST, Call("GET", "/v1/firings?limit=100"), "firing"),
    Ask(O.READ_TRIGGERS, _LIST, Call("GET", "/v1/firings?trigger=team-quick.hand"), "firing"),
    Ask(O.READ_TRIGGERS, _THING, Call("GET", "/v1/firings/{firing}")),
    Ask(O.CREATE_TRIGGER, _THING, Call("POST", "/v1/triggers", NEW_TRIGGER)),
    Ask(O.SWITCH_TRIGGER, _THING, Call("PATCH", "/v1/triggers/{trigger}", {"enabled": False})),
    Ask(O.FIRE_TRIGGER, _THING, Call("POST", "/v1/triggers/{trigger}/fire", {})),
    Ask(O.FIRE_TRIGGER, _THING, Call("POST", "/v1/firings/{dead}/replay")),
    Ask(O.FIRE_TRIGGER, _THING, Call("POST", "/v1/schedules/{schedule}/backfill", PAST)),
    Ask(O.DELETE_TRIGGER, _THING, Call("DELETE", "/v1/triggers/{trigger}")),
    Ask(O.READ_ARTIFACTS, _THING, Call("GET", "/v1/executions/{kept}/artifacts")),
    Ask(O.READ_ARTIFACTS, _THING, Call("GET", "/v1/executions/{kept}/artifacts/{sha}")),
    Ask(O.READ_SLOTS, _LIST, Call("GET", "/v1/slots"), "execution"),
    Ask(O.READ_STATS, About.NOTHING, Call("GET", "/v1/stats")),
    Ask(O.READ_STATS, About.NOTHING, Call("GET", "/v1/models/stats")),
    Ask(O.READ_MEMORIES, _LIST, Call("GET", "/v1/memories?limit=100"), "memory"),
    Ask(O.READ_MEMORIES, _LIST, Call("GET", "/v1/memories?workflow=team-thinks"), "memory"),
    Ask(O.FORGET_MEMORY, About.NAME, Call("DELETE", "/v1/memories/{remembers}?key=ann")),
    Ask(O.INVALIDATE_CACHE, _STORE, Call("POST", "/v1/cache/invalidate", {"prefix": ""})),
    Ask(O.READ_KEYS, _STORE, Call("GET", "/v1/keys?limit=100")),
    Ask(O.CREATE_KEY, _STORE, Call("POST", "/v1/keys", {"name": "k", "role": "viewer"})),
    Ask(O.REVOKE_KEY, _STORE, Call("DELETE", "/v1/keys/{key}")),
    Ask(O.READ_AUDIT, _STORE, Call("GET", "/v1/audit")),
]


class Rest:
    """REST, as anybody's program asks it."""

    name = "rest"
    asks = ASKS
    lacks: frozenset[Operation] = frozenset()

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(self, caller: Caller, how: Call) -> Told:
        answer = await self._http.request(
            how.method, how.path, json=how.body, headers=bearer(caller)
        )
        return told(answer)


def bearer(caller: Caller) -> dict[str, str]:
    return {} if caller.secret is None else {"Authorization": f"Bearer {caller.secret}"}


def told(answer: httpx.Response) -> Told:
    """What a status means; a refusal must say the same in its problem."""
    status = answer.status_code
    if answer.is_success:
        return Told("done", answer.text)
    problem = answer.json()
    code, kind = problem["code"], KINDS.get(status, "")
    fits = {
        "unknown": code == "not_authenticated" and "www-authenticate" in answer.headers,
        "forbidden": code == "not_authorized",
        "absent": code.endswith("_not_found"),
    }
    return Told(kind if fits.get(kind) else f"{status} {code}", json.dumps(problem))


class Streams:
    """Server-sent events, read until the fence of the caller's own has been told."""

    name = "sse"
    asks = [  # noqa: RUF012
        Ask(
            O.READ_EXECUTIONS, _LIST, Call("GET", "/v1/events?after=", until="{fence}"), "execution"
        ),
        Ask(O.READ_EXECUTIONS, _THING, Call("GET", "/v1/executions/{ended}/events")),
    ]
    lacks = frozenset(O) - {O.READ_EXECUTIONS}

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=60, headers={"Accept": "text/event-stream"}
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(self, caller: Caller, how: Call) -> Told:
        async with self._http.stream(how.method, how.path, headers=bearer(caller)) as answer:
            if not answer.is_success:
                await answer.aread()
                return told(answer)
            assert answer.headers["content-type"].startswith("text/event-stream")
            text = ""
            async for part in answer.aiter_text():
                text += part
                if how.until and how.until in text:
                    break
        return Told("done", text)
