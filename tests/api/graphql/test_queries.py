"""What can be read over GraphQL, and what cannot."""

from __future__ import annotations

import pytest

from .conftest import ASKS, HELLO, Graph

pytestmark = pytest.mark.anyio


async def test_a_workflow_is_read_with_its_definition(graph: Graph) -> None:
    await graph.register(HELLO, {**HELLO, "version": "2", "description": "Says hi"})
    found = await graph.ask(
        """{ workflow(name: "hello") { id version description digest registeredAt document }
             old: workflow(name: "hello", version: "1") { id } }"""
    )
    assert found["workflow"]["id"] == "hello@2"
    assert found["workflow"]["description"] == "Says hi"
    assert found["workflow"]["document"]["steps"] == HELLO["steps"]
    assert found["old"] == {"id": "hello@1"}


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ('workflow(name: "nobody") { id }', "workflow_not_found"),
        ('workflow(name: "hello", version: "9") { id }', "workflow_not_found"),
        ('execution(id: "nobody") { id }', "execution_not_found"),
    ],
)
async def test_what_is_not_there_is_null_and_an_error_with_a_code(
    graph: Graph, field: str, code: str
) -> None:
    await graph.register(HELLO)
    body = await graph.post(f"{{ found: {field} providers {{ name }} }}")
    assert body["data"]["found"] is None
    assert {"name": "langgraph"} in body["data"]["providers"]
    (error,) = body["errors"]
    assert error["path"] == ["found"]
    assert error["extensions"]["code"] == code


