"""Which model answers, and what is said when it cannot."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from tests.scripted import Reply, ToolCall

from assay.agents.models import ModelSettings, build_model
from assay.agents.runner import LangChainAgents
from assay.graphs.errors import AssayError, ConfigurationError, LimitReached, ModelFailed

from .conftest import Desk

pytestmark = pytest.mark.anyio

BUSY = Reply("slow down", status=429, headers={"retry-after-ms": "1"})
LOCAL = "http://127.0.0.1:9/v1"


async def test_a_busy_server_is_asked_again(desk: Desk) -> None:
    answer = await desk.run([BUSY, BUSY, Reply("At last.")])
    assert answer.value == "At last."
    assert len(desk.server.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (429, ModelFailed, "lower the concurrency"),
        (500, ModelFailed, "try later"),
        (503, ModelFailed, "try later"),
        (401, ConfigurationError, "check OPENAI_API_KEY"),
        (403, ConfigurationError, "check OPENAI_API_KEY"),
        (404, ConfigurationError, "usually ends in /v1"),
        (400, ConfigurationError, "refused the request"),
    ],
)
async def test_a_refusal_says_which_model_where_and_what_to_do(
    desk: Desk, status: int, kind: type[AssayError], told: str
) -> None:
    headers = {"retry-after-ms": "1"}
    reply = Reply("the server's own words", status=status, headers=headers)
    with pytest.raises(kind, match="the server's own words") as caught:
        await desk.run(lambda _: reply)
    message = caught.value.message
    assert told in message
    assert "'scripted'" in message
    assert desk.server.url in message


async def test_a_prompt_that_is_too_long_is_a_limit(desk: Desk) -> None:
    reply = Reply("context_length_exceeded: 9000 tokens", status=400)
    with pytest.raises(LimitReached, match="shorten the prompt"):
        await desk.run([reply], schema={"type": "object"})
    assert len(desk.server.requests) == 1


async def test_a_server_that_is_not_there_may_come_back(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ModelSettings("local", f"http://127.0.0.1:{port}/v1", max_retries=0)
    agents = desk.keep(LangChainAgents({}, settings=settings))
    with pytest.raises(ModelFailed, match=f"127.0.0.1:{port}/v1 could not be reached"):
        await agents.run(desk.task(), desk.ear)


async def test_a_server_that_is_too_slow_is_given_up(desk: Desk) -> None:
    import threading

    slow = Reply("late", hold=threading.Event())
    agents = desk.agents([slow], timeout=0.2, max_retries=0)
    with pytest.raises(ModelFailed, match="ASSAY_MODEL_TIMEOUT"):
        await agents.run(desk.task(), desk.ear)


async def test_a_stream_that_breaks_off_is_no_answer(desk: Desk) -> None:
    with pytest.raises(ModelFailed, match="stopped in the middle"):
        await desk.run([Reply("one two three four", cut_after=3)])
    assert desk.ear.tokens == ["one", " two"]


async def test_a_stream_that_ends_without_its_end_is_no_answer(desk: Desk) -> None:
    with pytest.raises(ModelFailed, match="cut off"):
        await desk.run([Reply("half of it", finish=None)])


async def test_an_answer_at_the_limit_of_tokens_is_marked(desk: Desk) -> None:
    answer = await desk.run([Reply("as far as it goes", finish="length")])
    assert any("limit of tokens" in notice for notice in answer.notices)


async def test_a_server_that_counts_nothing_costs_nothing(desk: Desk) -> None:
    answer = await desk.run([Reply("Free.", usage=None)])
    assert (answer.cost.calls, answer.cost.input_tokens) == (1, 0)


async def test_the_key_goes_to_the_server_and_nowhere_else(desk: Desk) -> None:
    agents = desk.agents([Reply("Hello.")], api_key="sk-secret", model="openai:gpt-x")
    answer = await agents.run(desk.task(), desk.ear)
    asked = desk.server.requests[0]
    assert asked.headers["authorization"] == "Bearer sk-secret"
    assert asked.body["model"] == "gpt-x"
    assert answer.model == "openai:gpt-x"
    assert "sk-secret" not in repr(ModelSettings(api_key="sk-secret"))


async def test_the_steps_model_wins_over_the_configured_one(desk: Desk) -> None:
    agents = desk.agents([Reply("Hello.")], model="demo")
    answer = await agents.run(desk.task(models=["tiny:1b"]), desk.ear)
    assert (answer.value, desk.server.requests[0].body["model"]) == ("Hello.", "tiny:1b")


async def test_a_call_without_an_id_still_gets_its_answer(desk: Desk) -> None:
    call = Reply(tool_calls=[ToolCall("list_files", "")])
    assert (await desk.run([call, Reply("Ok.")], tools=["list_files"])).value == "Ok."


def test_settings_come_from_the_environment() -> None:
    assert ModelSettings.from_env({}) == ModelSettings("demo")
    given = {"OPENAI_BASE_URL": "http://a/v1", "ASSAY_BASE_URL": "http://b/v1"}
    assert ModelSettings.from_env(given).base_url == "http://b/v1"
    timed = ModelSettings.from_env({"ASSAY_MODEL": "m", "ASSAY_MODEL_TIMEOUT": "7.5"})
    assert (timed.model, timed.timeout, timed.max_retries) == ("m", 7.5, 2)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"ASSAY_MODEL_TIMEOUT": "soon"}, "ASSAY_MODEL_TIMEOUT is 'soon'"),
        ({"ASSAY_MODEL_RETRIES": "-1"}, "ASSAY_MODEL_RETRIES is '-1'"),
        ({"ASSAY_MODEL_TIMEOUT": "nan"}, "ASSAY_MODEL_TIMEOUT is 'nan'"),
        ({"ASSAY_BASE_URL": "localhost:8080"}, "http://localhost:8080/v1"),
    ],
)
def test_a_setting_that_means_nothing_is_named(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        ModelSettings.from_env(environ)


@pytest.mark.parametrize(
    ("spec", "settings", "told"),
    [
        ("openai:gpt-5", {}, r"OPENAI_API_KEY, or ASSAY_BASE_URL .*, or ASSAY_MODEL=demo"),
        ("openai:", {"api_key": "k"}, "no name after the colon"),
        ("gpt-5", {"api_key": "k"}, "names no provider and ASSAY_BASE_URL is not set"),
        ("openia:gpt-5", {"api_key": "k"}, r"'openia' is no provider.*`openai:NAME`"),
        ("mistralai:small", {}, r"package that is not installed .*langchain-mistralai"),
    ],
)
def test_a_model_that_cannot_be_had_says_how_to_go_on(
    spec: str, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        build_model(spec, ModelSettings(**settings))


def test_a_local_server_needs_no_key_and_takes_names_with_colons() -> None:
    model = build_model("llama3.2:3b", ModelSettings(base_url=LOCAL))
    assert model.where == f"model 'llama3.2:3b' at {LOCAL}"
