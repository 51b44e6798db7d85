"""A model is recorded without its key; replayed, it answers what was asked and no more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

import assay
from assay.graphs.errors import ConfigurationError
from assay.testing import Asked, Recorder, Replayer, Reply, ScriptedModel, UnknownRequest

from ..running import mapping, open_house

KEY = "sk-canary-0123456789"

WORK = mapping("""
    name: w
    inputs: {what: {default: notes}}
    steps:
      - id: both
        type: parallel
        steps:
          - {id: a, type: agent, prompt: "Read the {{ inputs.what }}.", tools: [read_file]}
          - {id: b, type: agent, prompt: Say b.}
      - {id: ok, type: assert, condition: both.output.a != both.output.b}
""")


def replies(asked: Asked) -> Reply:
    if asked.messages[0]["content"] == "Say b.":
        return Reply("b, and nothing else")
    return Reply("read: " + asked.results[-1]) if asked.results else CALL


CALL = Reply.calling("read_file", path="notes.txt")


async def run(folder: Path, url: str, **inputs: Any) -> assay.Execution:
    """The work, in a new folder, with the client that a real server would have."""
    environ = {
        "PATH": os.environ["PATH"],
        "ASSAY_MODEL": "scripted",
        "ASSAY_BASE_URL": url,
        "OPENAI_API_KEY": KEY,
    }
    folder.mkdir()
    async with open_house(folder, environ) as house:
        (house.workspace / "notes.txt").write_text("three short words\n")
        return await house.run(WORK, inputs)


async def recorded(folder: Path) -> tuple[Path, assay.Execution]:
    file = folder / "deep" / "tape.json"
    with ScriptedModel(replies) as real, Recorder(real.url, file) as server:
        ended = await run(folder / "first", server.url)
    assert {asked.headers["authorization"] for asked in real.requests} == {f"Bearer {KEY}"}
    return file, ended


@pytest.mark.anyio
async def test_what_was_recorded_is_replayed_without_the_server(tmp_path: Path) -> None:
    file, first = await recorded(tmp_path)

    with Replayer(file) as server:
        again = await run(tmp_path / "second", server.url)

    assert (first.status, again.status, server.left) == ("completed", "completed", [])
    assert "three short words" in again.steps["both.a"].output
    assert again.steps["both.b"].output == first.steps["both.b"].output == "b, and nothing else"
    assert again.cost == first.cost


def test_no_key_is_written_wherever_it_was_said(tmp_path: Path) -> None:
    file = tmp_path / "tape.json"
    with (
        ScriptedModel(lambda _: Reply(f"your key is {KEY}; mine is hush-hush")) as real,
        Recorder(real.url, file, hide=("hush-hush",)) as server,
    ):
        httpx.post(
            f"{server.url}/chat/completions",
            json={"messages": [{"role": "user", "content": f"I am {KEY}"}]},
            headers={"authorization": f"Bearer {KEY}"},
        ).raise_for_status()

    written = file.read_text()
    assert KEY not in written
    assert "hush" not in written
    (take,) = json.loads(written)["takes"]
    assert take["asked"]["messages"][0]["content"] == "I am [hidden]"


@pytest.mark.anyio
async def test_an_unknown_request_is_told_with_what_differs(tmp_path: Path) -> None:
    file, _ = await recorded(tmp_path)

    with pytest.raises(UnknownRequest) as caught, Replayer(file) as server:
        ended = await run(tmp_path / "second", server.url, what="letters")

    assert ended.status == "failed"
    assert ended.error is not None
    assert "tape.json has no such request" in ended.error.message
    (message,) = str(caught.value).split("\n\n")
    assert '-   "content": "Read the notes."' in message
    assert '+   "content": "Read the letters."' in message


def test_a_request_is_answered_as_often_as_it_was_recorded(tmp_path: Path) -> None:
    file = tmp_path / "tape.json"
    body = {"messages": [{"role": "user", "content": "x"}]}
    with ScriptedModel([Reply("1"), Reply("2")]) as real, Recorder(real.url, file) as server:
        said = [_said(server.url, body) for _ in range(2)]

    with pytest.raises(UnknownRequest, match="no request left"), Replayer(file) as replayer:
        again = [_said(replayer.url, body) for _ in range(3)]

    assert (said, again) == (["1", "2"], ["1", "2", None])


def test_faults_are_recorded_and_a_server_that_is_away_is_not(tmp_path: Path) -> None:
    file = tmp_path / "tape.json"
    with ScriptedModel([Reply("slow down", status=429)]) as real, Recorder(real.url, file) as tape:
        busy = httpx.post(f"{tape.url}/chat/completions", json={"messages": []})
    with Replayer(file) as replayer:
        again = httpx.post(f"{replayer.url}/chat/completions", json={"messages": []})
    with Recorder(real.url, tmp_path / "none.json") as server:  # real has stopped
        away = httpx.post(f"{server.url}/chat/completions", json={"messages": []})

    assert (busy.status_code, again.status_code, away.status_code) == (429, 429, 502)
    assert busy.text == again.text
    assert "gave no answer" in away.text
    assert json.loads((tmp_path / "none.json").read_text())["takes"] == []


@pytest.mark.parametrize("text", ["", "[]", '{"assay_cassette": 2}', '{"assay_cassette": 1}'])
def test_what_is_no_cassette_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tape.json").write_text(text)

    with pytest.raises(ConfigurationError, match=r"tape\.json"):
        Replayer(tmp_path / "tape.json")
    with pytest.raises(ConfigurationError, match="record it first"):
        Replayer(tmp_path / "other.json")


def _said(url: str, body: dict[str, Any]) -> str | None:
    answer = httpx.post(f"{url}/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"] if answer.is_success else None
