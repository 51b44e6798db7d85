"""What people say of models' answers counts, and is told: over HTTP, and by a client."""

from __future__ import annotations

import httpx
import pytest

from assay import Client
from assay.graphs.errors import NotPossible

from .conftest import Served

pytestmark = pytest.mark.anyio

THINKS = {
    "name": "thinks",
    "steps": [
        {"id": "think", "type": "agent", "prompt": "Say hi.", "model": "demo"},
        {"id": "hi", "type": "shell", "command": "echo hi"},
        {"id": "thought", "type": "assert", "condition": "think.output.size() > 0"},
    ],
}


async def thought(served: Served) -> str:
    app = served.tenants.app()
    return (await app.run(THINKS)).id


async def test_the_last_word_of_a_person_counts_beside_what_checks_said(served: Served) -> None:
    id = await thought(served)
    async with served.client("operator") as http:
        said = [
            await http.post(
                f"/v1/executions/{id}/feedback",
                json={"path": "think", "passed": passed, "comment": "dull"},
            )
            for passed in (True, False)
        ]
        (figures,) = (await http.get("/v1/models/stats")).json()
        none = (await http.get("/v1/models/stats?workflow=other")).json()
        lone = await http.get("/v1/models/stats?step=think")

    assert [each.status_code for each in said] == [200, 200]
    told = said[1].json()
    assert told == {**told, "execution_id": id, "step": "think", "model": "demo", "passed": False}
    assert (figures["model"], figures["verdicts"], figures["rate"]) == ("demo", 2, 0.5)
    assert (figures["workflow"], figures["step"], figures["usd"]) == ("thinks", "think", 0)
    assert (none, lone.status_code) == ([], 422)


async def test_where_no_model_has_answered_nothing_is_said_of_one(served: Served) -> None:
    id = await thought(served)
    async with served.client("operator") as http:
        for path in ("hi", "nowhere"):
            refused = await http.post(
                f"/v1/executions/{id}/feedback", json={"path": path, "passed": True}
            )
            assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
            assert "no model has answered" in refused.json()["detail"]
    async with served.client("viewer") as http:
        whoever = await http.post(
            f"/v1/executions/{id}/feedback", json={"path": "think", "passed": True}
        )
    assert whoever.status_code == 403


async def test_a_key_sees_figures_of_what_its_scopes_cover(served: Served) -> None:
    await thought(served)
    async with served.client() as http:
        key = {"name": "k", "role": "viewer", "scopes": ["other-*"]}
        secret = (await http.post("/v1/keys", json=key)).json()["secret"]
        mine = (await http.get("/v1/models/stats")).json()
    async with httpx.AsyncClient(base_url=served.url, headers={"X-API-Key": secret}) as other:
        figures = await other.get("/v1/models/stats")
        hidden = await other.get("/v1/models/stats?workflow=thinks")
    assert (figures.json(), hidden.json(), len(mine)) == ([], [], 1)


async def test_a_client_says_so_too(served: Served) -> None:
    id = await thought(served)
    async with Client(served.url, key=served.keys["operator"]) as client:
        assert await client.record_feedback(id, "think", passed=True) == "demo"
        (figures,) = await client.model_stats("thinks", "think")
        assert (figures.verdicts, figures.rate, figures.lately) == (2, 1.0, 1.0)
        with pytest.raises(NotPossible):
            await client.record_feedback(id, "hi", passed=True)
