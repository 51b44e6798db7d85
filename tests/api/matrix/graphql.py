"""How GraphQL is asked: over HTTP, subscriptions as server-sent events."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx

from assay.api.access import Operation

from .asks import About, Ask, Caller, Told
from .rest import DEFINITION, NEW_TRIGGER, PAST, bearer

O = Operation  # noqa: E741
_THING, _LIST, _STORE = About.THING, About.LIST, About.STORE


class Document(NamedTuple):
    """`until`: a subscription that does not end by itself is read until it tells of that."""

    text: str
    variables: dict[str, Any]
    until: str = ""


def read(operation: Operation, about: About, text: str, shows: str = "", **given: Any) -> Ask:
    return Ask(operation, about, Document(f"{{ did: {text} }}", given), shows)


def change(operation: Operation, about: About, types: str, text: str, **given: Any) -> Ask:
    written = (
        f"mutation {types} {{ did: {text} {{ __typename ... on Problem {{ code message }} }} }}"
    )
    return Ask(operation, about, Document(written, given))


def follow(about: About, text: str, shows: str = "", until: str = "") -> Ask:
    written = f"subscription {{ {text} {{ executionId type }} }}"
    return Ask(O.READ_EXECUTIONS, about, Document(written, {}, until), shows)


_START = "startExecution(input: {workflow: $w})"
_OF_HAND = 'trigger: "team-quick.hand"'
_PAST = f'start: "{PAST["start"]}", end: "{PAST["end"]}"'
_MANY = "startExecutions(inputs: [{workflow: $w}])"

ASKS = [
    read(O.READ_WORKFLOWS, _THING, 'workflow(name: "{workflow}") { id document }'),
    read(O.READ_WORKFLOWS, _LIST, "workflows(first: 100) { nodes { id } }", "workflow"),
    read(O.READ_WORKFLOWS, _THING, 'workflows(name: "{workflow}") { nodes { id } }'),
    read(O.READ_WORKFLOWS, About.NOTHING, "providers { name kinds }"),
    Ask(
        O.VALIDATE_WORKFLOW,
        About.NOTHING,
        Document(
            "query ($d: DefinitionInput!) { did: validateWorkflow(definition: $d) "
            "{ __typename ... on Problem { code message } } }",
            {"d": {"document": DEFINITION}},
        ),
    ),
    read(O.READ_EXECUTIONS, _THING, 'execution(id: "{execution}") { id workflow { id } }'),
    read(O.READ_EXECUTIONS, _LIST, "executions(first: 100) { nodes { id } }", "execution"),
    follow(_THING, 'executionEvents(id: "{ended}")'),
    follow(_LIST, 'events(after: "")', "execution", until="{fence}"),
    read(O.READ_QUESTIONS, _LIST, "questions(first: 100) { nodes { id } }", "question"),
    read(O.READ_QUESTIONS, _THING, 'questions(executionId: "{execution}") { nodes { id } }'),
    read(O.READ_ARTIFACTS, _THING, 'artifacts(executionId: "{kept}") { nodes { sha256 } }'),
    read(O.READ_SLOTS, _LIST, "slots { executionId }", "execution"),
    read(O.READ_STATS, About.NOTHING, "cacheStats { results }"),
    read(O.READ_STATS, About.NOTHING, "modelStats { model rate lately }"),
    read(O.READ_MEMORIES, _LIST, "memories(first: 100) { nodes { workflow key } }", "memory"),
    read(O.READ_AUDIT, _STORE, "audit { nodes { id } }"),
    change(
        O.REGISTER_WORKFLOW,
        About.NAME,
        "($d: DefinitionInput!)",
        "registerWorkflow(definition: $d)",
        d={"document": DEFINITION},
    ),
    change(O.DELETE_WORKFLOW, _THING, "", 'deleteWorkflow(name: "{workflow}", version: "1")'),
    change(O.START_EXECUTION, _THING, "($w: String!)", _START, w="{workflow}"),
    change(O.START_EXECUTION, _THING, "($w: String!)", _MANY, w="{workflow}"),
    change(O.STOP_EXECUTION, _THING, "", 'stopExecution(id: "{execution}")'),
    change(O.PAUSE_EXECUTION, _THING, "", 'pauseExecution(id: "{execution}")'),
    change(O.RESUME_EXECUTION, _THING, "", 'resumeExecution(id: "{paused}")'),
    change(O.RETRY_EXECUTION, _THING, "", 'retryExecution(id: "{failed}")'),
    change(O.FORK_EXECUTION, _THING, "", 'forkExecution(id: "{ended}", path: "say")'),
    change(O.ANSWER_QUESTION, _THING, "", 'answerQuestion(id: "{question}", approved: true)'),
    change(
        O.RECORD_FEEDBACK,
        _THING,
        "",
        'recordFeedback(executionId: "{judged}", path: "think", passed: true)',
    ),
    change(O.FORGET_MEMORY, About.NAME, "", 'forgetMemory(workflow: "{remembers}", key: "ann")'),
    read(O.READ_TRIGGERS, _LIST, "triggers(first: 100) { nodes { id } }", "trigger"),
    read(O.READ_TRIGGERS, _THING, 'trigger(id: "{trigger}") { id firings { id } }'),
    read(O.READ_TRIGGERS, _LIST, "schedules(first: 100) { nodes { trigger { id } } }", "schedule"),
    read(O.READ_TRIGGERS, _LIST, "firings(first: 100) { nodes { id } }", "firing"),
    read(O.READ_TRIGGERS, _LIST, f"firings({_OF_HAND}) {{ nodes {{ id }} }}", "firing"),
    read(O.READ_TRIGGERS, _THING, 'firing(id: "{firing}") { id trigger { id } }'),
    change(
        O.CREATE_TRIGGER,
        _THING,
        "($t: JSON!)",
        'createTrigger(workflow: "{workflow}", trigger: $t)',
        t=NEW_TRIGGER["trigger"],
    ),
    change(O.SWITCH_TRIGGER, _THING, "", 'setTriggerEnabled(id: "{trigger}", enabled: false)'),
    change(O.SWITCH_TRIGGER, _THING, "", 'setScheduleEnabled(id: "{schedule}", enabled: false)'),
    change(O.FIRE_TRIGGER, _THING, "", 'fireTrigger(id: "{trigger}")'),
    change(O.FIRE_TRIGGER, _THING, "", 'replayFiring(id: "{dead}")'),
    change(O.FIRE_TRIGGER, _THING, "", f'backfillSchedule(id: "{{schedule}}", {_PAST})'),
    change(O.DELETE_TRIGGER, _THING, "", 'deleteTrigger(id: "{trigger}")'),
    change(O.SEND_EVENT, _STORE, "", 'sendEvent(name: "paid")'),
    change(O.INVALIDATE_CACHE, _STORE, "", "invalidateCache"),
    change(O.CREATE_KEY, _STORE, "", 'createApiKey(name: "k", role: VIEWER)'),
    change(O.REVOKE_KEY, _STORE, "", 'revokeApiKey(id: "{key}")'),
]

_PROBLEMS = {"NotAuthorizedProblem": "forbidden", "NotFoundProblem": "absent"}


class GraphQL:
    """GraphQL, as its clients ask."""

    name = "graphql"
    asks = ASKS
    lacks = frozenset({O.DELETE_EXECUTION, O.READ_KEYS})

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def ask(self, caller: Caller, how: Document) -> Told:
        if how.text.startswith("subscription"):
            return await self._follow(caller, how)
        body = {"query": how.text, "variables": how.variables}
        answer = await self._http.post("/graphql", json=body, headers=bearer(caller))
        return told(answer.status_code, answer.json())

    async def _follow(self, caller: Caller, how: Document) -> Told:
        headers = {"Accept": "text/event-stream", **bearer(caller)}
        body = {"query": how.text, "variables": how.variables}
        results: list[Any] = []
        async with self._http.stream("POST", "/graphql", json=body, headers=headers) as answer:
            if answer.headers["content-type"].startswith("application/json"):
                return told(answer.status_code, json.loads(await answer.aread()))
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    results.append(json.loads(line.removeprefix("data: ")))
                if line == "event: complete" or (how.until and how.until in line):
                    break
        refused = [each for each in results if "errors" in each]
        return told(200, refused[0]) if refused else Told("done", json.dumps(results))


def told(status: int, body: Any) -> Told:
    """What an answer means, by the problem in its place or the code of its errors."""
    text = json.dumps(body)
    if "errors" in body:
        code = body["errors"][0]["extensions"]["code"]
        if status == 401 and code == "not_authenticated":
            return Told("unknown", text)
        if code == "not_authorized":
            return Told("forbidden", text)
        return Told("absent" if code.endswith("_not_found") else f"{status} {code}", text)
    did = body["data"]["did"]
    for result in did if isinstance(did, list) else [did]:
        named = result.get("__typename", "") if isinstance(result, dict) else ""
        if named.endswith("Problem"):
            return Told(_PROBLEMS.get(named, f"{named} {result['code']}"), text)
    return Told("done", text)
