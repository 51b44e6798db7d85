"""What a listing costs does not grow with it: many are read at once, and one as many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from assay.graphs.bulk import Bulk
from assay.graphs.firing import Firings
from assay.graphs.ports import Executions, Questions, Shelves, Workflows

from .conftest import HELLO, Graph

pytestmark = pytest.mark.anyio

PORTS = (Workflows, Executions, Questions, Shelves, Firings, Bulk)
OTHERS = {"inbox", "ready", "claim", "holder", "principal", "principals", "due_firings"}
"""What a worker asks by itself, or whoever lets somebody in."""

METHODS = sorted({n for port in PORTS for n in vars(port) if not n.startswith("_")} - OTHERS)

KEEPS = {
    "name": "keeps",
    "version": "2",
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}},
        {
            "id": "make",
            "type": "shell",
            "command": "echo hi > out.txt",
            "artifacts": {"out": "out.txt"},
        },
        {"id": "ask", "type": "approval", "message": "Well?"},
    ],
}

EVERYTHING = """query ($first: Int!, $of: String) { executions(first: $first, workflow: $of) {
  pageInfo { hasNextPage } nodes { id status currentStep provider worked
    workflow { id description registeredAt triggers { id } }
    firing { id status } trigger { id type }
    questions { id execution { id status workflow { id } } }
    origin { how execution { id workflow { id } } }
    files { name size }
    steps(first: 2) { nodes { path status } }
    events(first: 3) { nodes { seq type } pageInfo { hasNextPage } } } } }"""


@contextmanager
def calls(store: Any) -> Iterator[Counter[str]]:
    """The calls of the methods of the `Store` port, counted while within."""
    counted: Counter[str] = Counter()

    def counting(name: str) -> Any:
        original = getattr(store, name)

        def call(*args: Any, **given: Any) -> Any:
            counted[name] += 1
            return original(*args, **given)

        return call

    for name in METHODS:
        setattr(store, name, counting(name))
    try:
        yield counted
    finally:
        for name in METHODS:
            delattr(store, name)


async def filled(graph: Graph, count: int) -> None:
    """Executions that a trigger began and that have ended, some made of others, some that wait."""
    app = graph.served.tenants.app()
    await graph.register({**HELLO, "triggers": [{"type": "manual"}]}, KEEPS)
    desk = app.triggers.desk
    manual = await desk.store.trigger("hello.manual")
    async with app.triggers.running():
        for _ in range(count):
            fired = await desk.settled(await desk.fire(manual), 20)
            id = (await app.wait(fired.execution_id)).id
            await app.wait((await app.manager.retry(id, path="say")).id)
            await graph.park(KEEPS)


async def test_a_hundred_executions_cost_as_many_reads_as_ten(graph: Graph) -> None:
    await filled(graph, 8)
    store = graph.served.tenants.store("")
    costs = []
    for first in (3, 24):
        with calls(store) as counted:
            found = await graph.ask(EVERYTHING, first=first)
        nodes = found["executions"]["nodes"]
        assert len(nodes) == first
        assert {node["workflow"]["id"] for node in nodes} == {"hello@1", "keeps@2"}
        assert any(node["questions"] for node in nodes)
        assert any(node["files"] for node in nodes)
        assert any(node["origin"] and node["origin"]["execution"] for node in nodes)
        assert all(len(node["steps"]["nodes"]) > 0 for node in nodes)
        assert any(node["firing"] and node["trigger"]["id"] for node in nodes)
        assert any(node["workflow"]["triggers"] for node in nodes)
        assert all(node["events"]["pageInfo"]["hasNextPage"] for node in nodes)
        costs.append(counted)
    assert costs[0] == costs[1]
    assert costs[1] == {
        "firings_of": 1,
        "triggers_of": 1,
        "starters_of": 1,
        "executions": 1,
        "versions_of": 1,
        "asked_by": 1,
        "executions_of": 2,
        "artifacts_of": 1,
        "journals_of": 2,
    }


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("{ workflows(first: %d) { nodes { id description } } }", 1),
        ("{ executions(first: %d) { nodes { id workflow { id } } } }", 2),
        ("{ questions(first: %d) { nodes { id execution { id workflow { id } } } } }", 3),
        ("{ executions(first: %d) { nodes { currentStep steps { nodes { path } } } } }", 2),
        ("{ executions(first: %d) { nodes { a: events { nodes { seq } } } } }", 2),
        ("{ firings(first: %d) { nodes { trigger { firings { id } } execution { id } } } }", 4),
        ("{ triggers(first: %d) { nodes { id firings { id } } } }", 2),
        ("{ workflows(first: %d) { nodes { triggers { firings { id } } } } }", 3),
        ("{ executions(first: %d) { nodes { firing { id } trigger { id } } } }", 3),
        ("{ audit(first: %d) { nodes { id } } }", 1),
    ],
)
async def test_a_listing_costs_what_its_depth_says(graph: Graph, query: str, most: int) -> None:
    await filled(graph, 2)
    store = graph.served.tenants.store("")
    for first in (1, 6):
        with calls(store) as counted:
            await graph.ask(query % first)
        assert counted.total() <= most, counted


async def test_slots_cost_one_read_more_for_all_of_their_executions(graph: Graph) -> None:
    held = {**KEEPS, "concurrency": {"key": "one", "limit": 5}}
    for _ in range(3):
        await graph.park(held)
    with calls(graph.served.tenants.store("")) as counted:
        found = await graph.ask("{ slots { key execution { id workflowName } } }")
    assert len(found["slots"]) == 3
    assert counted == {"slots": 1, "executions_of": 1}


async def test_what_nobody_asks_for_is_not_read(graph: Graph) -> None:
    await filled(graph, 1)
    with calls(graph.served.tenants.store("")) as counted:
        await graph.ask("{ executions { nodes { id status inputs outputs cost { usd } } } }")
    assert counted == {"executions": 1}
