"""Requests of others fire triggers: once each, durable before they are answered, never a 500."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from limits import parse

from assay.api.app import loader
from assay.api.http.front import Front
from assay.graphs.errors import InvalidSpec
from assay.triggers.webhooks.delivery import Delivery

from .hooked import SAYS, WAITS, Hooked, hooked
from .signing import NEW, SECRET, TIMED, WAYS, Way

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "graphs" / "examples" / "on-pull-request.yaml"
NONE = {"scheme": "none"}
TEXT = b'{"text": "hello"}'
HMAC = Way("hmac", {"header": "X-Signed"})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Hooked]:
    async with hooked(tmp_path) as one:
        yield one


def signs(way: Way, **fields: Any) -> dict[str, Any]:
    return {"scheme": way.scheme, "secret": "secret://hook", **way.fields, **fields}


def fresh(way: Way, body: bytes = TEXT, **how: Any) -> Delivery:
    return way.sends(body, at=int(time.time()), **how)


async def test_each_scheme_fires_once_for_a_delivery_and_never_for_what_is_made_up(
    house: Hooked,
) -> None:
    for name, way in WAYS.items():
        workflow = "w-" + name.replace(" ", "-")
        path = await house.hook(signs(way), {**SAYS, "name": workflow})
        sent = fresh(way)
        made_up = way.sends(TEXT, at=int(time.time()), secret=NEW)

        first, again = [await house.post(path, sent) for _ in range(2)]
        refused = await house.post(path, made_up)

        assert (first.status_code, again.status_code, refused.status_code) == (202, 202, 401), name
        assert first.json()["firing_id"] == again.json()["firing_id"]
        assert first.json()["execution_id"] == again.json()["execution_id"]
        assert first.headers["location"] == f"/v1/executions/{first.json()['execution_id']}"
        assert (await house.begun(first)).outputs == {"said": "hello"}
        assert len(await house.firings(f"{workflow}.webhook")) == 1


async def test_what_was_captured_and_is_sent_later_is_refused(house: Hooked) -> None:
    for name in TIMED:
        path = await house.hook(signs(WAYS[name]), {**SAYS, "name": "w-" + name.replace(" ", "-")})
        old = WAYS[name].sends(TEXT, at=int(time.time()) - 400)

        assert (await house.post(path, old)).status_code == 401, name


async def test_while_a_secret_changes_both_fire(house: Hooked) -> None:
    way = WAYS["github"]
    path = await house.hook(signs(way, secret=["secret://hook", "secret://new"]))

    answers = [
        await house.post(path, fresh(way, id="1")),
        await house.post(path, fresh(way, id="2", secret=NEW)),
    ]

    assert [each.status_code for each in answers] == [202, 202]


async def test_strangers_do_not_learn_which_webhooks_there_are(house: Hooked) -> None:
    """Neither of one that is switched off, whose secret is missing, or of another kind."""
    await house.app().register({**SAYS, "name": "by-hand", "triggers": [{"type": "manual"}]})
    await house.hook(signs(HMAC, secret="secret://missing"), {**SAYS, "name": "unset"})
    await house.hook({"scheme": "standard", "secret": "secret://broken"}, {**SAYS, "name": "bad"})
    await house.hook(signs(HMAC), {**SAYS, "name": "off"}, enabled=False)
    await house.hook(signs(HMAC))
    ids = (
        "says.webhook",
        "off.webhook",
        "unset.webhook",
        "bad.webhook",
        "by-hand.manual",
        "none.x",
    )
    paths = [f"/hooks/{id}" for id in ids] + ["/hooks/nobody/says.webhook", "/hooks/other/x"]

    answers = [await house.http.post(path, content=TEXT) for path in paths]

    assert {each.status_code for each in answers} == {401}
    assert len({each.text for each in answers}) == 1
    assert answers[0].json()["code"] == "not_authenticated"
    assert "www-authenticate" in answers[0].headers


async def test_who_proves_it_hears_that_the_trigger_is_off(house: Hooked) -> None:
    path = await house.hook(signs(HMAC), enabled=False)

    answer = await house.post(path, fresh(HMAC))

    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")


async def test_a_tenant_has_webhooks_and_secrets_of_its_own(house: Hooked) -> None:
    path = await house.hook(signs(HMAC), tenant="other")

    ours, theirs = [await house.post(path, fresh(HMAC, secret=s)) for s in (SECRET, NEW)]

    assert ours.status_code == 401
    assert (await house.begun(theirs, "other")).outputs == {"said": "hello"}
    assert (await house.http.post("/hooks/says.webhook", content=TEXT)).status_code == 401


async def test_what_came_is_what_expressions_see(house: Hooked) -> None:
    takes: dict[str, Any] = {"with": {"text": "{{ payload.who }} {{ attributes['x-kind'] }}"}}
    path = await house.hook(NONE, when="attributes.branch == 'main'", **takes)
    form = {"content-type": "application/x-www-form-urlencoded", "x-kind": "form"}
    sent = Delivery(b"who=Ann", form, [("branch", "main")])

    answer = await house.post(path, sent)
    other = await house.post(path, replace(sent, query=[("branch", "dev")]))

    assert (await house.begun(answer)).outputs == {"said": "Ann form"}
    firing = await house.desk.store.firing(other.json()["firing_id"])
    assert (await house.desk.settled(firing, 20)).status == "skipped"


async def test_a_secret_that_is_sent_is_not_kept(house: Hooked) -> None:
    path = await house.hook(NONE)
    body = orjson.dumps({"text": SECRET})

    await house.post(path, Delivery(body, {"content-type": "application/json", "x-a": SECRET}))

    (firing,) = await house.firings()
    assert SECRET not in orjson.dumps([firing.payload, firing.attributes]).decode()
    assert firing.payload["text"].startswith("[secret ")


async def test_with_a_reply_the_result_is_the_answer(house: Hooked) -> None:
    path = await house.hook(NONE, reply={"wait": "20s"})
    skips = {**SAYS, "name": "skips"}
    skipping = await house.hook(NONE, skips, when="1 > 2", reply={"wait": "20s"})

    answer = await house.http.post(path, json={"text": "at once"})
    skipped = await house.http.post(skipping, json={})

    assert answer.status_code == skipped.status_code == 200
    assert answer.json()["execution"] == {
        "status": "completed",
        "outputs": {"said": "at once"},
        "error": None,
    }
    assert (skipped.json()["status"], skipped.json()["reason"]) == ("skipped", "`if` was false")


async def test_a_reply_that_would_take_too_long_says_where_it_will_be(house: Hooked) -> None:
    path = await house.hook(NONE, WAITS, reply={"wait": "300ms"})
    keyed = Delivery(TEXT, {"content-type": "application/json", "idempotency-key": "k"})

    answer = await house.post(path, keyed)
    await house.app().manager.send_event("go")
    execution = await house.begun(answer)
    again = await house.post(path, keyed)

    assert answer.status_code == 202
    assert answer.json()["status"] == "started"
    assert answer.json()["links"]["execution"] == f"/v1/executions/{execution.id}"
    assert (again.status_code, again.json()["execution"]["status"]) == (200, "completed")


async def test_a_body_may_be_as_large_as_the_trigger_says(house: Hooked) -> None:
    path = await house.hook(NONE, max_size="1kB")
    largest = await house.hook(NONE, {**SAYS, "name": "large"}, max_size="512kB")
    kind = {"content-type": "text/plain"}

    fits, too_large, long, escaped = [
        await house.http.post(to, content=content, headers=kind)
        for to, content in (
            (path, b"x" * 1000),
            (path, b"x" * 1001),
            (largest, b"x" * 500_000),
            (largest, b"\x01" * 512_000),
        )
    ]

    assert (fits.status_code, long.status_code) == (202, 202)
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert 400 <= escaped.status_code < 500


async def test_the_trials_of_slack_and_github_are_answered_and_fire_nothing(house: Hooked) -> None:
    slack = await house.hook(signs(WAYS["slack"]))
    github = await house.hook(signs(WAYS["github"]), {**SAYS, "name": "hub"})
    trial = b'{"type": "url_verification", "challenge": "3eZbrw"}'
    ping = fresh(WAYS["github"], b"{}")
    ping = replace(ping, headers={**ping.headers, "x-github-event": "ping"})

    challenged = await house.post(slack, fresh(WAYS["slack"], trial))
    stranger = await house.http.post(slack, content=trial)
    ponged = await house.post(github, ping)

    assert (challenged.status_code, challenged.json()) == (200, {"challenge": "3eZbrw"})
    assert stranger.status_code == 401
    assert (ponged.status_code, ponged.json()) == (200, {"pong": True})
    assert await house.firings() == await house.firings("hub.webhook") == []


async def test_cloud_events_come_once_however_they_are_packed(house: Hooked) -> None:
    takes: dict[str, Any] = {"with": {"text": "{{ attributes['ce-type'] }}"}}
    path = await house.hook(NONE, **takes)
    event = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "order", "data": {"a": 1}}
    ce = {f"ce-{name}": str(event[name]) for name in ("specversion", "id", "source", "type")}
    binary = Delivery(b'{"a": 1}', {**ce, "content-type": "application/json"})
    whole = Delivery(orjson.dumps(event), {"content-type": "application/cloudevents+json"})

    one, other = await house.post(path, binary), await house.post(path, whole)

    assert one.json()["firing_id"] == other.json()["firing_id"]
    assert (await house.begun(one)).outputs == {"said": "order"}
    assert (await house.firings())[0].payload == {"a": 1}


async def test_other_methods_are_told_which_one_there_is(house: Hooked) -> None:
    path = await house.hook(NONE)
    for method in ("GET", "PUT", "DELETE"):
        answer = await house.http.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_webhook_may_be_fired_so_often_and_strangers_do_not_use_that_up(
    tmp_path: Path,
) -> None:
    async with hooked(tmp_path, front=Front(hook_rate=parse("2/minute"))) as house:
        path = await house.hook(signs(WAYS["github"]))
        strangers = [await house.http.post(path, content=TEXT) for _ in range(3)]
        answers = [await house.post(path, fresh(WAYS["github"], id=str(n))) for n in range(3)]

        assert {each.status_code for each in strangers} == {401}
        assert [each.status_code for each in answers] == [202, 202, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert len(await house.firings()) == 2


async def test_what_does_not_fit_the_inputs_is_dead_and_says_why(house: Hooked) -> None:
    path = await house.hook(NONE, reply={"wait": "20s"})

    answer = await house.http.post(path, json={"text": 7})

    assert (answer.status_code, answer.json()["status"]) == (200, "dead")
    assert "text" in answer.json()["reason"]


async def test_the_example_takes_what_github_sends(house: Hooked) -> None:
    await house.app().register(EXAMPLE)
    opened = {"action": "opened", "number": 7, "pull_request": {"title": "One two three"}}
    sent = fresh(WAYS["github"], orjson.dumps(opened))
    sent = replace(sent, headers={**sent.headers, "x-github-event": "pull_request"})

    answer = await house.post("/hooks/on-pull-request.github", sent)
    execution = await house.begun(answer)

    assert execution.inputs == {"number": 7, "title": "One two three"}
    assert execution.outputs == {"words": "3"}


@pytest.mark.parametrize(
    ("verify", "why"),
    [
        (None, "must be a mapping"),
        ({}, "'scheme' is missing"),
        ({"scheme": "githb"}, "not one of"),
        ({"scheme": "github"}, "needs `secret"),
        ({"scheme": "github", "secret": "plain text"}, "never itself"),
        ({"scheme": "github", "secret": []}, "at least 1"),
        ({"scheme": "none", "secret": "secret://hook"}, "nothing is verified"),
        ({"scheme": "hmac", "secret": "secret://hook"}, "needs `header`"),
        ({"scheme": "github", "secret": "secret://hook", "encoding": "hex"}, "is for scheme"),
        ({"scheme": "slack", "secret": "secret://hook", "id_header": "x"}, "itself"),
        (signs(HMAC, signed="{timestamp}.{body}"), "timestamp_header"),
        (signs(HMAC, signed="body"), "once"),
        (signs(HMAC, timestamp_header="x", signed="{body}"), "proves nothing"),
        (signs(HMAC, header="not a name"), "header"),
        (signs(HMAC, tolerance="2d"), "tolerance"),
    ],
)
def test_what_cannot_be_verified_is_refused_when_it_is_written(verify: Any, why: str) -> None:
    with pytest.raises(InvalidSpec, match=why):
        loader().mapping({**SAYS, "triggers": [{"type": "webhook", "verify": verify}]})


def test_a_secret_that_is_written_out_is_told_of_once() -> None:
    verify = {"scheme": "github", "secret": "plain text"}

    with pytest.raises(InvalidSpec) as refused:
        loader().mapping({**SAYS, "triggers": [{"type": "webhook", "verify": verify}]})

    (problem,) = refused.value.problems
    assert "never itself" in problem.message


def test_a_webhook_without_verify_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="'verify' is missing"):
        loader().mapping({**SAYS, "triggers": [{"type": "webhook"}]})
