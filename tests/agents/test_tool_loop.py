"""A model with tools: what it is offered, what is executed, where it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.scripted import Asked, Reply, ToolCall

from assay.agents.catalogue import BUILT_IN, NamedAgent, named_agents
from assay.agents.models import ModelSettings
from assay.agents.runner import LangChainAgents
from assay.graphs.errors import LimitReached, ModelFailed, NotAllowed, NotRegistered

from .conftest import Desk, Ear, alive

pytestmark = pytest.mark.anyio

Write = Callable[[str, str], Path]


async def test_a_model_reads_a_file_and_answers(desk: Desk, write: Write) -> None:
    write("notes.txt", "the treasure is under the oak\n")
    answer = await desk.run(
        [Reply.calling("read_file", path="notes.txt"), Reply("Under the oak.")],
        "Where is it?",
        tools=["fs_read"],
    )
    assert answer.value == "Under the oak."
    assert answer.tool_calls == ("read_file",)
    assert answer.model == "scripted"
    assert (answer.cost.calls, answer.cost.input_tokens, answer.cost.output_tokens) == (2, 22, 14)
    assert desk.ear.tools == [("read_file", {"path": "notes.txt"}, True)]
    assert desk.server.requests[1].last == "the treasure is under the oak"


async def test_tools_called_at_once_are_all_answered(desk: Desk, write: Write) -> None:
    write("a.txt", "alpha")
    write("b.txt", "beta")
    calls = [ToolCall("read_file", {"path": f"{n}.txt"}) for n in "ab"]
    calls = [ToolCall(c.name, c.arguments, id=f"c{i}") for i, c in enumerate(calls)]
    answer = await desk.run([Reply(tool_calls=calls), Reply("Both.")], tools=["read_file"])
    told = {m["tool_call_id"]: m["content"] for m in desk.server.requests[1].messages[-2:]}
    assert told == {"c0": "alpha", "c1": "beta"}
    assert answer.tool_calls == ("read_file", "read_file")


async def test_a_tool_that_is_not_allowed_is_neither_offered_nor_executed(desk: Desk) -> None:
    answer = await desk.run(
        [Reply.calling("write_file", path="x", content="y"), Reply("I could not.")],
        tools=["read_file", "write_file"],
        allowed_tools=["fs_read"],
    )
    assert [r.tools for r in desk.server.requests] == [["read_file"], ["read_file"]]
    assert not (desk.workspace / "x").exists()
    assert "no tool 'write_file'" in desk.server.requests[1].last
    assert desk.ear.tools == [("write_file", {"path": "x", "content": "y"}, False)]
    assert answer.tool_calls == ()


async def test_without_tools_and_agent_nothing_is_offered(desk: Desk) -> None:
    await desk.run([Reply("Hello.")])
    assert "tools" not in desk.server.requests[0].body


async def test_an_allow_list_alone_offers_nothing_and_says_so(desk: Desk) -> None:
    answer = await desk.run([Reply("Hello.")], allowed_tools=["fs_read", "Bash"])
    assert desk.server.requests[0].tools == []
    assert any("only restricts" in n for n in answer.notices)
    assert any("Bash" in n for n in answer.notices)


async def test_an_empty_list_of_tools_takes_the_agents_tools_away(desk: Desk) -> None:
    await desk.run([Reply("Hello.")], agent="coder", tools=())
    assert desk.server.requests[0].tools == []


async def test_more_turns_than_allowed_end_the_agent_before_its_next_tool(desk: Desk) -> None:
    again = Reply.calling("write_file", path="log", content="again")
    with pytest.raises(LimitReached, match=r"took 3 turns.*wanted to call write_file") as caught:
        await desk.run(lambda _: again, tools=["write_file"], max_iterations=3)
    assert len(desk.server.requests) == 3
    assert len([t for t in desk.ear.tools if t[2]]) == 2
    assert "max_iterations" in caught.value.message


async def test_the_last_allowed_turn_may_answer(desk: Desk) -> None:
    script = [Reply.calling("list_files"), Reply.calling("list_files"), Reply("Done.")]
    answer = await desk.run(script, tools=["list_files"], max_iterations=3)
    assert answer.value == "Done."


async def test_many_turns_meet_our_limit_and_not_the_graphs(desk: Desk) -> None:
    with pytest.raises(LimitReached, match="took 40 turns"):
        await desk.run(
            lambda _: Reply.calling("list_files"), tools=["list_files"], max_iterations=40
        )


async def test_runs_beside_each_other_count_their_own_turns(desk: Desk) -> None:
    def script(asked: Asked) -> Reply:
        return Reply.calling("list_files") if len(asked.messages) < 4 else Reply("Done.")

    agents = desk.agents(script)
    task = desk.task(tools=["list_files"], max_iterations=3)
    answers = await asyncio.gather(*(agents.run(task, Ear()) for _ in range(5)))
    assert [a.cost.calls for a in answers] == [3] * 5 or [a.value for a in answers] == ["Done."] * 5


async def test_an_error_of_a_tool_goes_to_the_model_and_the_agent_goes_on(desk: Desk) -> None:
    answer = await desk.run(
        [Reply.calling("read_file", path="absent.txt"), Reply("It is not there.")],
        tools=["read_file"],
    )
    assert answer.value == "It is not there."
    assert desk.server.requests[1].last == "error: there is no 'absent.txt' in the workspace"


@pytest.mark.parametrize("arguments", ['{"path": ', '{"lines": "many"}', "[]"])
async def test_arguments_that_cannot_be_used_go_back_to_the_model(
    desk: Desk, write: Write, arguments: str
) -> None:
    write("a.txt", "alpha")
    good = Reply.calling("read_file", path="a.txt")
    bad = Reply(tool_calls=[ToolCall("read_file", arguments)])
    answer = await desk.run([bad, good, Reply("alpha")], tools=["read_file"])
    assert answer.value == "alpha"


async def test_results_that_no_server_accepts_are_made_acceptable(desk: Desk) -> None:
    (desk.workspace / os.fsdecode(b"odd-\xff.txt")).write_bytes(b"x")
    await desk.run([Reply.calling("list_files"), Reply("Odd.")], tools=["list_files"])
    assert "odd-" in desk.server.requests[1].last


async def test_a_prompt_with_half_a_character_is_sent_all_the_same(desk: Desk) -> None:
    await desk.run([Reply("Fine.")], "half \ud83d and nul \0")
    assert desk.server.requests[0].last.startswith("half ? and nul")


async def test_an_answer_with_halves_of_characters_is_mended(desk: Desk) -> None:
    """Some servers cut a character in two; some models write what is none."""
    arguments = r'{"path": "\ud800", "lines": 100000000000000000000000000}'
    call = Reply(tool_calls=[ToolCall("read_file", arguments, "\ud800")])
    answer = await desk.run([call, Reply("a \ud83d b")], tools=["read_file"])

    assert answer.value == "a \ufffd b"
    assert "lines: Input should be less than" in desk.server.requests[1].last


async def test_a_server_that_counts_less_than_nothing_gives_no_tokens_back(desk: Desk) -> None:
    await desk.run([Reply("Fine.", usage=(-5, -7))])
    assert (desk.ear.spent.input_tokens, desk.ear.spent.output_tokens) == (0, 0)
    await desk.run([Reply("Fine.", usage=(10**30, 1))], prompt="More.")
    assert desk.ear.spent.input_tokens == 2**53


async def test_an_answer_that_was_held_back_is_none(desk: Desk) -> None:
    with pytest.raises(ModelFailed, match="content_filter"):
        await desk.run([Reply("", finish="content_filter")])


async def test_tokens_are_heard_while_they_come(desk: Desk) -> None:
    answer = await desk.run([Reply("one two three")])
    assert answer.value == "one two three"
    assert desk.ear.tokens == ["one", " two", " three"]


async def test_feedback_is_put_to_the_model_after_the_prompt(desk: Desk) -> None:
    await desk.run([Reply("Better.")], "Write tests.", feedback=("No test was added", "Lint fails"))
    prompt, feedback = (m["content"] for m in desk.server.requests[0].messages[-2:])
    assert prompt == "Write tests."
    assert feedback.startswith("Feedback: an earlier answer")
    assert feedback.index("No test was added") < feedback.index("Lint fails")


async def test_a_named_agent_brings_its_prompt_and_tools(desk: Desk) -> None:
    await desk.run([Reply("Looked.")], agent="code-analyzer")
    asked = desk.server.requests[0]
    assert asked.messages[0]["role"] == "system"
    assert "analyse code" in asked.messages[0]["content"]
    assert asked.tools == ["list_files", "read_file", "search_files"]


async def test_the_steps_own_system_prompt_replaces_the_agents(desk: Desk) -> None:
    await desk.run([Reply("Yes.")], agent="reviewer", system="You are terse.")
    assert desk.server.requests[0].messages[0]["content"] == "You are terse."


async def test_a_coding_step_is_the_coder_unless_it_names_another(desk: Desk) -> None:
    await desk.run([Reply("Done.")], coding=True)
    assert "write_file" in desk.server.requests[0].tools


async def test_an_unknown_agent_is_named_with_its_nearest_and_the_list(desk: Desk) -> None:
    with pytest.raises(NotRegistered, match=r"did you mean 'coder'\?; there are: assistant, code-"):
        await desk.run([], agent="codder")


async def test_agents_may_be_registered(desk: Desk) -> None:
    poet = NamedAgent("poet", "Rhymes", "You rhyme.", ("read_file",))
    server = desk.serve([Reply("Moon, June.")])
    settings = ModelSettings("scripted", server.url)
    registry = named_agents([*BUILT_IN, poet])
    agents = desk.keep(LangChainAgents({}, settings=settings, registry=registry))
    answer = await agents.run(desk.task(agent="poet"), desk.ear)
    assert (answer.value, server.requests[0].tools) == ("Moon, June.", ["read_file"])
    assert "poet" in agents.names()


async def test_an_unknown_tool_is_named_with_its_nearest(desk: Desk) -> None:
    with pytest.raises(NotRegistered, match=r"'read_fil'; did you mean 'read_file'"):
        await desk.run([], tools=["read_fil"])


async def test_nobody_is_asked_before_an_unknown_tool_so_it_is_refused(desk: Desk) -> None:
    """Else a slip of the pen would let the tool that was meant be called unasked."""
    with pytest.raises(NotRegistered, match=r"'writefile'.*did you mean 'write_file'.*nobody"):
        await desk.run([], tools=["write_file"], ask_before=["writefile"])
    assert desk.server.requests == []


async def test_an_unknown_profile_is_refused_with_those_there_are(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match=r"'lax'.*restricted, standard, trusted"):
        await desk.run([], profile="lax")


async def test_a_profile_withholds_tools_and_says_so(desk: Desk) -> None:
    answer = await desk.run(
        [Reply("Done.")],
        profile="restricted",
        tools=["read_file", "run_tests", "run_command", "http_get"],
    )
    assert desk.server.requests[0].tools == ["read_file", "run_tests"]
    assert "security profile 'restricted' withholds run_command, http_get" in answer.notices
    assert any("its programs run on the rung" in n for n in answer.notices)


async def test_confinement_is_only_spoken_of_where_programs_can_be_started(desk: Desk) -> None:
    answer = await desk.run([Reply("Done.")], profile="restricted", tools=["read_file"])
    assert answer.notices == ()


async def test_a_runner_is_restricted_unless_told_otherwise(desk: Desk) -> None:
    await desk.run([Reply("Done.")], profile=None, agent="coder")
    assert "run_command" not in desk.server.requests[0].tools


async def test_cancelling_kills_all_that_a_command_had_started(desk: Desk) -> None:
    """The command ignores TERM in its child, so only killing the whole group ends it."""
    ready = desk.workspace / "ready"
    os.mkfifo(ready)
    command = "trap '' TERM; sleep 60 & echo $$ $! > ready; wait; sleep 60"
    agents = desk.agents([Reply.calling("run_command", command=command)])
    running = asyncio.create_task(agents.run(desk.task(tools=["run_command"]), desk.ear))
    pids = [int(p) for p in (await asyncio.to_thread(ready.read_text)).split()]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


async def test_cancelling_ends_a_request_under_way(desk: Desk) -> None:
    import threading

    agents = desk.agents([Reply("never", hold=threading.Event())])
    running = asyncio.create_task(agents.run(desk.task(), desk.ear))
    await asyncio.to_thread(desk.server.wait, 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_agent_inside_a_graph_stays_out_of_the_graphs_stream(desk: Desk) -> None:
    """A step is a node of a LangGraph graph, whose saver and streams must not see the agent."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import StateGraph

    agents = desk.agents([Reply("one two")])

    async def node(state: dict[str, str]) -> dict[str, str]:
        return {"said": (await agents.run(desk.task(), desk.ear)).value}

    graph = StateGraph(dict).add_node("step", node).set_entry_point("step")  # type: ignore[type-var]
    saver = InMemorySaver()
    compiled = graph.compile(checkpointer=saver)
    stream = compiled.astream(
        {}, {"configurable": {"thread_id": "t"}}, stream_mode="messages", subgraphs=True
    )
    assert [item async for item in stream] == []
    assert desk.ear.tokens == ["one", " two"]
    assert set(saver.storage["t"]) == {""}


def test_the_runner_says_what_there_is() -> None:
    agents = LangChainAgents({})
    assert {"assistant", "code-analyzer", "coder", "reviewer"} <= set(agents.names())
    assert {"read_file", "fs_read", "run_command", "http_get"} <= set(agents.tools())
