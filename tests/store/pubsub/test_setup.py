"""Setting up, and what is said when something is missing: one line that says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]
from tests.emulators import VARIABLES, Emulators

from assay.graphs.errors import AssayError, ConfigurationError, StoreError, StoreUnavailable
from assay.store.buses import connect_bus, setup_bus
from assay.store.pubsub.bus import PubSubBus
from assay.store.pubsub.client import Client
from assay.store.pubsub.names import DEAD, EVENTS, TOPICS, WORK
from assay.store.pubsub.setup import setup

pytestmark = pytest.mark.anyio


async def test_it_makes_what_is_missing_once(bare_project: str) -> None:
    missing = await setup(bare_project, check=True)
    assert {part.state for part in missing} == {"missing"}
    made = await setup(bare_project)
    assert [(part.kind, part.name) for part in made] == [
        *(("topic", name) for name in TOPICS),
        ("subscription", WORK),
        ("subscription", DEAD),
    ]
    assert {part.state for part in made} == {"made"}
    for check in (False, True):
        assert {part.state for part in await setup(bare_project, check=check)} == {"there"}


async def test_a_subscription_of_another_topic_is_not_taken_for_ours(
    bare_project: str,
) -> None:
    client = await Client.open(bare_project)
    await client.create_topic(EVENTS)
    await client.subscribe(EVENTS, WORK, {}, None)
    await client.close()
    with pytest.raises(StoreError, match=r"gcloud pubsub subscriptions delete assay-work"):
        await setup(bare_project)


async def test_without_topics_a_bus_says_how_to_make_them(bare_project: str) -> None:
    with pytest.raises(StoreError, match="assay bus setup") as raised:
        await PubSubBus.open(bare_project)
    assert "assay-control" in raised.value.message
    _is_one_line(raised.value)


async def test_nobody_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES["pubsub"], "127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="Connection refused") as raised:
        await PubSubBus.open("project")
    _is_one_line(raised.value)


@pytest.mark.parametrize("url", ["", "pubsub://", "pubsub://A b", "kafka://x", "pubsub://p/q"])
async def test_a_url_that_names_no_bus_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="pubsub://PROJECT"):
        async with connect_bus(url):
            pass


async def test_the_bus_within_a_process_needs_nothing() -> None:
    assert await setup_bus("local") == []


@pytest.fixture
async def refusing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """A server that refuses every call, with the details given: as Google's IAM does."""
    details: dict[str, Any] = {}

    async def refuse(request: bytes, context: Any) -> bytes:
        status = status_pb2.Status(
            code=code_pb2.PERMISSION_DENIED, message="User not authorized\nto do this."
        )
        if details:
            status.details.add().Pack(error_details_pb2.ErrorInfo(**details))
        await context.abort_with_status(rpc_status.to_status(status))
        return b""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setenv(VARIABLES["pubsub"], f"127.0.0.1:{port}")
    yield details
    await server.stop(None)


async def test_a_missing_permission_is_named(refusing: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"pubsub\.topics\.get\b") as raised:
        await setup("project")
    _is_one_line(raised.value)
    with pytest.raises(StoreError, match=r"pubsub\.subscriptions\.create") as raised:
        await PubSubBus.open("project")
    _is_one_line(raised.value)
    refusing.update(
        reason="IAM_PERMISSION_DENIED",
        domain="iam.googleapis.com",
        metadata={"permission": "pubsub.topics.attachSubscription"},
    )
    with pytest.raises(StoreError, match=r"permission pubsub\.topics\.attachSubscription;"):
        await PubSubBus.open("project")


async def test_a_service_that_is_not_enabled_is_said_to_be_so(refusing: dict[str, Any]) -> None:
    refusing.update(reason="SERVICE_DISABLED", domain="googleapis.com")
    with pytest.raises(StoreError, match="gcloud services enable") as raised:
        await setup("project")
    _is_one_line(raised.value)


def test_from_the_command_line(emulated: Emulators, bare_project: str) -> None:
    url = f"pubsub://{bare_project}"
    code, said = _assay("bus", "setup", url, "--check")
    assert (code, said.splitlines()[0]) == (1, "missing  topic assay-events")
    code, said = _assay("bus", "setup", url, "--json")
    assert code == 0
    assert json.loads(said)[-1] == {"kind": "subscription", "name": "assay-dead", "state": "made"}


def test_without_the_extra_it_says_what_to_install() -> None:
    code, said = _assay("bus", "setup", "pubsub://p", without="google")
    assert code == 2
    assert "pip install 'assay[google]'" in said


def _assay(*arguments: str, without: str = "") -> tuple[int, str]:
    """The exit code and what was said, in a process of its own, perhaps without a package."""
    program = f"import sys; sys.modules.update({{name: None for name in {without.split()!r}}})\n"
    program += "from assay.api.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _is_one_line(error: AssayError) -> None:
    assert "\n" not in error.message
    assert error.message.startswith("Pub/Sub in project ")
