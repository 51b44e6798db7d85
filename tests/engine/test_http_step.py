"""`http`: values stay values in every part of a request, and answers are read as they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from assay.graphs.errors import Terminal
from assay.graphs.steps.http import address

from ..running import House
from ..servers import Site, http_site

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[tuple[str, Site]]:
    with http_site() as (address_, site):
        yield address_, site


@pytest.fixture
def site(server: tuple[str, Site]) -> Site:
    return server[1]


@pytest.fixture
def base(server: tuple[str, Site]) -> str:
    return server[0]


def step(url: str, **more: Any) -> dict[str, Any]:
    """A definition with one request and a text `v`."""
    return {
        "name": "w",
        "inputs": {"v": {}},
        "steps": [{"id": "s", "type": "http", "url": url, **more}],
    }


async def test_a_json_answer_is_a_value_with_code_and_headers(
    house: House, base: str, site: Site
) -> None:
    site.body = {"answer": [42]}

    execution = await house.run(step(base))

    result = execution.steps["s"]
    assert result.output == {"answer": [42]}
    assert (result.outputs["code"], result.outputs["body"]) == (200, {"answer": [42]})
    assert result.outputs["headers"]["content-type"] == "application/json"


async def test_an_answer_of_another_kind_is_text(house: House, base: str, site: Site) -> None:
    site.body, site.content_type = b'{"a": 1}', "text/plain"

    assert (await house.run(step(base))).steps["s"].output == '{"a": 1}'


async def test_parse_says_how_the_body_is_read(house: House, base: str, site: Site) -> None:
    site.body, site.content_type = b'{"a": 1}', "text/plain"
    assert (await house.run(step(base, parse="json"))).steps["s"].output == {"a": 1}

    site.content_type = "application/json"
    assert (await house.run(step(base, parse="text"))).steps["s"].output == '{"a": 1}'


async def test_a_body_that_is_not_json_fails_where_json_is_wanted(
    house: House, base: str, site: Site
) -> None:
    site.body = b"<html>"

    execution = await house.run(step(base, parse="json"))

    assert execution.error is not None
    assert "the body is not JSON" in execution.error.message


@pytest.mark.parametrize(
    ("expected", "status", "right"),
    [
        (None, 204, True),
        (None, 404, False),
        (404, 404, True),
        ([200, 404], 404, True),
        (201, 200, False),
    ],
)
async def test_the_expected_status_decides(
    house: House, base: str, site: Site, expected: object, status: int, right: bool
) -> None:
    site.status = status
    if status == 204:
        site.body = b""
    more = {} if expected is None else {"expect_status": expected}

    execution = await house.run(step(base, **more))

    assert (execution.status == "completed") is right
    if not right:
        assert execution.error is not None
        assert f"GET {base} answered {status}" in execution.error.message


async def test_an_unexpected_status_is_tried_again_as_retry_says(
    house: House, base: str, site: Site
) -> None:
    site.failures = 2

    execution = await house.run(step(base, retry={"attempts": 3, "delay": "0s"}))

    assert (execution.status, len(site.asked)) == ("completed", 3)


async def test_attempts_share_an_idempotency_key(house: House, base: str, site: Site) -> None:
    site.failures = 1

    execution = await house.run(step(base, method="POST", retry={"attempts": 2, "delay": "0s"}))

    keys = [request.headers["idempotency-key"] for request in site.requests]
    assert keys == [f"{execution.id}/s"] * 2


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_the_method_is_sent(house: House, base: str, site: Site, method: str) -> None:
    await house.run(step(f"{base}/x", method=method))

    assert site.asked == [f"{method} /x"]


async def test_query_values_are_encoded_and_lists_repeat(
    house: House, base: str, site: Site
) -> None:
    query = {"q": "{{ inputs.v }}", "n": [1, 2], "b": True}

    await house.run(step(f"{base}/x", query=query), {"v": "a&b=c #d"})

    assert site.requests[0].query == {"q": ["a&b=c #d"], "n": ["1", "2"], "b": ["true"]}


async def test_query_is_added_to_the_query_of_the_address(
    house: House, base: str, site: Site
) -> None:
    await house.run(step(f"{base}/x?a=1", query={"b": 2}))

    assert site.requests[0].query == {"a": ["1"], "b": ["2"]}


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ("{{ inputs.v }}", "text/plain; charset=utf-8", b'a"b'),
        ({"v": "{{ inputs.v }}"}, "application/json", b'{"v":"a\\"b"}'),
        ([1, None], "application/json", b"[1,null]"),
    ],
)
async def test_text_is_sent_as_it_stands_and_anything_else_as_json(
    house: House, base: str, site: Site, body: object, content_type: str, sent: bytes
) -> None:
    await house.run(step(base, method="POST", body=body), {"v": 'a"b'})

    (request,) = site.requests
    assert (request.headers["content-type"], request.body) == (content_type, sent)


async def test_a_header_of_ones_own_wins(house: House, base: str, site: Site) -> None:
    headers = {"Content-Type": "application/x-mine", "Idempotency-Key": "{{ inputs.v }}"}

    await house.run(step(base, method="POST", body="x", headers=headers), {"v": "mine"})

    (request,) = site.requests
    assert request.headers["content-type"] == "application/x-mine"
    assert request.headers["idempotency-key"] == "mine"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(
    house: House, base: str, site: Site, value: str
) -> None:
    execution = await house.run(step(base, headers={"X-Value": "{{ inputs.v }}"}), {"v": value})

    assert execution.error is not None
    assert "header 'X-Value' has a line break in it" in execution.error.message
    assert site.asked == []


async def test_a_header_may_hold_what_is_not_ascii(house: House, base: str, site: Site) -> None:
    execution = await house.run(
        step(base, headers={"X-Value": "{{ inputs.v }}"}), {"v": "größe 🎉"}
    )

    assert execution.status == "completed", execution.error
    received = site.requests[0].headers["x-value"].encode("latin-1").decode()
    assert received == "größe 🎉"


@pytest.mark.parametrize("name", ["X Evil", "X:Evil", "X-Evil\r\nY", ""])
async def test_a_name_that_is_no_header_is_refused_in_words(
    house: House, base: str, site: Site, name: str
) -> None:
    execution = await house.run(step(base, headers={name: "x"}))

    assert execution.error is not None
    assert execution.error.code != "unexpected"
    assert "is no name of a header" in execution.error.message
    assert site.asked == []


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ([("https://x/a/", None), (None, "../b"), ("/c", None)], "https://x/a/..%2Fb/c"),
        ([("https://x/?q=", None), (None, "a&b#c")], "https://x/?q=a%26b%23c"),
        ([(None, "https://x/y?z=1")], "https://x/y?z=1"),
        ([(None, "https://x"), ("/a/", None), (None, "b c")], "https://x/a/b%20c"),
        ([("https://", None), (None, "api.example.com"), ("/", None)], "https://api.example.com/"),
        ([("https://x:", None), (None, 8080), ("/", None)], "https://x:8080/"),
    ],
)
def test_a_value_is_encoded_for_its_part_of_the_address(
    parts: list[tuple[str | None, Any]], url: str
) -> None:
    assert address(parts) == url


@pytest.mark.parametrize("value", ["evil.com/x?", "a@evil.com", "evil.com#", "a:b", "", "a\\b"])
def test_a_value_in_the_host_may_not_lead_elsewhere(value: str) -> None:
    with pytest.raises(Terminal, match="cannot stand in the host"):
        address([("https://", None), (None, value), (".example.com/", None)])


@pytest.mark.parametrize("value", ["..", "."])
async def test_a_value_that_is_a_segment_of_dots_is_refused(
    house: House, base: str, site: Site, value: str
) -> None:
    execution = await house.run(step(f"{base}/users/{{{{ inputs.v }}}}/delete"), {"v": value})

    assert execution.error is not None
    assert "climbs with a segment of dots" in execution.error.message
    assert site.asked == []


async def test_a_value_may_hold_dots(house: House, base: str, site: Site) -> None:
    await house.run(step(f"{base}/files/{{{{ inputs.v }}}}?up={{{{ inputs.v }}}}"), {"v": "...a"})

    assert site.asked == ["GET /files/...a?up=...a"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "x", "{{ inputs.v }}"])
async def test_an_address_of_another_kind_is_refused(house: House, url: str) -> None:
    execution = await house.run(step(url), {"v": "gopher://x"})

    assert execution.error is not None
    assert "does not begin with http:// or https://" in execution.error.message


async def test_no_answer_is_said_with_the_address(house: House) -> None:
    execution = await house.run(step("http://127.0.0.1:1/x"))

    assert execution.error is not None
    assert execution.error.code == "http"
    assert execution.error.message.startswith("GET http://127.0.0.1:1/x got no answer: ")


@pytest.mark.parametrize("url", ["http://[bad/", "http://x:99999/", "http://a b/", "http:///x"])
async def test_an_address_that_is_none_fails_in_words(house: House, url: str) -> None:
    execution = await house.run(step(url))

    assert execution.error is not None
    assert execution.error.code in ("http", "terminal"), execution.error


async def test_an_answer_over_the_limit_is_refused(
    house: House, base: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.graphs.steps.http.BODY_LIMIT", 1024 * 1024)
    site.body = json.dumps("x" * 2_000_000).encode()

    execution = await house.run(step(base))

    assert execution.error is not None
    assert "is larger than 1 MiB" in execution.error.message


async def test_an_answer_in_parts_of_unicode_is_read_whole(
    house: House, base: str, site: Site
) -> None:
    site.body = {"text": "größe 🎉" * 10_000}

    assert (await house.run(step(base))).steps["s"].output == site.body