async def test_pages_follow_each_other_and_each_edge_can_be_gone_on_from(graph: Graph) -> None:
    ids = [await graph.run(HELLO) for _ in range(7)]
    query = """query ($first: Int!, $after: String) { executions(first: $first, after: $after) {
        edges { cursor node { id } } nodes { id }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    told: list[str] = []
    after = None
    while True:
        page = (await graph.ask(query, first=3, after=after))["executions"]
        told += [node["id"] for node in page["nodes"]]
        assert page["nodes"] == [edge["node"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert told == ids[::-1]
    whole = (await graph.ask(query, first=7))["executions"]["edges"]
    for place, edge in enumerate(whole):
        rest = (await graph.ask(query, first=2, after=edge["cursor"]))["executions"]
        assert [node["id"] for node in rest["nodes"]] == told[place + 1 : place + 3]
        assert rest["pageInfo"]["hasNextPage"] is (place + 3 < len(told))


async def test_nothing_is_missed_when_the_item_of_a_cursor_is_gone(graph: Graph) -> None:
    for _ in range(4):
        await graph.run(HELLO)
    query = """query ($after: String) { executions(first: 3, after: $after) {
        edges { cursor node { id } } } }"""
    _, second, third = (await graph.ask(query))["executions"]["edges"]
    await graph.served.tenants.app().manager.delete(second["node"]["id"])
    rest = (await graph.ask(query, after=second["cursor"]))["executions"]["edges"]
    assert third["node"] in [edge["node"] for edge in rest]


@pytest.mark.parametrize("after", ["x", "", "bnVsbA==", "WzEsMl0="])
async def test_what_is_no_cursor_is_refused(graph: Graph, after: str) -> None:
    body = await graph.post(
        "query ($a: String) { executions(after: $a) { nodes { id } } }", a=after
    )
    assert body["errors"][0]["extensions"]["code"] == "invalid_input"


@pytest.mark.parametrize("first", [0, -1, 101, 2_000_000_000])
async def test_a_page_has_a_size(graph: Graph, first: int) -> None:
    body = await graph.post("query ($n: Int!) { workflows(first: $n) { nodes { id } } }", n=first)
    assert body["errors"][0]["extensions"]["code"] == "invalid_input"


async def test_executions_are_listed_by_workflow_and_status(graph: Graph) -> None:
    done = await graph.run(HELLO)
    parked, _ = await graph.park()
    found = await graph.ask(
        """{ a: executions(workflow: "hello") { nodes { id } }
             b: executions(status: WAITING) { nodes { id status } }
             c: executions(workflow: "hello", status: FAILED) { nodes { id } } }"""
    )
    assert found["a"]["nodes"] == [{"id": done}]
    assert found["b"]["nodes"] == [{"id": parked, "status": "WAITING"}]
    assert found["c"]["nodes"] == []


async def test_an_execution_is_read_with_everything_around_it(graph: Graph) -> None:
    await graph.register(HELLO, ASKS)
    done = await graph.run(HELLO, {"who": "Ann"})
    parked, question = await graph.park()
    found = await graph.ask(
        """query ($done: ID!, $parked: ID!) {
          done: execution(id: $done) { workflowName status inputs outputs currentStep
            createdAt completedAt cost { calls usd } workflow { id } questions { id }
            steps { nodes { path kind status output attempts seq error { code } } } }
          parked: execution(id: $parked) { status currentStep
            questions { id kind message status execution { id } } } }""",
        done=done,
        parked=parked,
    )
    assert found["done"]["status"] == "COMPLETED"
    assert found["done"]["inputs"] == {"who": "Ann"}
    assert found["done"]["workflow"] == {"id": "hello@1"}
    (step,) = found["done"]["steps"]["nodes"]
    assert (step["path"], step["kind"], step["status"]) == ("say", "skill", "COMPLETED")
    assert found["parked"]["currentStep"] == "ask"
    (asked,) = found["parked"]["questions"]
    assert asked["id"] == question
    assert asked["kind"] == "APPROVAL"
    assert asked["execution"] == {"id": parked}


async def test_steps_come_in_pages(graph: Graph) -> None:
    steps = [{**HELLO["steps"][0], "id": f"s{n}"} for n in range(5)]  # type: ignore[index]
    id = await graph.run({**HELLO, "steps": steps})
    query = """query ($id: ID!, $after: String) { execution(id: $id) {
        steps(first: 2, after: $after) { nodes { path } pageInfo { hasNextPage endCursor } } } }"""
    told, after = [], None
    while True:
        page = (await graph.ask(query, id=id, after=after))["execution"]["steps"]
        told += [node["path"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert told == [f"s{n}" for n in range(5)]


async def test_what_happened_to_an_execution_comes_in_pages(graph: Graph) -> None:
    id = await graph.run(HELLO)
    kept = [(e.seq, e.type.value) async for e in graph.served.tenants.app().manager.events(id)]
    query = """query ($id: ID!, $after: String, $first: Int!) { execution(id: $id) {
        events(first: $first, after: $after) { edges { cursor node { seq type live } }
          pageInfo { hasNextPage endCursor } } } }"""
    for first in (1, 2, 100):
        told, after = [], None
        while True:
            page = (await graph.ask(query, id=id, after=after, first=first))["execution"]["events"]
            told += [(edge["node"]["seq"], edge["node"]["type"]) for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert told == kept
    edges = (await graph.ask(query, id=id, first=100))["execution"]["events"]["edges"]
    for place, edge in enumerate(edges[:-1]):
        rest = (await graph.ask(query, id=id, after=edge["cursor"], first=100))["execution"]
        assert rest["events"]["edges"][0]["node"] == edges[place + 1]["node"]
    for wrong in ("x", "WyIxeCIsbnVsbF0=", "Wy0xLG51bGxd"):
        body = await graph.post(query, id=id, after=wrong, first=1)
        assert body["errors"][0]["extensions"]["code"] == "invalid_input"


async def test_an_execution_knows_the_one_it_was_made_of(graph: Graph) -> None:
    id = await graph.run(HELLO)
    again = (await graph.served.tenants.app().manager.retry(id, path="say")).id
    query = """query ($id: ID!) { execution(id: $id) { origin { how executionId
        execution { id origin { how } } } } }"""
    found = (await graph.ask(query, id=again))["execution"]["origin"]
    assert found == {"how": "retry", "executionId": id, "execution": {"id": id, "origin": None}}
    await graph.served.tenants.app().wait(again)
    await graph.served.tenants.app().manager.delete(id)
    found = (await graph.ask(query, id=again))["execution"]["origin"]
    assert (found["executionId"], found["execution"]) == (id, None)


async def test_questions_are_listed_by_execution_and_status(graph: Graph) -> None:
    one, asked = await graph.park()
    await graph.park()
    await graph.ask(
        "mutation ($id: ID!) { answerQuestion(id: $id, approved: true) { __typename } }",
        "operator",
        id=asked,
    )
    found = await graph.ask(
        """query ($id: ID!) { open: questions { nodes { id } }
             all: questions(status: null) { nodes { id } }
             its: questions(executionId: $id, status: ANSWERED) { nodes { id answer { by } } } }""",
        id=one,
    )
    assert len(found["open"]["nodes"]) == 1
    assert len(found["all"]["nodes"]) == 2
    assert found["its"]["nodes"] == [{"id": asked, "answer": {"by": "the operator"}}]


async def test_files_slots_and_providers_are_read(graph: Graph) -> None:
    keeps = {
        "name": "keeps",
        "concurrency": {"key": "one", "limit": 1},
        "steps": [
            {
                "id": "make",
                "type": "shell",
                "command": "echo hi > out.txt",
                "artifacts": {"out": "out.txt"},
            },
            {"id": "ask", "type": "approval", "message": "Well?"},
        ],
    }
    parked, _ = await graph.park(keeps)
    found = await graph.ask(
        """query ($id: ID!) {
          artifacts(executionId: $id) { nodes { path name file size sha256 executionId } }
          slots { key held workflow executionId execution { id } }
          execution(id: $id) { provider files { name path } }
          providers { name kinds default } cacheStats { results } }""",
        id=parked,
    )
    (kept,) = found["artifacts"]["nodes"]
    assert (kept["path"], kept["name"], kept["size"]) == ("make", "out", 3)
    (slot,) = found["slots"]
    assert slot["held"]
    assert slot["execution"] == {"id": parked}
    assert found["execution"]["files"] == [{"name": "out", "path": "make"}]
    (here,) = [each for each in found["providers"] if each["default"]]
    assert here["name"] == found["execution"]["provider"] == "langgraph"
    assert "shell" in here["kinds"]
    assert found["cacheStats"] == {"results": 0}


async def test_the_audit_says_who_did_what_and_by_which_rule(graph: Graph) -> None:
    await graph.register(HELLO)
    start = 'mutation { startExecution(input: {workflow: "hello"}) { __typename } }'
    await graph.ask(start, "operator")
    refused = await graph.ask(start, "viewer")
    assert refused["startExecution"]["__typename"] == "NotAuthorizedProblem"
    found = await graph.ask(
        '{ audit(target: "hello") { nodes { id at principal action target allowed rule data } } }'
    )
    last, first = found["audit"]["nodes"]
    assert (first["allowed"], last["allowed"]) == (True, False)
    assert first["action"] == "executions.start"
    assert first["data"]["surface"] == "graphql"
    assert "operator" in last["rule"]


async def test_a_definition_is_checked_without_being_kept(graph: Graph) -> None:
    query = """query ($d: DefinitionInput!) { validateWorkflow(definition: $d) { __typename
        ... on ValidWorkflow { name version digest warnings { message } }
        ... on InvalidSpecProblem { code problems { message path line column } }
        ... on InvalidInputProblem { code message } } }"""
    good = (await graph.ask(query, "viewer", d={"document": HELLO}))["validateWorkflow"]
    assert (good["name"], good["version"]) == ("hello", "1")
    yaml = "name: x\nsteps:\n  - id: a\n    type: nonsense\n"
    bad = (await graph.ask(query, "viewer", d={"yaml": yaml}))["validateWorkflow"]
    assert bad["code"] == "invalid_spec"
    assert [p["line"] for p in bad["problems"]] == [4]
    assert bad["problems"][0]["path"][:2] == ["steps", "0"]
    for unfit in ("hello.yaml", ["x"], 3, None):
        told = await graph.post(query, "viewer", d={"document": unfit})
        if unfit is None:
            assert told["errors"][0]["extensions"]["code"] == "invalid_query"
        else:
            assert told["data"]["validateWorkflow"]["code"] == "invalid_input"
    assert (await graph.ask("{ workflows { nodes { id } } }"))["workflows"]["nodes"] == []
