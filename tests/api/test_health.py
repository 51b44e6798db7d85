"""How a worker is, over HTTP; and executions that it is rung for by a push."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from assay.api.health import Pushing, health
from assay.api.serving import served
from assay.graphs.errors import ConfigurationError, StoreUnavailable
from assay.graphs.execution import Execution, Status
from assay.store.pubsub.envelope import seal_control
from assay.store.pubsub.push import Keys

from ..engine.turns import Turns, alone
from ..pushing import AUDIENCE, SENDER, Signer, key_site, push
from ..running import House, open_house

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1:0"
ONE = {"ASSAY_MAX_EXECUTIONS": "1"}


@pytest.fixture
def signer() -> Iterator[Signer]:
    with key_site() as signer:
        yield signer


@asynccontextmanager
async def asked(
    house: House, keys: Keys | None = None, deadline: float = 5
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the worker's own server."""
    pushing = None if keys is None else Pushing(AUDIENCE, SENDER, keys)
    application = health(house.app, pushing, deadline=deadline)
    async with served(application, HERE) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, ONE) as house:
        yield house


async def left(folder: Path, name: str = "a") -> Execution:
    """An execution in its turn that nobody drives any more."""
    definition = alone()
    del definition["concurrency"]
    async with open_house(folder) as house:
        turns = Turns(house)
        execution = await turns.start(name, definition)
        await turns.reached(name)
    return execution


async def test_it_is_ready_while_it_can_work(house: House) -> None:
    async with asked(house) as client:
        ready = await client.get("/readyz")
        assert ready.json() == {"ready": True, "store": "ok", "bus": "ok", "worker": "ok"}
        assert (await client.get("/healthz")).status_code == 200
        await house.app.manager.drain(1)
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["worker"]) == (503, "draining")
        assert (await client.get("/healthz")).status_code == 200


async def test_a_store_that_does_not_answer_is_not_ready_and_no_reason_to_die(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = 0

    async def never(**_: object) -> None:
        nonlocal asking
        asking += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(house.app.manager.store, "executions", never)
    async with asked(house, deadline=0.05) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {503}
        assert answers[0].json()["store"] == "no answer within 0.05 s"
        assert asking == 1
        assert (await client.get("/healthz")).status_code == 200


async def test_why_the_store_cannot_be_reached_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(**_: object) -> None:
        raise StoreUnavailable("Firestore cannot be reached")

    monkeypatch.setattr(house.app.manager.store, "executions", away)
    async with asked(house) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["store"]) == (503, "Firestore cannot be reached")


async def test_a_bus_that_is_away_is_not_ready(house: House) -> None:
    house.app.bus.away = "Pub/Sub does not answer"  # type: ignore[misc]
    async with asked(house) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["bus"]) == (503, "Pub/Sub does not answer")


async def test_a_worker_that_looks_after_nothing_any_more_is_not_alive(house: House) -> None:
    house.app.provider.serve()
    async with asked(house) as client:
        assert (await client.get("/healthz")).status_code == 200
        house.app.provider._watching[0].cancel()
        await asyncio.wait([house.app.provider._watching[0]])
        assert (await client.get("/healthz")).status_code == 503


async def test_a_ring_that_is_pushed_wakes_the_worker(tmp_path: Path, signer: Signer) -> None:
    """It neither sweeps nor listens: what it drives it was pushed."""
    execution = await left(tmp_path)
    async with open_house(tmp_path, ONE) as house, asked(house, signer.keys) as client:
        turns = Turns(house)
        answer = await client.post("/work", content=push(execution.id), headers=signer.headers())
        assert (answer.status_code, answer.content) == (204, b"")
        holder = await house.app.manager.store.holder(execution.id)
        assert holder == house.app.manager.store.worker
        again = await client.post("/work", content=push(execution.id), headers=signer.headers())
        assert again.status_code == 204
        turns.let("a")
        assert await turns.ended(execution) == ["completed"]
        assert turns.seen == ["a"]


