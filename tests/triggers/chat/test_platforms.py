"""The platforms json and telegram, against the other side of each on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from starlette.responses import JSONResponse, Response

from assay.api.app import open_app
from assay.api.chatting import chat_desk
from assay.graphs.errors import (
    ConfigurationError,
    InvalidInput,
    NotAuthenticated,
    PlatformRefused,
    PlatformUnavailable,
    StoreUnavailable,
)
from assay.triggers.chat.adapter import (
    Action,
    Button,
    Card,
    Conversation,
    Incoming,
    Message,
)
from assay.triggers.chat.generic import JsonAdapter, json_adapter
from assay.triggers.chat.letters import incoming, record
from assay.triggers.chat.telegram import TelegramAdapter, telegram_adapter

from .wire import SECRET, TOKEN, JsonSide, TelegramSide, json_side, telegram_side

pytestmark = pytest.mark.anyio

CARD = Card("**Hi** `x < y` & <@all>", (("id", "7"),), (Button("Approve", "ok:q1", "good"),))
WHO = {"id": "ada", "name": "Ada"}
SAID = {"type": "message", "id": "1", "person": WHO, "channel": "c", "thread": "t", "text": "hi"}


class Ear:
    """Takes what an adapter hands on."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []

    async def __call__(self, came: Incoming) -> None:
        self.heard.append(came)


@pytest.fixture
async def json(ear: Ear) -> AsyncIterator[tuple[JsonAdapter, JsonSide]]:
    async with json_side() as side:
        adapter = JsonAdapter(SECRET, side.url)
        yield adapter, side
        await adapter.close()


@pytest.fixture
async def telegram(ear: Ear) -> AsyncIterator[tuple[TelegramAdapter, TelegramSide]]:
    async with telegram_side() as side:
        adapter = TelegramAdapter(TOKEN, SECRET, "assay_bot", side.url)
        yield adapter, side
        await adapter.close()


@pytest.fixture
def ear() -> Ear:
    return Ear()


def signed(body: bytes, *, secret: str = SECRET, at: timedelta = timedelta()) -> dict[str, str]:
    now = datetime.now(UTC) + at
    return {
        "webhook-id": "m",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret.encode()).sign("m", now, body.decode()),
    }


async def test_json_takes_messages_and_clicks(json: tuple[JsonAdapter, JsonSide], ear: Ear) -> None:
    adapter, _ = json
    click = {**SAID, "type": "action", "id": "2", "value": "ok:q1", "message": "m1"}

    for said in (SAID, {**SAID, "mention": False}, click):
        body = orjson.dumps(said)
        assert (await adapter.accept(signed(body), body, ear)).status == 202

    first, second, third = ear.heard
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert isinstance(third, Action)
    assert (first.person.principal, first.text, first.mention) == ("chat:json:/ada", "hi", True)
    assert (second.mention, third.value, third.ref.id) == (False, "ok:q1", "m1")
    assert first.conversation.key == "json//c/t"


@pytest.mark.parametrize(
    "headers",
    [
        dict,
        lambda: signed(orjson.dumps(SAID), secret="another secret"),
        lambda: signed(b"{}"),
        lambda: signed(orjson.dumps(SAID), at=timedelta(minutes=-6)),
        lambda: signed(orjson.dumps(SAID), at=timedelta(minutes=6)),
        lambda: {**signed(orjson.dumps(SAID)), "webhook-signature": "nonsense"},
    ],
    ids=["none", "other secret", "other body", "old", "from the future", "malformed"],
)
async def test_json_refuses_what_is_not_signed(
    headers: Callable[[], Mapping[str, str]], json: tuple[JsonAdapter, JsonSide], ear: Ear
) -> None:
    with pytest.raises(NotAuthenticated):
        await json[0].accept(headers(), orjson.dumps(SAID), ear)
    assert ear.heard == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def like(shape: Any) -> st.SearchStrategy[Any]:
    """What is of that shape, save that any part of it may be anything, or absent."""
    if not isinstance(shape, dict):
        return st.just(shape) | ANYTHING
    return ANYTHING | st.fixed_dictionaries({}, optional={k: like(v) for k, v in shape.items()})


@cache
def adapters() -> tuple[JsonAdapter, TelegramAdapter]:
    """Which call nobody, and so have nothing to close."""
    return JsonAdapter(SECRET, "http://x"), TelegramAdapter(TOKEN, SECRET)


