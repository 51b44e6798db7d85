"""Whatever the schema lets somebody ask is answered, and nothing of it is a fault of the server."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any, ClassVar, cast

import anyio
import httpx
import pytest
import schemathesis
from graphql import parse_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from schemathesis.graphql import nodes

from .conftest import ASKS, HELLO, Graph
from .test_schema import FILE, GRAPH

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(7200),
    # Of whoever rolls dice while examples are drawn; it is the server, in another thread.
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning"),
]

LONG = os.environ.get("ASSAY_LONG") == "1"
CALM = settings(
    deadline=None,
    database=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
EXAMPLES, STORIES = (300, 100) if LONG else (5, 3)
EXPECTED = {
    *("invalid_query", "too_much", "invalid_input", "not_authorized"),
    *("execution_not_found", "workflow_not_found", "question_not_found"),
    *("trigger_not_found", "firing_not_found"),
}
CLOCK = {"type": "cron", "id": "clock", "schedule": "0 0 1 1 *"}
FIRES = {**HELLO, "triggers": [{"type": "manual"}, CLOCK]}
SLEEPS = {"name": "sleeps", "steps": [{"id": "nap", "type": "sleep", "duration": "1h"}]}


def checked(response: httpx.Response) -> Any:
    """The data of an answer that is none of a broken server."""
    assert response.status_code == 200, response.text
    body = response.json()
    codes = {error["extensions"]["code"] for error in body.get("errors", ())}
    assert codes <= EXPECTED, body
    return body.get("data")


def literal(value: Any) -> Any:
    """A value as a document writes it out."""

    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + " ".join(f"{k}: {written(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + " ".join(map(written, value)) + "]"
        return json.dumps(value)

    return parse_value(written(value), no_location=True)


def scalars(known: list[str]) -> None:
    """What is chosen for the scalars of the schema: often what there is, else anything."""
    names = ("hello", "asks", "sleeps", "nobody", "say", "ask", "paid", "1", "", "h*", *known)
    text = st.sampled_from(names) | st.text(max_size=20)
    whole = st.integers(1, 100) | st.sampled_from([0, -1, 101, 2**31 - 1, -(2**31)])
    leaf = st.none() | st.booleans() | st.integers() | text
    json_value = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
    ) | st.sampled_from([HELLO, ASKS, {"who": "Ann"}, {"who": 3}, CLOCK, {"type": "manual"}])
    for name, strategy in (
        ("ID", st.sampled_from(known or ["x"]) | st.text(max_size=40)),
        ("String", text),
        ("Int", whole),
        ("JSON", json_value),
    ):
        strategy = cast("st.SearchStrategy[Any]", strategy)
        schemathesis.graphql.scalar(name, strategy.map(literal))
    schemathesis.graphql.scalar("DateTime", st.just(nodes.String("2026-01-01T00:00:00Z")))


def fuzz(url: str, key: str, known: list[str]) -> int:
    """Ask for everything that can be asked for; how many operations those are."""
    scalars(known)
    schema = schemathesis.graphql.from_file(FILE.read_text())
    operations: list[Any] = [cast("Any", found).ok() for found in schema.get_all_operations()]
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=120) as client:
        for operation in operations:

            @settings(CALM, max_examples=EXAMPLES)
            @given(case=operation.as_strategy())
            def answered(case: Any) -> None:
                checked(client.post(f"{url}/graphql", json={"query": case.body}))

            answered()
    return len(operations)


async def test_whatever_is_asked_is_answered(graph: Graph) -> None:
    """Of every query and every change, with what there is and with what there is not. For
    longer: ASSAY_LONG=1."""
    await graph.register(FIRES, ASKS, SLEEPS)
    known = [await graph.run(HELLO), await graph.run(HELLO), "hello.manual", "hello.clock"]
    desk = graph.served.tenants.app().triggers.desk
    known += [(await desk.fire(await desk.store.trigger("hello.manual"))).id]
    for document in (ASKS, ASKS, SLEEPS):
        known += await graph.park(document)
    served = graph.served
    count = await anyio.to_thread.run_sync(fuzz, served.url, served.keys["admin"], known)
    assert count == len(GRAPH.query_type.fields) + len(GRAPH.mutation_type.fields)  # type: ignore[union-attr]
    assert (await graph.ask("{ __typename }"))["__typename"] == "Query"


class Story(RuleBasedStateMachine):
    """Everything that can be done to executions and to triggers, in any order."""

    ask: ClassVar[Any]
    executions: Bundle[str] = Bundle("executions")

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, str] = {}
        self.told: dict[str, int] = {}
        self.fired: dict[str, str] = {}
        self.enabled = True
        self.made = False

    @initialize()
    def begin(self) -> None:
        """Others have been here before."""
        self.switch(True)
        self.ask('mutation { did: deleteTrigger(id: "hello.mine") { __typename } }')

    @rule(enabled=st.booleans())
    def switch(self, enabled: bool) -> None:
        did = self.ask(
            """mutation ($on: Boolean!) { did: setTriggerEnabled(id: "hello.manual", enabled: $on) {
              ... on TriggerChanged { trigger { enabled } } } }""",
            on=enabled,
        )
        assert did["trigger"]["enabled"] is enabled
        self.enabled = enabled

    @rule(key=st.sampled_from(["a", "b", None]))
    def fire(self, key: str | None) -> None:
        did = self.ask(
            """mutation ($key: String) { did: fireTrigger(id: "hello.manual", key: $key) {
              ... on TriggerFired { firing { id trigger { enabled } } }
              ... on Problem { code } } }""",
            key=key,
        )
        assert did.get("code") == (None if self.enabled else "not_possible")
        if self.enabled and key is not None:
            assert self.fired.setdefault(key, did["firing"]["id"]) == did["firing"]["id"]

    @rule(make=st.booleans())
    def make_or_delete(self, make: bool) -> None:
        did = self.ask(
            """mutation { did: createTrigger(
              workflow: "hello", trigger: {type: "manual", id: "mine"}
            ) { ... on Problem { code } } }"""
            if make
            else """mutation { did: deleteTrigger(id: "hello.mine") { ... on Problem { code } } }"""
        )
        taken = "not_possible" if make else None
        free = None if make else "trigger_not_found"
        assert did.get("code") == (taken if self.made else free)
        self.made = make

    @rule(target=executions, workflow=st.sampled_from(["hello", "asks", "sleeps"]))
    def start(self, workflow: str) -> str:
        did = self.ask(
            """mutation ($w: String!) { did: startExecution(input: {workflow: $w}) {
              ... on ExecutionStarted { execution { id } } } }""",
            w=workflow,
        )
        self.told[did["execution"]["id"]] = 0
        return str(did["execution"]["id"])

    @rule(id=executions, verb=st.sampled_from(["stop", "pause", "resume"]))
    def steer(self, id: str, verb: str) -> None:
        did = self.ask(
            f"mutation ($id: ID!) {{ did: {verb}Execution(id: $id) {{ __typename"
            " ... on ExecutionChanged { execution { id status } } ... on Problem { code } } }",
            id=id,
        )
        if did["__typename"] == "ExecutionChanged":
            assert did["execution"]["id"] == id
        else:
            assert did["code"] == "not_possible"

    @rule(target=executions, id=executions, path=st.sampled_from(["say", "ask", "nap", "none"]))
    def fork(self, id: str, path: str) -> str:
        did = self.ask(
            """mutation ($id: ID!, $path: String!) { did: forkExecution(id: $id, path: $path) {
              ... on ExecutionStarted { execution { id origin { executionId } } }
              ... on Problem { code } } }""",
            id=id,
            path=path,
        )
        if "code" in did:
            assert did["code"] in ("invalid_input", "not_possible")
            return id
        assert did["execution"]["origin"]["executionId"] == id
        self.told[did["execution"]["id"]] = 0
        return str(did["execution"]["id"])

    @rule(id=executions, approved=st.booleans())
    def answer(self, id: str, approved: bool) -> None:
        found = self.ask("query ($id: ID!) { did: execution(id: $id) { questions { id } } }", id=id)
        for question in found["questions"]:
            did = self.ask(
                """mutation ($id: ID!, $yes: Boolean!) {
                  did: answerQuestion(id: $id, approved: $yes) { ... on Problem { code } } }""",
                id=question["id"],
                yes=approved,
            )
            assert did.get("code") in (None, "question_closed", "not_possible")

    @rule(id=executions)
    def look(self, id: str) -> None:
        found = self.ask(
            """query ($id: ID!) { did: execution(id: $id) { id status currentStep completedAt
              workflow { id } questions { id status } steps(first: 100) { nodes { path seq } }
              events(first: 100) { nodes { seq type } } } }""",
            id=id,
        )
        numbers = [event["seq"] for event in found["events"]["nodes"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= self.told[id], "what was told once is kept"
        self.told[id] = len(numbers)
        if found["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
            assert self.ended.setdefault(id, found["status"]) == found["status"]
            assert found["completedAt"]
            assert found["currentStep"] is None
        else:
            assert id not in self.ended, "what has ended goes on"

    @invariant()
    def the_triggers_are_as_they_were_made(self) -> None:
        found = self.ask('{ did: workflow(name: "hello") { triggers { id enabled } } }')
        there = {each["id"]: each["enabled"] for each in found["triggers"]}
        assert there.pop("hello.mine", False) is self.made
        assert there == {"hello.clock": True, "hello.manual": self.enabled}

    @invariant()
    def the_list_has_all(self) -> None:
        found = self.ask("{ did: executions(first: 100) { nodes { id } } }")
        assert len(found["nodes"]) == 100 or self.told.keys() <= {e["id"] for e in found["nodes"]}


def tell(url: str, key: str) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=120) as client:

        def ask(query: str, **variables: Any) -> Any:
            asked = {"query": query, "variables": variables}
            return checked(client.post(f"{url}/graphql", json=asked))["did"]

        Story.ask = staticmethod(ask)
        told = settings(CALM, max_examples=STORIES, stateful_step_count=12)
        run_state_machine_as_test(Story, settings=told)


async def test_whatever_is_done_in_whatever_order_is_kept(graph: Graph) -> None:
    await graph.register(FIRES, ASKS, SLEEPS)
    story = partial(tell, graph.served.url, graph.served.keys["editor"])
    async with graph.served.tenants.app().triggers.running():
        await anyio.to_thread.run_sync(story)
