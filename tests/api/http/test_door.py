"""What a request meets before any surface does: hosts, origins, pace, sizes, depths, headers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from limits import parse

from assay.api import connections
from assay.api import serving as server
from assay.api.http.bodies import too_deep
from assay.api.http.front import Front
from assay.api.identity import Identity
from assay.api.surfaces import application

from .conftest import Served, issued, serving

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:8000", "LOCALHOST"])
async def test_without_keys_a_name_of_this_machine_is_answered(
    open_server: Served, host: str
) -> None:
    async with open_server.client(None) as http:
        answer = await http.get("/v1/workflows", headers={"Host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "10.0.0.1"])
async def test_without_keys_a_foreign_name_that_leads_here_is_refused(
    open_server: Served, host: str
) -> None:
    """A site could let its own name lead to 127.0.0.1, and its pages would ask this server."""
    async with open_server.client(None) as http:
        answer = await http.get("/v1/workflows", headers={"Host": host})
        probe = await http.get("/healthz", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
    assert probe.status_code == 200


async def test_with_keys_any_name_is_answered_to_who_has_one(served: Served) -> None:
    async with served.client("viewer") as http:
        answer = await http.get("/v1/workflows", headers={"Host": "assay.example"})

    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_sites_are_refused(open_server: Served, origin: str) -> None:
    async with open_server.client(None) as http:
        answer = await http.post("/v1/cache/invalidate", json={}, headers={"Origin": origin})
        own = await http.get("/v1/workflows", headers={"Origin": open_server.url})

    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert own.status_code == 200


async def test_a_site_that_is_named_may_ask_from_its_pages(tmp_path: Path) -> None:
    front = Front(origins=("https://app.example",))
    asks = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }
    async with serving(tmp_path, front=front) as served, served.client("viewer") as http:
        before = await http.options("/v1/executions", headers=asks)
        answer = await http.get("/v1/workflows", headers={"Origin": "https://app.example"})
        other = await http.get("/v1/workflows", headers={"Origin": "https://evil.example"})

    assert before.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert other.status_code == 403
    assert "Access-Control-Allow-Origin" not in other.headers


async def test_every_answer_carries_what_keeps_browsers_safe(served: Served) -> None:
    async with served.client(None) as http:
        answers = [await http.get(path) for path in ("/v1/workflows", "/healthz", "/nothing")]

    assert [each.status_code for each in answers] == [401, 200, 404]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers


async def test_who_has_no_key_is_told_how_to_present_one(served: Served) -> None:
    async with served.client(None) as http:
        answer = await http.get("/v1/workflows")
        wrong = await http.get("/v1/workflows", headers={"X-API-Key": "assay_x"})

    assert (answer.status_code, wrong.status_code) == (401, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_one_principal_may_ask_so_often_and_is_told_how_often_yet(tmp_path: Path) -> None:
    front = Front(rate=parse("3/minute"))
    async with (
        serving(tmp_path, front=front) as served,
        served.client("viewer") as http,
        served.client("admin") as other,
    ):
        answers = [await http.get("/v1/workflows") for _ in range(4)]
        free = await other.get("/v1/workflows")
        probe = await http.get("/healthz")

    last = answers[-1]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert (last.headers["RateLimit-Limit"], last.json()["code"]) == ("3", "rate_limited")
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert (free.status_code, probe.status_code) == (200, 200)


async def test_one_address_may_ask_so_often_whoever_it_says_it_is(served: Served) -> None:
    """A whole /64 of IPv6 is one: whoever has one address of it has all."""
    front = Front(address_rate=parse("2/minute"))
    app = application(served.tenants, Identity(served.tenants), front)

    async def ask(address: str) -> int:
        to = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=to, base_url="http://assay.example") as http:
            return (await http.get("/v1/workflows")).status_code

    assert [await ask("203.0.113.5") for _ in range(3)] == [401, 401, 429]
    assert await ask("203.0.113.6") == 401
    assert [await ask(f"2001:db8::{n}") for n in range(3)] == [401, 401, 429]
    assert [await ask("127.0.0.1") for _ in range(3)] == [401, 401, 401]


async def test_a_body_that_says_it_is_too_large_is_refused_unread(served: Served) -> None:
    where = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        b"POST /v1/executions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n"
        b"Content-Type: application/json\r\n\r\n"
    )
    answer = await reader.read()  # to the end: the server hangs up
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"too_large"' in answer


async def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(served: Served) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 << 20:
            sent += 1 << 16
            yield b" " * (1 << 16)

    async with served.client() as http:
        try:
            answer = await http.post("/v1/executions", content=endless(), headers=JSON)
            assert answer.status_code == 413
        except httpx.NetworkError:
            pass  # the server has hung up in the middle

    assert sent < 16 << 20


async def test_a_body_that_comes_too_slowly_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, front=Front(patience=0.1)) as served:
        where = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(b"POST /v1/executions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408")


async def test_whoever_connects_and_does_not_ask_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also who sends lines of a head and never the last, the first time or later; not who asked."""
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    async with serving(tmp_path) as served:
        where = urlsplit(served.url)
        silent, slow, later = [
            await asyncio.open_connection(where.hostname, where.port) for _ in range(3)
        ]
        slow[1].write(b"GET / HTTP/1.1\r\nX-One: 1\r\n")
        later[1].write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        await later[0].readuntil(b"}")
        later[1].write(b"GET /healthz HTTP/1.1\r\nX-One: 1\r\n")
        async with served.client("viewer") as http:
            await http.get("/healthz")
            ended = [await reader.read() for reader, _ in (silent, slow, later)]
            await asyncio.sleep(0.1)
            still = await http.get("/healthz")
        for _, writer in (silent, slow, later):
            writer.close()

    assert ended == [b"", b"", b""]
    assert still.status_code == 200


