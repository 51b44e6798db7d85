"""A real server is sent deliveries from all sides, and killed: what it took, it keeps."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.graphs.firing import FiringStatus
from assay.store.connect import connect

from .hooked import SAYS
from .receivers import Listener, listening
from .signing import SECRET, WAYS, Way

LONG = os.environ.get("ASSAY_LONG") == "1"
DELIVERIES = 1000 if LONG else 150
AT_ONCE = 1000 if LONG else 30
FUZZED = 2000 if LONG else 60
HMAC = Way("hmac", {"header": "X-Signed", "id_header": "X-Id"})

PROGRAM = "from assay.api.cli import main; main()"
if not LONG:  # what a server that was killed had begun is left to it for half a minute
    PROGRAM = f"from assay.triggers import dispatch; dispatch.HIDDEN = 3.0; {PROGRAM}"

pytestmark = pytest.mark.anyio


class Server:
    """`assay serve` in a process of its own, over one store, at one port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = "0"
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'home' / 'assay.db'}"

    def begin(self) -> None:
        environ = {name: v for name, v in os.environ.items() if not name.startswith("ASSAY_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "serve", "--port", self.port],
            cwd=self.folder,
            env={
                **environ,
                "ASSAY_HOME": str(self.folder / "home"),
                "ASSAY_SECRET_HOOK": SECRET,
                "ASSAY_HOOK_RATE": "off",
                "ASSAY_NOTIFY_PRIVATE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("serving at"), line
        self.url = line.split()[2].rstrip(";")
        self.port = self.url.rpartition(":")[2]

    def kill(self) -> None:
        """As a failure of the machine would."""
        self._end(signal.SIGKILL)

    def kill_when(self, durable: int) -> None:
        """As soon as so many firings are in its store."""
        end = time.monotonic() + 60
        with closing(sqlite3.connect(self.folder / "home" / "assay.db")) as store:
            while store.execute("SELECT count(*) FROM firings").fetchone()[0] < durable:
                assert time.monotonic() < end
                time.sleep(0.005)
        self.kill()

    def end(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, sent: signal.Signals) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(sent)
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    server.begin()
    try:
        yield server
    finally:
        server.kill()


def hook(server: Server, name: str, way: Way | None, *tells: str) -> str:
    """Registers a workflow with a webhook over HTTP; its path."""
    verify: dict[str, Any] = {"scheme": "none"}
    if way is not None:
        verify = {"scheme": way.scheme, "secret": "secret://hook", **way.fields}
    document = {
        **SAYS,
        "name": name,
        "triggers": [{"type": "webhook", "verify": verify}],
        "notifications": [{"url": url} for url in tells],
    }
    answer = httpx.post(f"{server.url}/v1/workflows", json=document, timeout=60)
    assert answer.status_code == 201, answer.text
    return f"/hooks/{name}.webhook"


@pytest.mark.timeout(600)
async def test_every_delivery_that_was_taken_begins_one_execution_though_the_server_is_killed(
    tmp_path: Path,
) -> None:
    """Senders send again what was not answered, and three in ten of them what was. Of each
    execution somebody is told, twice by the same id where the server died in between."""
    whose = random.Random(7)
    ids = [str(n) for n in range(DELIVERIES * 7 // 10)]
    sent = ids + whose.choices(ids, k=DELIVERIES - len(ids))
    whose.shuffle(sent)
    answers: dict[str, set[str]] = defaultdict(set)
    cut = 0
    back, room = asyncio.Event(), asyncio.Semaphore(AT_ONCE)

    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(listening())
        server = stack.enter_context(serving(tmp_path))
        path = hook(server, "says", HMAC, there.url)

        async def send(http: httpx.AsyncClient, id: str) -> None:
            nonlocal cut
            made = HMAC.sends(json.dumps({"text": id}).encode(), id=id)
            for _ in range(20):
                try:
                    async with room:
                        answer = await http.post(
                            server.url + path, content=made.body, headers=dict(made.headers)
                        )
                except httpx.TransportError:
                    cut += 1
                    await back.wait()
                    continue
                if answer.status_code == 202:
                    answers[id].add(answer.json()["execution_id"])
                    return
                assert answer.status_code in (429, 503), answer.text
                await asyncio.sleep(0.2)
            raise AssertionError(f"{id} was never taken")

        async def strike() -> None:
            await asyncio.to_thread(server.kill_when, len(ids) // 2)
            await asyncio.to_thread(server.begin)
            back.set()

        everybody = httpx.Limits(max_connections=None)
        async with (
            httpx.AsyncClient(timeout=60, limits=everybody) as http,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(strike())
            for id in sent:
                group.create_task(send(http, id))
        assert cut, "the server was killed when all was over"
        await until_all_ended(server, len(ids))
        await until_all_told(there, len(ids))
        await asyncio.to_thread(server.end)

    assert set(answers) == set(ids)
    assert all(len(each) == 1 for each in answers.values())
    begun = await executions(server)
    assert len(begun) == len(ids)
    assert all(begun[next(iter(answers[id]))] == id for id in ids)


async def until_all_told(there: Listener, wanted: int) -> None:
    """All are told of, and each execution by one id."""
    async with asyncio.timeout(300):
        while len({each.json["subject"] for each in there.heard}) < wanted:
            await there.count(len(there.heard) + 1)
    told = {(each.json["subject"], each.headers["webhook-id"]) for each in there.heard}
    assert len(told) == wanted


async def until_all_ended(server: Server, wanted: int) -> None:
    async with asyncio.timeout(300), httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        while True:
            count, after = 0, None
            while True:
                given: dict[str, Any] = {"workflow": "says", "status": "completed", "limit": 100}
                page = (
                    await http.get(
                        "/v1/executions", params=given | ({"after": after} if after else {})
                    )
                ).json()
                count += len(page["items"])
                if (after := page["next"]) is None:
                    break
            if count >= wanted:
                return
            await asyncio.sleep(0.3)


async def executions(server: Server) -> dict[str, str]:
    """What each execution in the store said, by id."""
    store = await connect(server.store)
    found: dict[str, str] = {}
    after = None
    while True:
        page = await store.executions(after=after, limit=100)
        found |= {each.id: str(each.outputs.get("said")) for each in page.items}
        if (after := page.cursor) is None:
            break
    await store.close()
    return found


NAMES = st.sampled_from(
    [
        *("webhook-id", "webhook-timestamp", "webhook-signature", "x-signed", "x-id", "cookie"),
        *("ce-id", "ce-source", "ce-specversion", "idempotency-key", "x-github-event", "x-any"),
        *("x-slack-request-timestamp", "x-slack-signature", "authorization", "x-hub-signature-256"),
    ]
)
KINDS = st.sampled_from(
    [
        *("application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/mixed"),
        *("application/cloudevents+json", "application/cloudevents-batch+json", ""),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())
EVENTS = st.fixed_dictionaries(
    {"id": st.text() | st.integers(), "source": st.text()},
    optional={"data": st.text(), "data_base64": st.text(), "type": st.integers()},
).map(lambda value: json.dumps(value).encode())
QUERY = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3)
VALUES = st.binary(max_size=20).map(lambda b: bytes(c for c in b if c >= 33 and c != 127))


@pytest.mark.timeout(600)
async def test_whatever_is_sent_is_durable_or_refused_and_never_a_fault(tmp_path: Path) -> None:
    taken: set[str] = set()
    with serving(tmp_path) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        closed = [hook(server, "w" + name.replace(" ", "-"), way) for name, way in WAYS.items()]
        open_to_all = hook(server, "says", None)

        @settings(
            max_examples=FUZZED,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(
            path=st.sampled_from([*closed, *[open_to_all] * len(closed)]),
            body=st.binary(max_size=300) | JSON | EVENTS,
            headers=st.dictionaries(NAMES, VALUES, max_size=6),
            kind=KINDS,
            query=QUERY,
        )
        def fuzz(path: str, body: bytes, headers: dict[str, bytes], kind: str, query: Any) -> None:
            fields = [(name.encode(), value) for name, value in headers.items()]
            fields += [(b"content-type", kind.encode())] if kind else []
            answer = http.post(path, content=body, headers=fields, params=query)
            assert answer.status_code in (202, 400, 401, 413, 415, 422), answer.text
            if answer.status_code == 202:
                assert path == open_to_all
                taken.add(answer.json()["firing_id"])

        fuzz()
        server.kill()

    assert taken
    store = await connect(server.store)
    for id in taken:
        assert (await store.firing(id)).status is not FiringStatus.DELIVERED
    await store.close()