async def test_what_somebody_else_drives_or_is_gone_needs_no_other_ring(
    tmp_path: Path, signer: Signer
) -> None:
    async with (
        open_house(tmp_path) as driving,
        open_house(tmp_path) as house,
        asked(house, signer.keys) as client,
    ):
        turns = Turns(driving)
        execution = await turns.start("a")
        await turns.reached("a")
        for id in (execution.id, "gone"):
            answer = await client.post("/work", content=push(id), headers=signer.headers())
            assert answer.status_code == 204
        assert house.app.provider.begun == 0
        turns.let("a")
        assert await turns.ended(execution) == ["completed"]
        answer = await client.post("/work", content=push(execution.id), headers=signer.headers())
        assert answer.status_code == 204


async def test_a_worker_with_its_hands_full_takes_none(tmp_path: Path, signer: Signer) -> None:
    """Of two rings at once one is for another worker."""
    executions = [await left(tmp_path, name) for name in "ab"]
    async with open_house(tmp_path, ONE) as house, asked(house, signer.keys) as client:
        turns = Turns(house)
        pushes = [
            client.post("/work", content=push(e.id), headers=signer.headers()) for e in executions
        ]
        answers = await asyncio.gather(*pushes)
        assert sorted(answer.status_code for answer in answers) == [204, 503]
        assert house.app.provider.begun == 1
        turns.let("a", "b")


async def test_one_that_drains_takes_none(tmp_path: Path, signer: Signer) -> None:
    execution = await left(tmp_path)
    async with open_house(tmp_path) as house, asked(house, signer.keys) as client:
        await house.app.manager.drain(1)
        answer = await client.post("/work", content=push(execution.id), headers=signer.headers())
        assert (answer.status_code, answer.json()) == (503, {"error": "draining"})
        assert (await house.app.manager.get(execution.id)).status is Status.QUEUED


async def test_a_store_that_is_away_asks_to_be_rung_again(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await left(tmp_path)
    async with open_house(tmp_path) as house, asked(house, signer.keys) as client:

        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(house.app.manager.store, "claim", away)
        answer = await client.post("/work", content=push(execution.id), headers=signer.headers())
        assert answer.status_code == 503


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer rubbish"}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
    ],
)
async def test_who_has_no_token_of_google_is_not_known(
    house: House, signer: Signer, given: dict[str, str], status: int
) -> None:
    async with asked(house, signer.keys) as client:
        answer = await client.post("/work", content=push("e"), headers=given)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (status, "Bearer")


async def test_a_token_for_another_or_of_another_is_refused(house: House, signer: Signer) -> None:
    async with asked(house, signer.keys) as client:
        other = signer.headers(aud="https://other.example")
        assert (await client.post("/work", content=push("e"), headers=other)).status_code == 401
        stranger = signer.headers(email="other@project.iam.gserviceaccount.com")
        answer = await client.post("/work", content=push("e"), headers=stranger)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"[]",
        b"{}",
        b'{"message": {}}',
        push(letter=seal_control({"a": 1}, "p", 1)),
        b"x" * 2**20,
    ],
)
async def test_rubbish_is_refused(house: House, signer: Signer, body: bytes) -> None:
    async with asked(house, signer.keys) as client:
        answer = await client.post("/work", content=body, headers=signer.headers())
        assert answer.status_code == 400


async def test_without_pushes_nothing_can_be_pushed(house: House) -> None:
    async with asked(house) as client:
        assert (await client.post("/work", content=push("e"))).status_code == 404


async def test_a_port_that_is_taken_is_said(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match="nothing can listen at"):
            async with served(health(house.app), address):
                pass


async def test_it_listens_on_ipv6_too(house: House) -> None:
    async with served(health(house.app), "[::1]:0") as url, httpx.AsyncClient() as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get(f"{url}/healthz")).status_code == 200