@settings(max_examples=100, deadline=None)
@given(st.data())
async def test_whatever_is_sent_is_taken_or_refused_with_a_reason(data: st.DataObject) -> None:
    ear, (json, telegram) = Ear(), adapters()
    click = {"from": WHO, "message": update("hi")["message"], "data": "x"}
    said = data.draw(like({**SAID, "value": "x", "message": "m"}))
    told = data.draw(like({**update("hi"), "callback_query": click}))
    body = orjson.dumps(said)
    with suppress(InvalidInput):
        await json.accept(signed(body), body, ear)
    with suppress(InvalidInput):
        await telegram.accept(TOLD, orjson.dumps(told), ear)
    for came in ear.heard:
        assert incoming(record(came)) == came


async def test_json_shows_and_changes_cards(json: tuple[JsonAdapter, JsonSide]) -> None:
    adapter, side = json
    place = Conversation("json", "", "c", "t")

    ref = await adapter.post(place, CARD, key="k")
    again = await adapter.post(place, CARD, key="k")
    await adapter.update(ref, Card("done"))

    assert ref == again
    assert (side.messages[ref.id].text, len(side.messages)) == ("done", 1)


async def test_an_answer_is_not_given_before_it_is_durable(
    json: tuple[JsonAdapter, JsonSide], telegram: tuple[TelegramAdapter, TelegramSide]
) -> None:
    async def full(came: Incoming) -> None:
        raise StoreUnavailable("the disk is full")

    body = orjson.dumps(SAID)
    with pytest.raises(StoreUnavailable):
        await json[0].accept(signed(body), body, full)
    with pytest.raises(StoreUnavailable):
        await telegram[0].accept(TOLD, orjson.dumps(update("hi")), full)


async def test_a_refusal_tells_whether_and_when_to_try_again(
    json: tuple[JsonAdapter, JsonSide], telegram: tuple[TelegramAdapter, TelegramSide]
) -> None:
    async def tried(adapter: Any, side: Any, response: Response) -> Exception | None:
        side.refuse.append(response)
        try:
            await adapter.post(Conversation(adapter.name, "", "1"), CARD, key="k")
        except (PlatformRefused, PlatformUnavailable) as error:
            return error
        return None

    slow = await tried(*json, Response(status_code=429, headers={"retry-after": "7"}))
    assert isinstance(slow, PlatformUnavailable)
    assert slow.wait == 7
    waits = JSONResponse({"ok": False, "parameters": {"retry_after": 9}}, 429)
    slow = await tried(*telegram, waits)
    assert isinstance(slow, PlatformUnavailable)
    assert slow.wait == 9
    assert isinstance(await tried(*json, Response(status_code=503)), PlatformUnavailable)
    gone = await tried(*telegram, JSONResponse({"description": "bot was blocked"}, 403))
    assert isinstance(gone, PlatformRefused)
    assert "blocked" in gone.message
    assert TOKEN not in gone.message


TOLD = {"x-telegram-bot-api-secret-token": SECRET}


def update(text: str, *, chat: str = "private", id: int = 1, **more: Any) -> dict[str, Any]:
    who = {"id": 5, "is_bot": False, "username": "ada"}
    place = {"id": 5 if chat == "private" else -9, "type": chat}
    message = {"message_id": 3, "from": who, "chat": place, "date": 1_800_000_000, "text": text}
    return {"update_id": id, "message": {**message, **more}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (update("hi"), ("hi", True)),
        (update("/start"), ("start", True)),
        (update("/cover@assay_bot a.py", chat="group"), ("cover a.py", True)),
        (update("/cover@other_bot a.py", chat="group"), ("/cover@other_bot a.py", False)),
        (update("hi", chat="group"), ("hi", False)),
        (update("@Assay_Bot cover a.py", chat="group"), ("cover a.py", True)),
        (
            update("yes", chat="group", reply_to_message={"from": {"id": 4242}}),
            ("yes", True),
        ),
    ],
)
async def test_telegram_knows_what_is_said_to_the_bot(
    given: Mapping[str, Any],
    expected: tuple[str, bool],
    telegram: tuple[TelegramAdapter, TelegramSide],
    ear: Ear,
) -> None:
    await telegram[0].accept(TOLD, orjson.dumps(given), ear)

    (came,) = ear.heard
    assert isinstance(came, Message)
    assert (came.text, came.mention) == expected
    assert came.person.principal == "chat:telegram:4242/5"


@pytest.mark.parametrize(
    "given",
    [
        {"update_id": 1, "edited_message": {}},
        {"update_id": 1, "message": {"message_id": 1, "photo": []}},
        {"update_id": 1, "message": {**update("hi")["message"], "from": {"id": 1, "is_bot": True}}},
    ],
)
async def test_telegram_passes_over_what_no_person_wrote(
    given: Mapping[str, Any], telegram: tuple[TelegramAdapter, TelegramSide], ear: Ear
) -> None:
    answer = await telegram[0].accept(TOLD, orjson.dumps(given), ear)
    assert (answer.status, ear.heard) == (200, [])


