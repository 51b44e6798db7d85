"""docs/streams.md says what is so: its transcripts are replayed, its programs run."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.api.torture.cutter import Cutter

from assay.api.socket import frames

from .conftest import LOUD, raw, run
from .test_chat import ECHO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.http.conftest import Served

    from .conftest import Client

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "streams.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^\| ([\d ]+) \| (.*?) \|", re.MULTILINE)
HIDDEN = "…"


def blocks(kind: str) -> list[str]:
    return [body for each, body in BLOCK.findall(PAGE) if each == kind]


def test_there_are_examples_of_each_kind() -> None:
    assert [len(blocks(kind)) for kind in ("sh", "py", "transcript")] == [1, 1, 2]


@pytest.mark.parametrize("number", [0, 1])
async def test_what_is_said_is_answered_as_the_page_has_it(served: Served, number: int) -> None:
    for definition in (LOUD, ECHO):
        await served.tenants.app().manager.register(definition)
    known: dict[str, Any] = {"key": served.keys["operator"]}
    async with raw(served) as client:
        if number:
            await client.send("hello", key=known["key"])
            await client.read("welcome")
        for said, frame, skips in _lines(blocks("transcript")[number]):
            if said:
                await _settled(served, known)
                await client.socket.send(json.dumps(_filled(frame, known)))
            else:
                await _matching(client, frame, known, skips)


async def test_what_curl_is_told_begins_where_it_wants(served: Served, tmp_path: Path) -> None:
    id = await run(served, LOUD)
    await served.tenants.app().wait(id)
    environment = {
        **os.environ,
        "ASSAY_URL": served.url,
        "ASSAY_KEY": served.keys["viewer"],
        "id": id,
    }
    (script,) = blocks("sh")
    running = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, env=environment, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(running.communicate(), 60)
    pattern = re.escape(blocks("text")[0].strip()).replace(HIDDEN, ".*")
    assert re.fullmatch(pattern, told.decode().strip()), told.decode()


async def test_the_program_follows_an_execution_through_every_cut(served: Served) -> None:
    id = await run(served, LOUD)
    names: dict[str, Any] = {}
    exec(blocks("py")[0], names)
    port = urlsplit(served.url).port or 0
    seqs = []
    async with asyncio.timeout(100), Cutter(port, Random(7), 1000) as cutter:
        url = cutter.url.replace("http", "ws") + "/v1/ws"
        async for event in names["follow"](url, served.keys["viewer"], id):
            seqs.append(event["seq"])
    assert [seq for seq in seqs if seq] == [1, 2, 3, 4, 5]
    assert cutter.cuts


def test_the_page_names_every_code() -> None:
    told = {int(code) for codes, _ in CODE.findall(PAGE) for code in codes.split()}
    ours = {
        value
        for name, value in vars(frames).items()
        if name.isupper() and isinstance(value, int) and 1000 <= value < 5000
    }
    assert ours - {frames.INTERNAL} <= told


def _lines(transcript: str) -> Iterator[tuple[bool, dict[str, Any], bool]]:
    """Whether the client says it, the frame, and whether others may come before."""
    skips = False
    for line in transcript.splitlines():
        if line == HIDDEN:
            skips = True
            continue
        yield line.startswith("> "), json.loads(line[2:]), skips
        skips = False


def _filled(frame: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """With what the page leaves out."""
    hidden = {k: known[k] for k, v in frame.items() if isinstance(v, str) and HIDDEN in v}
    return {**frame, **hidden}


async def _settled(served: Served, known: dict[str, Any]) -> None:
    if "execution" in known:
        await served.tenants.app().wait(known["execution"])


async def _matching(
    client: Client, wanted: dict[str, Any], known: dict[str, Any], skips: bool
) -> None:
    while True:
        frame = await client.read()
        if not skips or frame["type"] == wanted["type"]:
            break
    _same(wanted, frame)
    known["execution"] = frame.get("result", {}).get("execution_id", known.get("execution"))
    if known["execution"] is None:
        del known["execution"]


def _same(wanted: Any, found: Any) -> None:
    if isinstance(wanted, dict):
        if HIDDEN not in wanted:
            assert set(found) == set(wanted)
        for name, value in wanted.items():
            if name != HIDDEN:
                _same(value, found[name])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(wanted, found, strict=True):
            _same(one, other)
    elif not (isinstance(wanted, str) and HIDDEN in wanted):
        assert found == wanted
