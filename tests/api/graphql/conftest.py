"""Asks a server in this process as clients of GraphQL do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.http.conftest import Served, serving

HELLO = {
    "name": "hello",
    "inputs": {"who": {"type": "string", "default": "you"}},
    "steps": [
        {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "Hi ${inputs.who}"}}
    ],
}
ASKS = {
    "name": "asks",
    "steps": [{"id": "ask", "type": "approval", "message": "Ship it?"}],
}


class Graph:
    """A server, and somebody of each role who asks it."""

    def __init__(self, served: Served) -> None:
        self.served = served

    async def post(
        self, query: str, role: str | None = "admin", /, **variables: Any
    ) -> dict[str, Any]:
        """The whole answer."""
        async with self.served.client(role) as client:
            response = await client.post("/graphql", json={"query": query, "variables": variables})
            body: dict[str, Any] = response.json()
            return body

    async def ask(self, query: str, role: str | None = "admin", /, **variables: Any) -> Any:
        """The data of an answer without errors."""
        body = await self.post(query, role, **variables)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def register(self, *documents: Mapping[str, Any]) -> None:
        for document in documents:
            await self.served.tenants.app().register(document)

    async def run(self, document: Mapping[str, Any], inputs: Any = None) -> str:
        """The id of an execution that has ended."""
        return (await self.served.tenants.app().run(document, inputs)).id

    async def park(self, document: Mapping[str, Any] = ASKS) -> tuple[str, str]:
        """The ids of an execution that waits, and of its question."""
        manager = self.served.tenants.app().manager
        started = await manager.start(document)
        from assay.graphs.execution import Status

        await manager.wait(started.id, until=[Status.WAITING])
        (question,) = (await manager.questions(execution_id=started.id)).items
        return started.id, question.id


@pytest.fixture
async def graph(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Graph]:
    """A server with keys of every role."""
    async with serving(tmp_path) as served:
        yield Graph(served)


@pytest.fixture(scope="module")
async def still(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Graph]:
    """One server for all tests of a module: none of them changes anything."""
    async with serving(tmp_path_factory.mktemp("still")) as served:
        yield Graph(served)