async def test_telegram_takes_clicks_and_says_so(
    telegram: tuple[TelegramAdapter, TelegramSide], ear: Ear
) -> None:
    click = {
        "update_id": 9,
        "callback_query": {
            "id": "77",
            "from": {"id": 5, "first_name": "Ada"},
            "message": {"message_id": 3, "chat": {"id": 5, "type": "private"}},
            "data": "ok:q1",
        },
    }
    answer = await telegram[0].accept(TOLD, orjson.dumps(click), ear)

    (came,) = ear.heard
    assert isinstance(came, Action)
    assert (came.value, came.ref.id, came.id) == ("ok:q1", "3", "9")
    assert orjson.loads(answer.body) == {
        "method": "answerCallbackQuery",
        "callback_query_id": "77",
    }


@pytest.mark.parametrize("headers", [{}, {"x-telegram-bot-api-secret-token": "é"}])
async def test_telegram_refuses_who_does_not_know_the_secret(
    headers: Mapping[str, str], telegram: tuple[TelegramAdapter, TelegramSide], ear: Ear
) -> None:
    with pytest.raises(NotAuthenticated):
        await telegram[0].accept(headers, orjson.dumps(update("hi")), ear)


async def test_telegram_shows_markup_of_ours_and_nobody_elses(
    telegram: tuple[TelegramAdapter, TelegramSide],
) -> None:
    adapter, side = telegram
    place = Conversation("telegram", "4242", "5")

    ref = await adapter.post(place, CARD, key="k")
    await adapter.update(ref, CARD)
    shown = side.messages[ref.id]
    assert shown.text == ("<b>Hi</b> <code>x &lt; y</code> &amp; &lt;@all&gt;\n<b>id</b>: 7")
    assert shown.buttons == [{"text": "Approve", "callback_data": "ok:q1"}]
    await adapter.update(ref, Card("x" * 10_000))
    assert side.messages[ref.id].text.endswith("…")


@pytest.mark.parametrize(
    ("make", "given", "names"),
    [
        (json_adapter, {}, ["ASSAY_JSON_SECRET", "ASSAY_JSON_URL"]),
        (telegram_adapter, {}, ["ASSAY_TELEGRAM_TOKEN", "ASSAY_TELEGRAM_SECRET"]),
        (
            telegram_adapter,
            {"ASSAY_TELEGRAM_TOKEN": "x", "ASSAY_TELEGRAM_SECRET": "y"},
            ["is no token"],
        ),
        (json_adapter, {"ASSAY_JSON_SECRET": "whsec_", "ASSAY_JSON_URL": "x"}, ["no secret"]),
    ],
)
def test_what_is_missing_is_named(make: Any, given: dict[str, str], names: Sequence[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(given)
    assert all(name in caught.value.message for name in names)


async def test_an_approval_is_asked_and_given_on_telegram(tmp_path: Path) -> None:
    """From the message to the last word, through the adapter that the settings make."""
    async with telegram_side() as side, open_app(home=tmp_path, workspace=tmp_path) as app:
        environ = {
            "ASSAY_CHAT": "telegram",
            "ASSAY_CHAT_ROLE": "operator",
            "ASSAY_TELEGRAM_TOKEN": TOKEN,
            "ASSAY_TELEGRAM_SECRET": SECRET,
            "ASSAY_TELEGRAM_URL": side.url,
        }
        chat = chat_desk(app, environ)
        assert chat is not None
        app.triggers.add("chat", chat.run)
        app.manager.serve()
        await app.register(SHIPS)
        async with app.triggers.running():
            await chat.accept("telegram", TOLD, orjson.dumps(update("ship 2.4")))
            question = await side.shows("Ship 2.4?")
            data = question.buttons[0]["callback_data"]
            who, at = {"id": 5, "username": "ada"}, {"id": 5, "type": "private"}
            message = {"message_id": int(question.id), "chat": at}
            query = {"id": "77", "from": who, "message": message, "data": data}
            click = orjson.dumps({"update_id": 2, "callback_query": query})
            for _ in range(2):
                assert (await chat.accept("telegram", TOLD, click)).status == 200
            await side.shows("Approved by ada")
            await side.shows("<b>ships</b> is done")
            await side.shows("2.4 is out")
        await chat.close()
    assert len(side.messages) == 3


SHIPS = {
    "name": "ships",
    "inputs": {"version": {"type": "string"}},
    "outputs": {"said": {"value": "{{ inputs.version }} is out"}},
    "triggers": [{"type": "chat", "match": "ship {version}"}],
    "steps": [{"id": "ok", "type": "approval", "message": "Ship {{ inputs.version }}?"}],
}
