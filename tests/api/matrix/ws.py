"""How `/v1/ws` is asked: one connection for each caller, one ask after the other."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection

from assay.api.access import Operation

from .asks import About, Ask, Caller, Told
from .doors import OUT, heard, opened
from .rest import DEFINITION, NEW_TRIGGER, PAST

O = Operation  # noqa: E741
_THING, _LIST, _STORE = About.THING, About.LIST, About.STORE
_LAST = ("result", "answer", "ended", "error")


class Frame(NamedTuple):
    """`until`: a subscription that does not end by itself is heard until it tells of that."""

    fields: dict[str, Any]
    until: str = ""


def run(operation: Operation, about: About, command: str, shows: str = "", **given: Any) -> Ask:
    fields = {"type": "command", "command": command, "arguments": given}
    return Ask(operation, about, Frame(fields), shows)


def follow(about: About, shows: str = "", until: str = "", **fields: Any) -> Ask:
    return Ask(O.READ_EXECUTIONS, about, Frame({"type": "subscribe", **fields}, until), shows)


ASKS = [
    run(O.READ_WORKFLOWS, _LIST, "list_workflows", "workflow", limit=100),
    run(O.READ_WORKFLOWS, _THING, "get_workflow", name="{workflow}"),
    run(O.READ_WORKFLOWS, _THING, "list_versions", name="{workflow}"),
    run(O.READ_WORKFLOWS, _THING, "compare_versions", name="{workflow}", before="1"),
    run(O.VALIDATE_WORKFLOW, About.NOTHING, "validate_workflow", definition=DEFINITION),
    run(O.REGISTER_WORKFLOW, About.NAME, "register_workflow", definition=DEFINITION),
    run(O.DELETE_WORKFLOW, _THING, "delete_workflow", name="{workflow}", version="1"),
    run(O.READ_EXECUTIONS, _LIST, "list_executions", "execution", limit=100),
    run(O.READ_EXECUTIONS, _THING, "get_execution", id="{execution}"),
    run(O.READ_EXECUTIONS, _THING, "get_steps", id="{execution}"),
    run(O.READ_EXECUTIONS, _THING, "list_events", id="{execution}"),
    run(O.READ_EXECUTIONS, _THING, "plan_fork", id="{failed}"),
    follow(_THING, execution="{ended}"),
    follow(_LIST, "execution", until="{fence}", events={"workflow": "*"}, after=""),
    run(O.START_EXECUTION, _THING, "start_execution", workflow="{workflow}"),
    Ask(
        O.START_EXECUTION,
        _THING,
        Frame({"type": "say", "workflow": "{chat}", "message": "hi", "session": "s"}),
    ),
    run(O.STOP_EXECUTION, _THING, "stop_execution", id="{execution}"),
    run(O.PAUSE_EXECUTION, _THING, "pause_execution", id="{execution}"),
    run(O.RESUME_EXECUTION, _THING, "resume_execution", id="{paused}"),
    run(O.RETRY_EXECUTION, _THING, "retry_execution", id="{failed}"),
    run(O.FORK_EXECUTION, _THING, "fork_execution", id="{ended}", path="say"),
    run(O.DELETE_EXECUTION, _THING, "delete_execution", id="{ended}"),
    run(O.READ_QUESTIONS, _LIST, "list_questions", "question", limit=100),
    run(O.READ_QUESTIONS, _THING, "list_questions", execution="{execution}"),
    run(O.READ_QUESTIONS, _THING, "get_question", id="{question}"),
    run(O.ANSWER_QUESTION, _THING, "answer_question", id="{question}", approved=True),
    run(O.RECORD_FEEDBACK, _THING, "record_feedback", id="{judged}", path="think", passed=True),
    run(O.READ_TRIGGERS, _LIST, "list_triggers", "trigger", limit=100),
    run(O.READ_TRIGGERS, _THING, "get_trigger", id="{trigger}"),
    run(O.READ_TRIGGERS, _LIST, "list_schedules", "schedule", limit=100),
    run(O.READ_TRIGGERS, _LIST, "list_firings", "firing", limit=100),
    run(O.READ_TRIGGERS, _THING, "get_firing", id="{firing}"),
    run(
        O.CREATE_TRIGGER,
        _THING,
        "create_trigger",
        workflow="{workflow}",
        trigger=NEW_TRIGGER["trigger"],
    ),
    run(O.SWITCH_TRIGGER, _THING, "switch_trigger", id="{trigger}", enabled=False),
    run(O.FIRE_TRIGGER, _THING, "fire_trigger", id="{trigger}"),
    run(O.FIRE_TRIGGER, _THING, "replay_firing", id="{dead}"),
    run(O.FIRE_TRIGGER, _THING, "backfill_schedule", id="{schedule}", **PAST),
    run(O.DELETE_TRIGGER, _THING, "delete_trigger", id="{trigger}"),
    run(O.SEND_EVENT, _STORE, "send_event", name="paid"),
    run(O.READ_ARTIFACTS, _THING, "list_artifacts", id="{kept}"),
    run(O.READ_SLOTS, _LIST, "list_slots", "execution"),
    run(O.READ_STATS, About.NOTHING, "get_stats"),
    run(O.READ_STATS, About.NOTHING, "list_model_stats"),
    run(O.READ_MEMORIES, _LIST, "list_memories", "memory", limit=100),
    run(O.FORGET_MEMORY, About.NAME, "forget_memory", workflow="{remembers}", key="ann"),
    run(O.INVALIDATE_CACHE, _STORE, "invalidate_cache", prefix=""),
    run(O.READ_KEYS, _STORE, "list_keys", limit=100),
    run(O.CREATE_KEY, _STORE, "create_key", name="k", role="viewer"),
    run(O.REVOKE_KEY, _STORE, "revoke_key", id="{key}"),
    run(O.READ_AUDIT, _STORE, "list_audit"),
]


class Ws:
    """The WebSocket of Assay's own protocol."""

    name = "ws"
    asks = ASKS
    lacks: frozenset[Operation] = frozenset()

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/ws"
        self._open: dict[str, ClientConnection] = {}

    async def aclose(self) -> None:
        for socket in self._open.values():
            await socket.close()

    async def ask(self, caller: Caller, how: Frame) -> Told:
        if caller.secret is None:
            async with opened(self._url, {}) as socket:
                await socket.send('{"type": "hello"}')
                await socket.send(json.dumps({"id": "a", **how.fields}))
                said = await heard(socket, "welcome", 4401)
                return Told("unknown" if said == OUT else said, said)
        if caller.id not in self._open:
            self._open[caller.id] = await opened(self._url, {})
            await self._open[caller.id].send(json.dumps({"type": "hello", "key": caller.secret}))
            assert json.loads(await self._open[caller.id].recv())["type"] == "welcome"
        socket = self._open[caller.id]
        await socket.send(json.dumps({"id": "a", **how.fields}))
        return await self._told(socket, how.until)

    async def _told(self, socket: ClientConnection, until: str) -> Told:
        """Everything under the id of the ask, until its last frame."""
        text = ""
        while True:
            said = await socket.recv()
            assert isinstance(said, str)
            frame = json.loads(said)
            if frame["type"] == "ping":
                continue  # it has been quiet, on this connection
            text += said
            if until and until in said:
                await socket.send('{"type": "unsubscribe", "id": "a"}')
                until = ""
            if frame["type"] in _LAST and frame["id"] == "a":
                break
        if frame["type"] != "error":
            return Told("done", text)
        code = frame["error"]["code"]
        kinds = {"not_authorized": "forbidden"}
        return Told("absent" if code.endswith("_not_found") else kinds.get(code, code), text)
