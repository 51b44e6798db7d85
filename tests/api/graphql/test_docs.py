"""docs/graphql.md says what is so: its documents are executed, and answered as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import parse
from graphql.language.ast import OperationDefinitionNode, OperationType

from assay.api.graphql import limits, sockets
from assay.api.listening import HEARTBEAT, STALLED
from assay.graphs.execution import Status

from .conftest import Graph
from .sockets import socket

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[3] / "docs" / "graphql.md"
TEXT = PAGE.read_text()
BLOCK = re.compile(r"^```graphql\n(.*?)^```\n\n^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fits(found: Any, said: Any) -> bool:
    """Whether it is as written, where `…` stands for anything."""
    if isinstance(said, dict):
        return (
            isinstance(found, dict)
            and set(found) == set(said)
            and all(fits(found[key], said[key]) for key in said)
        )
    if isinstance(said, list):
        return len(found) == len(said) and all(map(fits, found, said))
    return bool(found) if said == "…" else bool(found == said)


def ids(found: Any, of: str = "") -> Iterator[tuple[str, str]]:
    """The ids in an answer, by what they are of."""
    for key, value in found.items() if isinstance(found, dict) else ():
        if key == "id" and of in NAMES:
            yield NAMES[of], value
        for each in value if isinstance(value, list) else [value]:
            yield from ids(each, key)


NAMES = {"execution": "id", "questions": "question", "firing": "firing"}


async def test_every_document_is_answered_as_the_page_says(graph: Graph) -> None:
    documents = BLOCK.findall(TEXT)
    assert len(documents) == TEXT.count("```graphql") >= 6
    known: dict[str, str] = {}
    app = graph.served.tenants.app()
    manager, desk = app.manager, app.triggers.desk
    async with app.triggers.running(), socket(graph.served, "admin") as one:
        for number, (document, said) in enumerate(documents):
            (operation,) = parse(document).definitions
            assert isinstance(operation, OperationDefinitionNode)
            wanted = [each.variable.name.value for each in operation.variable_definitions or ()]
            given = {name: known[name] for name in wanted}
            if operation.operation is OperationType.SUBSCRIPTION:
                await one.subscribe(str(number), document, **given)
                while (message := await one.receive())["id"] != str(number):
                    pass
                found = message["payload"]["data"]
            else:
                found = await graph.ask(document, **given)
            assert fits(found, json.loads(said)), (document, found)
            known |= dict(ids(found))
            if "fireTrigger" in document:
                await desk.settled(await desk.store.firing(known["firing"]), 20)
            if "startExecution" in document and "id" in known:
                await manager.wait(known["id"], until=[Status.WAITING])


def test_the_numbers_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| ([\d,]+)(?: s)? \|", TEXT, re.MULTILINE))
    assert rows.pop("page") == "100"
    assert {
        name: int(number.replace(",", "")) for name, number in rows.items() if name.isalpha()
    } == {
        "depth": limits.DEPTH,
        "aliases": limits.ALIASES,
        "tokens": limits.TOKENS,
        "cost": limits.COST,
        "digits": limits.DIGITS,
        "starts": limits.BATCH,
        "time": int(limits.SECONDS),
        "operations": sockets.OPERATIONS,
    }
    assert f"After {HEARTBEAT:g} quiet seconds" in TEXT
    assert f"nothing was read for {STALLED:g} seconds" in TEXT
    assert f"within {sockets.WELCOME:g} seconds" in TEXT
