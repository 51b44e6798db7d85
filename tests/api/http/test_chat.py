"""`POST /chat/{platform}`: answered when it is durable, and to nobody without a signature."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from assay.api.chatting import chat_desk
from assay.api.http.asking import Desk
from assay.api.identity import Identity
from assay.api.serving import served as serve
from assay.api.settings import read_settings
from assay.api.surfaces import application
from assay.api.tenants import Tenants
from assay.graphs.errors import ConfigurationError
from assay.graphs.ports import Store

pytestmark = pytest.mark.anyio

SECRET = "a secret of both sides"
ENVIRON = {"ASSAY_CHAT": "json", "ASSAY_JSON_SECRET": SECRET, "ASSAY_JSON_URL": "http://[::1]:9/"}
SAID: dict[str, Any] = {
    "type": "message",
    "id": "1",
    "person": {"id": "ada"},
    "channel": "c",
    "text": "hello",
}


class Heard(NamedTuple):
    client: httpx.AsyncClient
    store: Store

    async def say(self, said: object = SAID, secret: str = SECRET) -> httpx.Response:
        body, now = orjson.dumps(said), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": "m",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret.encode()).sign("m", now, body.decode()),
        }
        return await self.client.post("/chat/json", content=body, headers=headers)


@pytest.fixture
async def heard(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Heard]:
    """A server that takes in what is said; nobody deals with it."""
    settings = read_settings({**ENVIRON, "ASSAY_HOME": str(tmp_path)}, tmp_path)
    async with Tenants(settings, tmp_path) as tenants:
        app = application(tenants, Identity(tenants))
        desk: Desk = app.state.desk
        desk.chat = chat_desk(tenants.app(), settings.environ)
        async with serve(app, "127.0.0.1:0") as url, httpx.AsyncClient(base_url=url) as client:
            yield Heard(client, tenants.app().manager.store)
        assert desk.chat is not None
        await desk.chat.close()


async def test_what_is_answered_with_2xx_is_written_down_once(heard: Heard) -> None:
    answers = [await heard.say(), await heard.say()]

    assert [answer.status_code for answer in answers] == [202, 202]
    (letter,) = (await heard.store.firings(trigger="chat/json")).items
    assert letter.payload["came"]["text"] == "hello"


async def test_nobody_is_heard_without_the_secret(heard: Heard) -> None:
    answer = await heard.say(secret="another secret")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert list((await heard.store.firings(trigger="chat/json")).items) == []


async def test_what_cannot_be_read_is_refused_with_a_reason(heard: Heard) -> None:
    answer = await heard.say({**SAID, "channel": 7})

    assert answer.status_code == 422
    assert "`channel` must be text" in answer.json()["detail"]


async def test_what_is_too_large_is_refused(heard: Heard) -> None:
    assert (await heard.say({**SAID, "text": "x" * 600_000})).status_code == 422
    assert (await heard.say({**SAID, "text": "x" * 2_000_000})).status_code == 413


@pytest.mark.parametrize("path", ["/chat/slack", "/chat/nobody", "/chat/"])
async def test_a_platform_that_is_not_set_up_is_not_there(heard: Heard, path: str) -> None:
    assert (await heard.client.post(path)).status_code == 404


async def test_it_is_posted_to(heard: Heard) -> None:
    assert (await heard.client.get("/chat/json")).status_code == 405


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"ASSAY_CHAT": "slak"}, "did you mean 'slack'"),
        ({"ASSAY_CHAT": "json"}, "ASSAY_JSON_SECRET"),
        ({**ENVIRON, "ASSAY_CHAT_ROLE": "boss"}, "is no role"),
        ({**ENVIRON, "ASSAY_JSON_SECRET": "secret://none"}, "there is no secret 'none'"),
    ],
)
async def test_settings_that_are_wrong_are_named(
    environ: dict[str, str], says: str, tmp_path: Path
) -> None:
    settings = read_settings({**environ, "ASSAY_HOME": str(tmp_path)}, tmp_path)
    async with Tenants(settings, tmp_path) as tenants:
        with pytest.raises(ConfigurationError, match=says):
            chat_desk(tenants.app(), settings.environ)
