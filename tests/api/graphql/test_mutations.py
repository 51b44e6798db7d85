"""What can be changed over GraphQL, by whom, and what comes of it when it cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api.http.conftest import issued

from .conftest import ASKS, HELLO, Graph

pytestmark = pytest.mark.anyio

REGISTER = """mutation ($d: DefinitionInput!) { did: registerWorkflow(definition: $d) { __typename
  ... on WorkflowRegistered { workflow { id digest } } ... on Problem { code message }
  ... on InvalidSpecProblem { problems { message } } } }"""
DELETE = """mutation ($name: String!, $version: String) {
  did: deleteWorkflow(name: $name, version: $version) { __typename
  ... on WorkflowDeleted { versions } ... on Problem { code message } } }"""
START = """mutation ($i: StartExecutionInput!) { did: startExecution(input: $i) { __typename
  ... on ExecutionStarted { execution { id status priority workflowVersion inputs } }
  ... on Problem { code message } } }"""
MANY = """mutation ($i: [StartExecutionInput!]!) { did: startExecutions(inputs: $i) { __typename
  ... on ExecutionStarted { execution { id workflowName } } ... on Problem { code message } } }"""
STEER = """mutation ($id: ID!) { did: %s(id: $id) { __typename
  ... on ExecutionChanged { execution { id status paused } } ... on Problem { code message } } }"""
RETRY = """mutation ($id: ID!, $path: String) { did: retryExecution(id: $id, path: $path) {
  __typename ... on ExecutionStarted { execution { id origin { executionId how path } } }
  ... on Problem { code message } } }"""
FORK = """mutation ($id: ID!, $path: String!, $inputs: JSON) {
  did: forkExecution(id: $id, path: $path, inputs: $inputs) { __typename
  ... on ExecutionStarted { execution { id inputs origin { executionId how path } } }
  ... on Problem { code message } } }"""
ANSWER = """mutation ($id: ID!, $approved: Boolean) {
  did: answerQuestion(id: $id, approved: $approved, comment: "fine") { __typename
  ... on QuestionAnswered { question { id status answer { approved by comment } } }
  ... on Problem { code message } } }"""
SEND = """mutation { did: sendEvent(name: "paid", payload: {n: 1}, key: "k") { __typename
  ... on EventSent { executionIds } ... on Problem { code message } } }"""
KEY = """mutation ($name: String!, $days: Float) {
  did: createApiKey(name: $name, role: OPERATOR, scopes: ["build-*"], days: $days) { __typename
  ... on ApiKeyCreated { secret key { id name role scopes createdAt expiresAt } }
  ... on Problem { code message } } }"""
REVOKE = """mutation ($id: ID!) { did: revokeApiKey(id: $id) { __typename
  ... on ApiKeyRevoked { id } ... on Problem { code message } } }"""
FORGET = """mutation { did: invalidateCache(prefix: "") { __typename
  ... on CacheInvalidated { results } ... on Problem { code message } } }"""
NOBODY = "01890000-0000-7000-8000-000000000000"


async def did(graph: Graph, mutation: str, role: str = "admin", /, **variables: Any) -> Any:
    return (await graph.ask(mutation, role, **variables))["did"]


async def test_a_version_is_registered_once_and_never_changes(graph: Graph) -> None:
    one = await did(graph, REGISTER, "editor", d={"document": HELLO})
    assert one["workflow"]["id"] == "hello@1"
    assert await did(graph, REGISTER, "editor", d={"document": HELLO}) == one
    other = await did(graph, REGISTER, "editor", d={"document": {**HELLO, "description": "new"}})
    assert (other["__typename"], other["code"]) == ("ConflictProblem", "workflow_conflict")
    source = "name: fromsource\nsteps:\n- {id: a, type: shell, command: 'true'}\n"
    assert (await did(graph, REGISTER, d={"yaml": source}))["workflow"]["id"] == "fromsource@1"
    wrong = await did(graph, REGISTER, d={"json": "{"})
    assert wrong["__typename"] == "InvalidSpecProblem"
    assert wrong["problems"]


async def test_a_text_where_a_document_belongs_reads_no_file_of_the_server(graph: Graph) -> None:
    for text in ("/etc/passwd", "x.yaml", "hello"):
        told = await did(graph, REGISTER, d={"document": text})
        assert told["__typename"] == "InvalidInputProblem"


async def test_versions_are_deleted(graph: Graph) -> None:
    await graph.register(HELLO, {**HELLO, "version": "2"})
    assert (await did(graph, DELETE, "editor", name="hello", version="1"))["versions"] == 1
    assert (await did(graph, DELETE, "editor", name="hello"))["versions"] == 1
    assert (await did(graph, DELETE, "editor", name="hello"))["__typename"] in (
        "WorkflowDeleted",
        "NotFoundProblem",
    )


async def test_an_execution_is_started_with_inputs_and_priority(graph: Graph) -> None:
    await graph.register(HELLO, {**HELLO, "version": "2"})
    given = {"workflow": "hello", "version": "1", "inputs": {"who": "Ann"}, "priority": 3}
    started = (await did(graph, START, "operator", i=given))["execution"]
    assert started["workflowVersion"] == "1"
    assert (started["priority"], started["inputs"]) == (3, {"who": "Ann"})
    ended = await graph.served.tenants.app().wait(started["id"])
    assert ended.status == "completed"


@pytest.mark.parametrize(
    ("given", "problem", "code"),
    [
        ({"workflow": "nobody"}, "NotFoundProblem", "workflow_not_found"),
        ({"workflow": "hello", "version": "9"}, "NotFoundProblem", "workflow_not_found"),
        ({"workflow": "hello", "inputs": {"what": 1}}, "InvalidInputProblem", "invalid_input"),
        ({"workflow": "hello", "inputs": [1]}, "InvalidInputProblem", "invalid_input"),
        ({"workflow": "hello", "inputs": "x"}, "InvalidInputProblem", "invalid_input"),
    ],
)
async def test_what_cannot_be_started_says_why(
    graph: Graph, given: Any, problem: str, code: str
) -> None:
    await graph.register(HELLO)
    told = await did(graph, START, i=given)
    assert (told["__typename"], told["code"]) == (problem, code)


async def test_the_same_key_starts_nothing_again(graph: Graph) -> None:
    await graph.register(HELLO)
    start = """mutation ($i: StartExecutionInput!) { did: startExecution(input: $i) { __typename
      ... on ExecutionStarted { replayed execution { id } } ... on Problem { code } } }"""
    given = {"workflow": "hello", "inputs": {"who": "Ann"}, "key": "monday"}
    first = await did(graph, start, i=given)
    assert first["replayed"] is False
    assert await did(graph, start, i=given) == {**first, "replayed": True}
    other = await did(graph, start, i={**given, "inputs": {"who": "Bob"}})
    assert (other["__typename"], other["code"]) == ("InvalidInputProblem", "invalid_input")
    assert (await did(graph, start, "operator", i=given))["replayed"] is False
    for key in ("", "x" * 201, "a b", "é", "\0"):
        assert (await did(graph, start, i={**given, "key": key}))["code"] == "invalid_input"
    assert len((await graph.ask("{ executions { nodes { id } } }"))["executions"]["nodes"]) == 2


async def test_many_are_started_and_each_has_its_own_result(graph: Graph) -> None:
    await graph.register(HELLO, ASKS)
    given = [{"workflow": w} for w in ("hello", "nobody", "asks")]
    results = await did(graph, MANY, "operator", i=given)
    assert [r["__typename"] for r in results] == [
        "ExecutionStarted",
        "NotFoundProblem",
        "ExecutionStarted",
    ]
    assert results[2]["execution"]["workflowName"] == "asks"
    for count in (0, 51):
        body = await graph.post(MANY, i=[{"workflow": "hello"}] * count)
        assert body["errors"][0]["extensions"]["code"] == "invalid_input"


async def test_an_execution_is_paused_resumed_and_stopped(graph: Graph) -> None:
    id, _ = await graph.park()
    paused = await did(graph, STEER % "pauseExecution", "operator", id=id)
    assert paused["execution"]["id"] == id
    resumed = await did(graph, STEER % "resumeExecution", "operator", id=id)
    assert resumed["__typename"] == "ExecutionChanged"
    stopped = await did(graph, STEER % "stopExecution", "operator", id=id)
    assert stopped["execution"]["status"] == "CANCELLED"
    late = await did(graph, STEER % "pauseExecution", "operator", id=id)
    assert (late["__typename"], late["code"]) == ("ConflictProblem", "not_possible")


async def test_an_execution_is_retried_and_forked(graph: Graph) -> None:
    id = await graph.run(HELLO)
    again = await did(graph, RETRY, "operator", id=id, path="say")
    assert again["execution"]["origin"]["executionId"] == id
    forked = await did(graph, FORK, "operator", id=id, path="say", inputs={"who": "Bob"})
    assert forked["execution"]["inputs"] == {"who": "Bob"}
    nothing = await did(graph, RETRY, "operator", id=id)
    assert nothing["__typename"] in ("InvalidInputProblem", "ConflictProblem")
    nowhere = await did(graph, FORK, "operator", id=id, path="nowhere")
    assert nowhere["__typename"] == "InvalidInputProblem"


async def test_a_question_is_answered_once(graph: Graph) -> None:
    id, question = await graph.park()
    left_out = await did(graph, ANSWER, "operator", id=question, approved=None)
    assert (left_out["__typename"], left_out["code"]) == ("InvalidInputProblem", "invalid_input")
    told = await did(graph, ANSWER, "operator", id=question, approved=True)
    assert told["question"]["answer"] == {
        "approved": True,
        "by": "the operator",
        "comment": "fine",
    }
    ended = await graph.served.tenants.app().wait(id)
    assert ended.status == "completed"
    other = await did(graph, ANSWER, "operator", id=question, approved=False)
    assert (other["__typename"], other["code"]) == ("ConflictProblem", "question_closed")
    nobody = await did(graph, ANSWER, "operator", id="nobody")
    assert (nobody["__typename"], nobody["code"]) == ("NotFoundProblem", "question_not_found")


async def test_an_event_reaches_who_waits_for_it(graph: Graph) -> None:
    waits = {
        "name": "waits",
        "steps": [{"id": "w", "type": "wait_event", "event": "paid", "key": "k"}],
    }
    id, _ = await graph.park(waits)
    assert await did(graph, SEND, "operator") == {"__typename": "EventSent", "executionIds": [id]}
    assert (await graph.served.tenants.app().wait(id)).status == "completed"


async def test_a_key_is_made_shown_once_and_revoked(graph: Graph) -> None:
    made = await did(graph, KEY, name="CI", days=1.5)
    assert made["key"]["role"] == "OPERATOR"
    assert made["key"]["scopes"] == ["build-*"]
    assert made["key"]["expiresAt"] > made["key"]["createdAt"]
    assert made["secret"].startswith(f"assay_{made['key']['id']}_")
    for name, days in ((" ", None), ("x" * 201, None), ("x", 0), ("x", -1), ("x", 1e300)):
        assert (await did(graph, KEY, name=name, days=days))["code"] == "invalid_input"
    store = graph.served.tenants.store("")
    assert store is not None
    assert await did(graph, REVOKE, id=made["key"]["id"]) == {
        "__typename": "ApiKeyRevoked",
        "id": made["key"]["id"],
    }
    assert await store.principal(id=made["key"]["id"]) is None


async def test_cached_results_are_forgotten(graph: Graph) -> None:
    assert (await did(graph, FORGET, "editor"))["results"] == 0


REFUSED = [
    ("viewer", START, {"i": {"workflow": "hello"}}),
    ("viewer", MANY, {"i": [{"workflow": "hello"}]}),
    ("viewer", STEER % "stopExecution", {}),
    ("viewer", STEER % "pauseExecution", {}),
    ("viewer", STEER % "resumeExecution", {}),
    ("viewer", RETRY, {"path": "say"}),
    ("viewer", FORK, {"path": "say"}),
    ("viewer", SEND, {}),
    ("operator", REGISTER, {"d": {"document": HELLO}}),
    ("operator", DELETE, {"name": "hello"}),
    ("operator", FORGET, {}),
    ("editor", KEY, {"name": "x"}),
    ("editor", REVOKE, {"id": "x"}),
]


async def test_what_a_role_may_not_do_is_refused_and_changes_nothing(graph: Graph) -> None:
    await graph.register(HELLO)
    ended = await graph.run(HELLO)
    parked, question = await graph.park()
    before = (await graph.ask("{ executions(first: 100) { nodes { id } } }"))["executions"]
    asked = [*REFUSED, ("viewer", ANSWER, {"id": question})]

    async def refused(role: str, mutation: str, variables: Any) -> None:
        if "($id: ID!" in mutation and "id" not in variables:
            variables = {"id": parked if "Execution(id: $id)" in mutation else ended, **variables}
        told = await did(graph, mutation, role, **variables)
        for each in told if isinstance(told, list) else [told]:
            assert each["__typename"] == "NotAuthorizedProblem", (role, mutation)
            assert role in each["message"]

    await asyncio.gather(*(refused(*each) for each in asked))
    after = (await graph.ask("{ executions(first: 100) { nodes { id } } }"))["executions"]
    assert after == before
    body = await graph.post("{ audit { nodes { id } } }", "editor")
    assert body["errors"][0]["extensions"]["code"] == "not_authorized"
    assert body["data"] is None


async def test_what_no_scope_covers_is_not_there(graph: Graph) -> None:
    await graph.register(HELLO, ASKS)
    hidden, question = await graph.park()
    seen = await graph.run(HELLO)
    keys: Any = graph.served.keys
    keys["scoped"] = await issued(graph.served.tenants, "", "operator", "hel*")
    found = await graph.ask(
        """{ workflows { nodes { id } } executions { nodes { id } } questions { nodes { id } }
             slots { key } }""",
        "scoped",
    )
    assert found["workflows"]["nodes"] == [{"id": "hello@1"}]
    assert found["executions"]["nodes"] == [{"id": seen}]
    assert found["questions"]["nodes"] == []
    for field in (f'execution(id: "{hidden}") {{ id }}', 'workflow(name: "asks") { id }'):
        body = await graph.post(f"{{ {field} }}", "scoped")
        assert body["errors"][0]["extensions"]["code"].endswith("_not_found")
    for mutation, variables in (
        (START, {"i": {"workflow": "asks"}}),
        (STEER % "stopExecution", {"id": hidden}),
        (ANSWER, {"id": question}),
    ):
        assert (await did(graph, mutation, "scoped", **variables))["__typename"] == (
            "NotFoundProblem"
        )
    assert (await did(graph, SEND, "scoped"))["__typename"] == "NotAuthorizedProblem"


async def test_a_tenant_sees_nothing_of_another(graph: Graph) -> None:
    await graph.register(HELLO)
    id = await graph.run(HELLO)
    found = await graph.ask(
        "{ workflows { nodes { id } } executions { nodes { id } } audit { nodes { id } } }",
        "other admin",
    )
    assert [each["nodes"] for each in found.values()] == [[], [], []]
    assert (await did(graph, STEER % "stopExecution", "other admin", id=id))["__typename"] == (
        "NotFoundProblem"
    )
    assert (await did(graph, START, "other admin", i={"workflow": "hello"}))["code"] == (
        "workflow_not_found"
    )


async def test_what_is_nowhere_is_told_so(graph: Graph) -> None:
    for verb in ("stopExecution", "pauseExecution", "resumeExecution"):
        for id in (NOBODY, "nobody", ""):
            assert (await did(graph, STEER % verb, id=id))["code"] == "execution_not_found"
    assert (await did(graph, RETRY, id=NOBODY))["code"] == "execution_not_found"
    assert (await did(graph, FORK, id=NOBODY, path="x"))["code"] == "execution_not_found"