def test_an_answer_in_two_pieces_waits_for_no_acknowledgement() -> None:
    """Else every request on a connection that is kept took 40 ms."""
    with (
        server._listen("127.0.0.1:0") as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_json_of_ten_thousand_levels_is_refused_at_once(served: Served) -> None:
    deep = b'{"workflow": "w", "inputs": {"x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
    async with served.client() as http:
        before = time.process_time()
        answer = await http.post("/v1/executions", content=deep, headers=JSON)
        seconds = time.process_time() - before

    assert (answer.status_code, answer.json()["code"]) == (400, "too_deep")
    assert seconds < 1


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65, True),
        (b"[]" * 1000, False),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b'["\\\\"' + b",[" * 1000, True),
    ],
)
def test_depth_is_that_of_lists_and_objects_and_not_of_text(text: bytes, deep: bool) -> None:
    assert too_deep(text) is deep


@pytest.mark.parametrize("end", [b"", b"\\", b'"'])
def test_no_text_takes_long_to_be_measured(end: bytes) -> None:
    """A megabyte of quotes that are none would take minutes by the square of its length."""
    before = time.process_time()
    too_deep(b'"' + b'\\"' * 500_000 + b"[" * 100 + end)

    assert time.process_time() - before < 2


async def test_figures_are_told_to_whoever_may_see_them(served: Served) -> None:
    async with served.client("viewer") as http:
        await http.get("/v1/workflows")
        text = (await http.get("/metrics")).text
    async with served.client("other viewer") as http:
        foreign = await http.get("/metrics")
    async with served.client(None) as http:
        nobody = await http.get("/metrics")

    assert 'assay_http_requests_total{method="GET",status="200"} 1\n' in text
    assert "assay_executions_running 0\n" in text
    assert (foreign.status_code, nobody.status_code) == (403, 401)


async def test_a_server_that_drains_is_alive_and_not_ready(served: Served) -> None:
    async with served.client(None) as http:
        before = await http.get("/readyz")
        await served.tenants.app("other").manager.drain(0)
        after, alive = await http.get("/readyz"), await http.get("/healthz")

    assert (before.status_code, after.status_code, alive.status_code) == (200, 503, 200)
    assert after.json()["worker"] == "draining"


async def test_a_revoked_key_opens_nothing_any_more(served: Served) -> None:
    key = await issued(served.tenants, "", "viewer")
    async with served.client() as admin, served.client(None) as http:
        (mine,) = [
            each for each in (await admin.get("/v1/keys")).json()["items"] if each["id"] in key
        ]
        assert (await http.get("/v1/workflows", headers={"X-API-Key": key})).status_code == 200
        assert (await admin.delete(f"/v1/keys/{mine['id']}")).status_code == 204
        async with asyncio.timeout(60):
            while True:
                answer = await http.get("/v1/workflows", headers={"X-API-Key": key})
                if answer.status_code == 401:
                    break
                await asyncio.sleep(0.1)

    assert "key_hash" not in mine
