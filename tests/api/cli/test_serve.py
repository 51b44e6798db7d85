"""A server as whoever runs it meets it: begun, asked, killed, told to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.api.identity import FRESH

from .conftest import Background, Begin, Tell

STEPS: dict[str, Any] = {
    "name": "steps",
    "steps": [
        {"id": "one", "type": "shell", "command": "echo one >> done"},
        {"id": "two", "type": "shell", "command": "echo two >> done; exec sleep 0$(cat nap)"},
        {"id": "three", "type": "shell", "command": "echo three >> done"},
    ],
}


@pytest.fixture(autouse=True)
def nap(desk: Path) -> Path:
    """How many seconds the second step takes; digits behind a 0."""
    (desk / "nap").write_text("")
    return desk / "nap"


def done(desk: Path) -> list[str]:
    """What the steps that ran wrote down."""
    return (desk / "done").read_text().split() if (desk / "done").exists() else []


def until(true: Callable[[], bool]) -> None:
    """Look until it is so: other processes have no events to wait for."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


Serve = Callable[..., tuple[Background, httpx.Client]]


@pytest.fixture
def serving(begin: Begin) -> Iterator[Serve]:
    """Begins servers at free ports, each with somebody who asks it."""
    with ExitStack() as stack:

        def serve(*options: str, key: str = "") -> tuple[Background, httpx.Client]:
            server = begin("serve", "--port", "0", *options)
            url = server.until("Ctrl-C ends it in order").split()[2].rstrip(";")
            http = httpx.Client(
                base_url=url.replace("0.0.0.0", "127.0.0.1"),
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=30,
            )
            return server, stack.enter_context(http)

        yield serve


def started(http: httpx.Client) -> str:
    assert http.post("/v1/workflows", json=STEPS).status_code == 201
    begun = http.post("/v1/executions", json={"workflow": "steps"})
    assert begun.status_code == 201
    return str(begun.json()["execution_id"])


def status(http: httpx.Client, id: str) -> str:
    return str(http.get(f"/v1/executions/{id}").json()["status"])


def new_key(tell: Tell, *options: str) -> str:
    return tell("keys", "create", "somebody", *options).out.splitlines()[-1]


def test_without_any_key_it_serves_this_machine(serving: Serve, desk: Path) -> None:
    server, http = serving()
    id = started(http)
    until(lambda: status(http, id) == "completed")
    told = http.get(f"/v1/executions/{id}/events").json()["items"]

    assert done(desk) == ["one", "two", "three"]
    assert [each["seq"] for each in told] == list(range(1, len(told) + 1))
    assert http.get("/healthz").json() == {"alive": True}
    assert http.get("/readyz").json()["ready"] is True
    assert 'assay_executions_total{status="completed"} 1' in http.get("/metrics").text
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0


