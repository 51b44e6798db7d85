"""One attempt to tell somebody reaches only who may be told, and does not wait for ever."""

from __future__ import annotations

import ssl

import pytest
import trustme

from assay.graphs.addresses import is_public
from assay.graphs.errors import HttpFailed, NotAllowed
from assay.triggers.notifications import sending
from assay.triggers.notifications.sending import HEARD, Sender

from .receivers import listening

pytestmark = pytest.mark.anyio


@pytest.fixture
def sender() -> Sender:
    """One that may reach this machine."""
    return Sender(private=True, patience=60)


async def test_what_is_sent_arrives(sender: Sender) -> None:
    async with listening(202) as there:
        answer = await sender.post(there.url, {"webhook-id": "1"}, b'{"a": 1}')

    assert (answer.status, answer.taken) == (202, True)
    (heard,) = there.heard
    assert heard.line == "POST /told HTTP/1.1"
    assert heard.headers["host"] == f"127.0.0.1:{there.port}"
    assert heard.headers["webhook-id"] == "1"
    assert heard.body == b'{"a": 1}'


async def test_an_address_of_ipv6_is_one(sender: Sender) -> None:
    async with listening(host="::1") as there:
        assert (await sender.post(there.url, {}, b"")).taken

    assert there.heard[0].headers["host"] == f"[::1]:{there.port}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://169.254.169.254/computeMetadata/v1/",
        "http://[fe80::1]/",
        "http://10.0.0.1/",
    ],
)
async def test_addresses_inside_are_refused_before_anything_is_sent(url: str) -> None:
    sender = Sender(patience=60)
    async with listening() as there:
        with pytest.raises((NotAllowed, HttpFailed), match=r"no public address|no answer"):
            await sender.post(url.format(port=there.port), {}, b"")

    assert there.connections == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
    ],
)
async def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns a name may give it any address."""

    async def found(host: str, port: int | None) -> list[str]:
        return ["93.184.215.14", "127.0.0.1"]

    monkeypatch.setattr(sending, "addresses_of", found)
    with pytest.raises(NotAllowed, match=r"rebind\.example leads to 127\.0\.0\.1"):
        await Sender(patience=60).post("http://rebind.example/", {}, b"")


async def test_a_name_is_looked_up_once_and_its_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    """It could lead elsewhere by the time of the second look."""
    asked = []

    async def found(host: str, port: int | None) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    monkeypatch.setattr(sending, "addresses_of", found)
    async with listening() as there:
        await sender.post(f"http://told.example:{there.port}/x", {}, b"")

    assert asked == ["told.example"]
    assert there.heard[0].headers["host"] == f"told.example:{there.port}"


async def test_a_certificate_is_of_the_name_not_of_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    there_is, believes = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    authority.issue_cert("told.example").configure_cert(there_is)
    authority.configure_trust(believes)

    async def found(host: str, port: int | None) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(sending, "addresses_of", found)
    sender = Sender(private=True, tls=believes)
    async with listening(200, tls=there_is) as there:
        assert (await sender.post(f"https://told.example:{there.port}/", {}, b"")).taken
        with pytest.raises(HttpFailed, match="certificate"):
            await sender.post(f"https://other.example:{there.port}/", {}, b"")

    assert len(there.heard) == 1


async def test_redirects_are_not_followed(sender: Sender) -> None:
    async with listening() as other:
        moved = f"HTTP/1.1 307 No\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n"
        async with listening(moved) as there:
            answer = await sender.post(there.url, {}, b"")

    assert (answer.status, answer.taken) == (307, False)
    assert other.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        "hang",
        "close",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it",
        "HTTP/1.1 200 OK\r\nX: y",
        "SSH-2.0-OpenSSH_9\r\n",
    ],
)
async def test_who_does_not_answer_has_not_taken_it(answer: str) -> None:
    sender = Sender(private=True, patience=0.5)
    async with listening(answer) as there:
        with pytest.raises(HttpFailed, match="no answer"):
            await sender.post(there.url, {}, b"")


async def test_of_a_long_answer_only_the_beginning_is_read(sender: Sender) -> None:
    long = "HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n" + "x" * 5000
    async with listening(long) as there:
        answer = await sender.post(there.url, {}, b"")

    assert answer.text == "x" * HEARD


async def test_a_receiver_says_when_it_wants_to_be_asked_again(sender: Sender) -> None:
    async with listening("HTTP/1.1 429 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n") as it:
        assert (await sender.post(it.url, {}, b"")).wait == 120


async def test_a_proxy_of_the_surroundings_is_not_asked(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as proxy, listening() as there:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        await sender.post(there.url, {}, b"")

    assert (proxy.connections, there.connections) == (0, 1)


async def test_nobody_there_is_no_answer(sender: Sender) -> None:
    async with listening() as there:
        url = there.url
    with pytest.raises(HttpFailed, match="no answer"):
        await sender.post(url, {}, b"")
