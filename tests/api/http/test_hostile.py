"""Bytes that no client sends: a clear refusal, at once, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from .conftest import Served

pytestmark = pytest.mark.anyio

HOST = b"Host: 127.0.0.1\r\n"
JSON = HOST + b"Content-Type: application/json\r\n"
YAML = {"Content-Type": "application/yaml"}
BODY = b"Content-Length: 2\r\n\r\n{}"
START = b"POST /v1/executions HTTP/1.1\r\n" + JSON


class Told(NamedTuple):
    """The status, and `code` of the problem where it is one."""

    status: int
    code: str


async def ask(served: Served, request: bytes) -> Told:
    """What the server says to those bytes, whatever it is said to afterwards."""
    where = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:") and not request.startswith(b"HEAD"):
            body = await reader.readexactly(int(line.partition(b":")[2]))
    writer.close()
    told = orjson.loads(body) if b"application/problem+json" in head and body else {}
    return Told(int(head.split()[1]), told.get("code", ""))


@pytest.mark.parametrize(
    "request_",
    [
        START + b"Content-Length: 5\r\n" + BODY,
        START + b"Content-Length: -2\r\n\r\n{}",
        START + b"Content-Length: +2\r\n\r\n{}",
        START + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        START
        + b"Transfer-Encoding: chunked\r\n"
        + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"GET /v1/executions HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",
        b"GET /v1/executions HTTP/1.1\r\n\r\n",
        b"GET /v1/executions HTTP/1.1\r\nX: a\0b\r\n" + HOST + b"\r\n",
        b"GET /v1/executions HTTP/1.1\r\nX : a\r\n" + HOST + b"\r\n",
        b"GET /v1/workflows/a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v1/workflows/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v1/executions\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    ],
)
async def test_what_can_be_read_in_two_ways_or_in_none_is_not_read(
    served: Served, request_: bytes
) -> None:
    assert await ask(served, request_) == (400, "unreadable")


@pytest.mark.parametrize(
    "target",
    [b"http://127.0.0.1/v1/executions", b"http://evil.example/", b"*", b"evil.example:443", b"v1"],
)
async def test_a_target_is_a_path(served: Served, target: bytes) -> None:
    request = b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"

    assert await ask(served, request) == (400, "bad_target")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/v1/workflows/a%00b", 422),
        (b"/v1/workflows/%ff%fe", 422),
        (b"/v1/workflows/%zz", 422),
        (b"/v1/workflows/..%2f..%2fetc%2fpasswd", 404),
        (b"/v1/../../etc/passwd", 404),
        (b"//evil.example/v1/workflows", 404),
        (b"/v1/workflows/", 404),  # led to where the Host header says, once
        (b"/v1/executions/%00", 422),
        (b"/v1/executions?after=%ff%fe%00", 200),
        (b"/v1/executions?after=" + b"a" * 60_000, 422),
        (b"/v1/executions?limit=" + b"9" * 5000, 422),
        (b"/v1/executions?limit=%D9%A1", 422),
        (b"/v1/executions?limit=1e1", 422),
        (b"/v1/executions?workflow=a%00b", 200),
        (b"/v1/executions?workflow=%ff", 200),
        (b"/v1/executions?stauts=failed", 422),
        (b"/v1/executions?" + b"&".join(b"a%d" % each for each in range(10_000)), 422),
        (b"/v1/stats?limit=5", 422),
        (b"/v1/events?typ=StepFailed", 406),
    ],
)
async def test_paths_and_queries_are_refused_or_mean_nothing(
    served: Served, target: bytes, status: int
) -> None:
    key = f"X-API-Key: {served.keys['viewer']}\r\n".encode()
    request = b"GET " + target + b" HTTP/1.1\r\n" + HOST + key + b"\r\n"

    assert (await ask(served, request)).status == status


async def test_http_1_0_is_answered(served: Served) -> None:
    key = f"X-API-Key: {served.keys['viewer']}\r\n".encode()

    assert await ask(served, b"GET /v1/executions HTTP/1.0\r\n" + key + b"\r\n") == (200, "")


@pytest.mark.parametrize(
    "header", ["X-API-Key: \xff\xfe", "Authorization: Bearer \xff", "Authorization: Basic eDp5"]
)
async def test_a_key_of_no_letters_is_no_key(served: Served, header: str) -> None:
    request = b"GET /v1/executions HTTP/1.1\r\n" + HOST + header.encode("latin-1") + b"\r\n\r\n"

    assert await ask(served, request) == (401, "not_authenticated")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Type: text/plain\r\n", 415),
        (b"Content-Type: application/x-www-form-urlencoded\r\n", 415),
        (b"", 415),
        (b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415),
        (b"Content-Type: application/json; charset=utf-8\r\n", 422),  # there is nothing in it
    ],
)
async def test_a_body_is_json_and_says_so(served: Served, headers: bytes, status: int) -> None:
    key = f"X-API-Key: {served.keys['admin']}\r\n".encode()
    request = b"POST /v1/executions HTTP/1.1\r\n" + HOST + key + headers + BODY

    assert (await ask(served, request)).status == status


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("[" * 10_000 + "]" * 10_000, "more than 64 deep"),
        ("- " * 10_000 + "a", "more than 64 deep"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "more than 64 deep"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n"
                for i in range(9)
            ),
            "more than 100,000 values",
        ),
        ("a: &a [*a]\n", "*a"),
        ("name: !!python/object/apply:os.system [id]\n", "is not supported"),
        ("name: \0", "U+0000"),
        ("a: 1\n" * 200_000, "a second time"),
    ],
)
async def test_a_definition_made_to_blow_up_is_refused_with_its_place(
    served: Served, yaml: str, says: str
) -> None:
    async with served.client() as http:
        refused = await http.post("/v1/workflows", content=yaml.encode(), headers=YAML)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_spec")
    assert says in refused.json()["problems"][0]["message"]
    assert len(refused.content) < 500_000


async def test_what_is_refused_is_not_kept_in_memory(served: Served) -> None:
    """A gigabyte comes, in bodies too large, too deep, half sent, and packed up."""

    async def large() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield bytes(1 << 16)

    async def one_of_each() -> None:
        async with served.client() as http:
            for content in (large(), b"[" * 1_000_000, b'{"a":"' + b"x" * 1_000_000):
                try:
                    refused = await http.post(
                        "/v1/executions",
                        content=content,
                        headers={"Content-Type": "application/json"},
                    )
                    assert 400 <= refused.status_code < 500
                except httpx.NetworkError:
                    pass
        where = urlsplit(served.url)
        _, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(START + b"Content-Length: 1000000\r\n\r\n" + bytes(900_000))
        await writer.drain()
        writer.close()

    for _ in range(10):
        await one_of_each()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(80):
        await one_of_each()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert after - before < 50_000  # KiB, of which one body in ten would have been 80,000


async def test_a_misspelt_parameter_changes_nothing(served: Served) -> None:
    """Without its `version` a DELETE would forget every one."""
    async with served.client() as http:
        for version in ("1", "2"):
            new = {
                "name": "w",
                "version": version,
                "steps": [{"id": "a", "type": "shell", "command": "a"}],
            }
            assert (await http.post("/v1/workflows", json=new)).status_code == 201
        misspelt = await http.delete("/v1/workflows/w", params={"versoin": "1"})
        left = (await http.get("/v1/workflows/w/versions")).json()["items"]
        stream = {"Accept": "text/event-stream"}
        events = await http.get("/v1/events", params={"typ": "StepFailed"}, headers=stream)
    async with served.client(None) as http:
        nobody = await http.delete("/v1/workflows/w", params={"versoin": "1"})

    assert misspelt.status_code == 422
    assert misspelt.json()["problems"] == [
        {"at": "query.versoin", "message": "there is no such parameter; there are: version"}
    ]
    assert len(left) == 2
    assert (events.status_code, events.json()["problems"][0]["at"]) == (422, "query.typ")
    assert nobody.status_code == 401


async def test_who_asks_at_the_wrong_place_is_told_where_to_look(served: Served) -> None:
    async with served.client() as http:
        nowhere = await http.get("/v2/executions")
        slash = await http.get("/v1/executions/")
        put = await http.put("/v1/executions", json={})
        typed = await http.post("/v1/executions", content=b"{}", headers={"Content-Type": "a/b"})
        torn = await http.post(
            "/v1/executions", content=b'{"a": ', headers={"Content-Type": "application/json"}
        )

    for answer, path in ((nowhere, "/v2/executions"), (slash, "/v1/executions/")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert f"'{path}'" in answer.json()["detail"]
        assert "/v1/openapi.json" in answer.json()["detail"]
    assert (put.status_code, put.json()["code"]) == (405, "method_not_allowed")
    assert put.headers["Allow"] == "GET, POST"
    assert "it takes GET, POST" in put.json()["detail"]
    assert (typed.status_code, typed.json()["code"]) == (415, "unsupported_media_type")
    assert torn.status_code == 422
    (problem,) = torn.json()["problems"]
    assert problem["at"] == "body"
    assert "no JSON" in problem["message"]
