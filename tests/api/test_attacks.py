"""What somebody with bad intentions would try at the door, and with a key of little worth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from limits import parse
from tests.api.http.conftest import Served, issued, serving
from tests.api.matrix.doors import GRAPHQL_WS, QUERY, opened
from websockets.exceptions import InvalidStatus

from assay.api.access import Role
from assay.api.control import Asker, Control
from assay.api.http.front import Front
from assay.api.keys import issue
from assay.graphs.errors import InvalidInput, StoreUnavailable
from assay.graphs.stored import Principal

pytestmark = pytest.mark.anyio

SAY = {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}}
EVIL = ["https://evil.example", "null", "http://[", "", "file://", "http://127.0.0.1"]


@pytest.fixture
async def served(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    async with serving(tmp_path) as one:
        yield one


@pytest.fixture
async def unguarded(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    async with serving(tmp_path, guarded=False) as one:
        yield one


@pytest.mark.parametrize("origin", EVIL)
async def test_no_page_of_another_site_gets_in_anywhere(unguarded: Served, origin: str) -> None:
    """Not even to a server without keys, which believes whoever is on this machine."""
    foreign = {"Origin": origin}
    async with httpx.AsyncClient(base_url=unguarded.url, headers=foreign) as http:
        for answer in (
            await http.get("/v1/workflows"),
            await http.post("/v1/executions", json={"workflow": "x"}),
            await http.post("/graphql", json=QUERY),
            await http.post("/mcp", json={}),
            await http.get("/v1/events", headers={"Accept": "text/event-stream"}),
            await http.get("/metrics"),
            await http.options("/v1/workflows"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    for path, protocol in (("/graphql", GRAPHQL_WS), ("/v1/ws", "")):
        with pytest.raises(InvalidStatus) as refused:
            async with opened(f"{unguarded.url}{path}", foreign, protocol):
                pass
        assert refused.value.response.status_code == 403


async def test_a_request_that_names_no_host_comes_from_no_page(unguarded: Served) -> None:
    """HTTP/1.0 has none; with an Origin of nowhere it must not pass for one of ours."""
    for lines in ("Origin: null", "Origin: null\r\nHost: ", "Host: "):
        port = int(unguarded.url.rpartition(":")[2])
        answer = await _raw(port, f"GET /v1/workflows HTTP/1.0\r\n{lines}\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))


async def test_what_is_said_over_a_socket_is_counted_as_well(tmp_path: Path) -> None:
    """Else one connection could ask without end."""
    front = Front(rate=parse("5/minute"))
    async with serving(tmp_path, front=front) as served:
        async with opened(f"{served.url}/graphql", {}, GRAPHQL_WS) as socket:
            payload = {"apiKey": served.keys["viewer"]}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            kinds = []
            for _ in range(6):
                await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": QUERY}))
                said = json.loads(await socket.recv())
                kinds.append(said["type"])
                if said["type"] == "next":
                    assert json.loads(await socket.recv())["type"] == "complete"
        assert kinds == ["next"] * 4 + ["error"] * 2
        assert said["payload"][0]["extensions"]["code"] == "rate_limited"


async def test_whoever_has_no_key_is_not_told_what_is_wrong_inside(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store at /srv/secret/assay.db cannot be read")

    monkeypatch.setattr(served.tenants.app("other").manager, "executions", broken)
    async with served.client(None) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert answer.json()["store"] == "away"


async def test_figures_of_everything_are_not_for_whoever_may_see_some(served: Served) -> None:
    key = await issued(served.tenants, "", Role.ADMIN, "mine")
    async with httpx.AsyncClient(base_url=served.url, headers={"X-API-Key": key}) as http:
        assert (await http.get("/metrics")).status_code == 403


async def test_the_places_in_a_listing_tell_nothing_of_what_is_hidden(served: Served) -> None:
    """A cursor of the store holds the name at which a page ends, seen or not."""
    app = served.tenants.app()
    for name in (*(f"secret-{n:02}" for n in range(30)), "visible-1", "visible-2"):
        await app.register({"name": name, "steps": [SAY]})
        await app.run(name)
    control = Control(app.manager, Asker(Principal("p", "p", Role.ADMIN, ("visible-*",)), "rest"))
    told: list[str] = []
    for read in (control.workflows, control.executions):
        seen, after = 0, None
        while True:
            page = await read(after=after, limit=1)
            seen += len(page.items)
            if (after := page.cursor) is None:
                break
            told.append(after)
        assert seen == 2
    whole = [e.id for e in (await app.manager.executions(limit=100)).items]
    for cursor in told:
        assert "secret" not in _decoded(cursor)
        assert not [id for id in whole if id in _decoded(cursor)]


async def test_a_key_that_begins_something_once_is_its_owners_alone(served: Served) -> None:
    """Whatever characters are in the names of both."""
    app = served.tenants.app()
    await app.register({"name": "w", "steps": [SAY]})
    ids = set()
    for principal, key in (("a", "b/c"), ("a/b", "c"), ("a", "b/c")):
        asker = Asker(Principal(principal, "p", Role.OPERATOR), "rest")
        ids.add((await Control(app.manager, asker).start_once(key, "w")).execution.id)
    assert len(ids) == 2


FILES = ["evil.html", "evil.svg", "evil.js", "evil.xml", "evil", "evil.txt", "two\r\nX-Evil: 1.txt"]


async def test_a_file_that_a_step_kept_is_never_a_page_of_ours(
    served: Served, tmp_path: Path
) -> None:
    """It is saved, under its name, and a browser may guess nothing of it."""
    app = served.tenants.app()
    text = "<script>alert(1)</script>"
    writes = {f"f{n}": file for n, file in enumerate(FILES)}
    for file in FILES:
        (tmp_path / "workspace" / file).write_text(text + file)
    step = {"id": "w", "type": "shell", "command": "true", "artifacts": writes}
    ended = await app.run({"name": "keeps", "steps": [step]})
    assert ended.status == "completed", ended.error
    async with served.client(Role.VIEWER) as http:
        place = f"/v1/executions/{ended.id}/artifacts"
        kept = (await http.get(place)).json()["items"]
        assert sorted(each["file"] for each in kept) == sorted(FILES)
        for each in kept:
            found = await http.get(f"{place}/{each['sha256']}", headers={"Accept": "text/html"})
            kind = found.headers["content-type"].partition(";")[0]
            assert kind in ("application/octet-stream", "text/plain")
            assert found.headers["content-disposition"].startswith("attachment;")
            assert found.headers["content-security-policy"].startswith("sandbox;")
            assert found.headers["x-content-type-options"] == "nosniff"
            assert "x-evil" not in found.headers
            many = ",".join(f"{n}-{n}" for n in range(3000))
            ranges = await http.get(f"{place}/{each['sha256']}", headers={"Range": f"bytes={many}"})
            assert ranges.status_code < 500
    other = {"X-API-Key": await issued(served.tenants, "", Role.VIEWER, "mine"),
             "If-None-Match": "*"}  # fmt: skip
    async with httpx.AsyncClient(base_url=served.url, headers=other) as http:
        assert (await http.get(f"{place}/{kept[0]['sha256']}")).status_code == 404


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        *(("", ()), ("a" * 201, ()), ("two\nlines", ()), ("\x1b[2Jgone", ()), ("\u202erow", ())),
        *(("k", ("",)), ("k", ("a" * 201,)), ("k", ("a",) * 101)),
    ],
)
def test_a_key_is_called_what_can_be_shown_and_compared(name: str, scopes: tuple[str, ...]) -> None:
    """Names go to terminals and into the audit, scopes are looked through at every request."""
    with pytest.raises(InvalidInput):
        issue(name, Role.VIEWER, scopes)
    assert issue("Ada Lovelace (ci) \u00e9", Role.VIEWER, ("a" * 200,) * 100).secret


async def _raw(port: int, request: str) -> bytes:
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = await reader.read(100)
    writer.close()
    return answer


def _decoded(cursor: str) -> str:
    """A cursor as its reader may read it, in base64 or not."""
    import base64
    import binascii

    try:
        return cursor + base64.urlsafe_b64decode(cursor + "==").decode("latin-1")
    except (binascii.Error, ValueError):
        return cursor