def test_nobody_else_is_served_while_nobody_needs_a_key(tell: Tell) -> None:
    told = tell("serve", "--host", "0.0.0.0", "--port", "0")

    assert (told.code, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert "assay keys create NAME --role admin" in told.err


def test_with_a_key_others_are_served_who_have_it_until_it_is_revoked(
    serving: Serve, tell: Tell
) -> None:
    key = new_key(tell, "--role", "admin")
    new_key(tell)  # without any, everybody on this machine would be let in
    _, http = serving("--host", "0.0.0.0", key=key)
    assert http.get("/v1/workflows").status_code == 200
    assert httpx.get(http.base_url.join("/v1/workflows")).status_code == 401

    assert tell("keys", "revoke", key.split("_")[1]).code == 0
    until(lambda: http.get("/v1/workflows").status_code == 401)
    assert FRESH < 5


def test_a_port_that_is_taken_is_told_in_one_line(tell: Tell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = tell("serve", "--port", str(port))

    assert (told.code, told.out) == (2, "")
    assert told.err == f"error: nothing can listen at 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_runs_when_it_is_told_to_end_goes_on_on_the_next_one(
    serving: Serve, desk: Path, nap: Path, workers: str
) -> None:
    """Its step ends within the grace, and no step is run again."""
    nap.write_text("2")
    server, http = serving("--grace", "60", "--workers", workers)
    id = started(http)
    until(lambda: "two" in done(desk))
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0
    assert done(desk) == ["one", "two"]

    _, http = serving("--workers", workers)
    until(lambda: status(http, id) == "completed")
    assert done(desk) == ["one", "two", "three"]
    told = http.get(f"/v1/executions/{id}/events", params={"limit": 1000}).json()["items"]
    completed = [each["path"] for each in told if each["type"] == "StepCompleted"]
    assert completed == ["one", "two", "three"]


def test_what_ran_when_it_died_goes_on_on_the_next_one(
    serving: Serve, desk: Path, nap: Path
) -> None:
    nap.write_text("60")
    server, http = serving()
    id = started(http)
    until(lambda: "two" in done(desk))
    server.kill()

    nap.write_text("")
    _, http = serving()
    until(lambda: status(http, id) == "completed")
    assert done(desk) == ["one", "two", "two", "three"]


def test_each_request_is_written_down_when_that_is_wanted(serving: Serve, tell: Tell) -> None:
    """Not its query, and nothing of the key."""
    key = new_key(tell)
    server, http = serving("--verbose", key=key)
    http.get("/v1/executions", params={"workflow": "secret"})
    http.post("/v1/workflows", json=STEPS)
    httpx.get(http.base_url.join("/v1/nothing"))
    server.process.send_signal(signal.SIGTERM)
    _, err = server.process.communicate()
    first, second, third = [json.loads(line) for line in err.splitlines() if line[0] == "{"]

    assert {name: first[name] for name in ("method", "path", "status", "address", "tenant")} == {
        "method": "GET",
        "path": "/v1/executions",
        "status": 200,
        "address": "127.0.0.1",
        "tenant": "",
    }
    assert first["by"] == second["by"] == key.split("_")[1]
    assert (second["status"], third["status"], third["by"]) == (403, 404, None)
    assert "secret" not in err
    assert key not in err


def workers_of(server: Background) -> list[int]:
    """The processes that it has begun and that have not ended."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_worker_that_dies_is_begun_again_and_its_executions_go_on(
    serving: Serve, desk: Path, nap: Path
) -> None:
    nap.write_text("60")
    server, http = serving("--workers", "1")
    (worker,) = workers_of(server)
    id = started(http)
    until(lambda: "two" in done(desk))
    assert http.get("/v1/stats").json()["taken"] == 0  # the server itself executes nothing

    nap.write_text("")
    os.kill(worker, signal.SIGKILL)
    until(lambda: status(http, id) == "completed")
    (other,) = workers_of(server)
    assert other != worker
    assert done(desk) == ["one", "two", "two", "three"]

    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0
    assert gone(other)


def test_its_workers_end_when_it_dies(serving: Serve) -> None:
    server, http = serving("--workers", "2")
    workers = workers_of(server)
    id = started(http)
    until(lambda: status(http, id) == "completed")
    server.process.kill()

    assert len(workers) == 2
    until(lambda: all(map(gone, workers)))


def test_its_workers_end_at_once_when_it_is_told_to_twice(
    serving: Serve, desk: Path, nap: Path
) -> None:
    nap.write_text("60")
    server, http = serving("--workers", "1", "--grace", "300")
    (worker,) = workers_of(server)
    started(http)
    until(lambda: "two" in done(desk))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.stderr is not None
    assert "300 s to end" in server.process.stderr.readline()
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0
    assert gone(worker)


def test_workers_execute_for_tenants_too(
    serving: Serve, tell: Tell, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_TENANTS", "blue")
    monkeypatch.setenv("ASSAY_WORKERS", "1")
    server, http = serving(key=new_key(tell, "--tenant", "blue", "--role", "admin"))
    assert len(workers_of(server)) == 2
    id = started(http)
    until(lambda: status(http, id) == "completed")
    assert done(desk) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("settings", "options", "says"),
    [
        ({"ASSAY_WORKERS": "two"}, [], "ASSAY_WORKERS is 'two'"),
        ({"ASSAY_ORIGINS": "app.example"}, [], "ASSAY_ORIGINS has 'app.example'"),
        ({"ASSAY_RATE": "often"}, [], "ASSAY_RATE is 'often'"),
        ({"ASSAY_ADDRESS_RATE": "5"}, [], "ASSAY_ADDRESS_RATE is '5'"),
        ({"ASSAY_MAX_BODY": "big"}, [], "ASSAY_MAX_BODY"),
        ({"ASSAY_TENANTS": "A b"}, [], "'A b' cannot name a tenant"),
        ({"ASSAY_ISSUER": "https://a.example"}, [], "without ASSAY_AUDIENCE"),
        ({}, ["--workers", "-1"], "workers"),
        ({}, ["--port", "99999"], "port"),
        ({}, ["--host", "192.0.2.1"], "others can reach '192.0.2.1'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tell: Tell,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    options: list[str],
    says: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    told = tell("serve", *options)

    assert told.code == 2
    assert says in told.err
