"""One agent at work: LangChain's `create_agent` from the first message to the answer.

Imports LangChain: load it only when an agent is about to run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, StructuredTool
from langsmith import tracing_context

from ..graphs.execution import Cost
from ..graphs.ledger import Price
from ..graphs.thinking import Leash
from .answers import AnswerForm
from .failures import translated
from .guard import AnswerCheck, ToolGuard, TurnLimit, tool_errors
from .messages import from_json, to_json
from .models import Model
from .recording import Recorder
from .redaction import Redactor
from .summary import Summariser, Summary, shortened
from .tools import ASK_HUMAN, Offer, clean

_STEPS_A_TURN = 8
"""Graph steps of one turn at most: the model, its tools, and the hooks around them."""


@dataclass(frozen=True, slots=True)
class Briefing:
    """What an agent is given; `messages` are the user's, in order, after the `transcript`, or,
    where there is none, after what is `remembered`.

    `candidate` counts the models that failed at it before; of the tools, a person is asked before
    those of `ask_before`, which are no aliases; the `prompt` is what all of it is
    about.
    """

    model: Model
    price: Price | None
    candidate: int
    system: str
    transcript: Sequence[Mapping[str, Any]]
    remembered: Sequence[tuple[str, str]]
    messages: Sequence[str]
    tools: Sequence[Offer]
    form: AnswerForm | None
    max_iterations: int
    max_tool_calls: int | None
    ask_before: Collection[str]
    redact: Sequence[str]
    prompt: str
    max_context: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the answer, the tools that were executed in order, the conversation."""

    answer: Any
    tool_calls: Sequence[str]
    cost: Cost
    finish_reason: str | None
    transcript: Sequence[Mapping[str, Any]]


async def converse(briefing: Briefing, leash: Leash) -> Outcome:
    """Let the agent work until it answers. Raises what the port `Agents` allows, no other."""
    messages = [
        *(from_json(briefing.transcript) or _remembered(briefing)),
        *(HumanMessage(clean(text)) for text in briefing.messages),
    ]
    config = {"recursion_limit": _STEPS_A_TURN * (briefing.max_iterations + 1)}
    state: dict[str, Any] = {}
    try:
        with _apart():
            stream = _agent(briefing, leash).astream(
                {"messages": messages}, config, stream_mode=["messages", "values"]
            )
            async with aclosing(stream):
                async for mode, item in stream:
                    if mode == "values":
                        state = item
                    elif isinstance(item[0], AIMessageChunk) and item[0].text:
                        leash.token(clean(item[0].text))
    except Exception as error:
        ours = translated(error, briefing.model)
        raise ours from (None if ours is error else error)
    return _outcome(briefing, state, len(messages))


def _remembered(briefing: Briefing) -> Iterator[BaseMessage]:
    for said, answered in briefing.remembered:
        yield HumanMessage(clean(said))
        yield AIMessage(clean(answered))


def _agent(briefing: Briefing, leash: Leash) -> Any:
    system = [briefing.system] if briefing.system else []
    if briefing.form is not None:
        system.append(briefing.form.request())
    redactor = Redactor(briefing.redact) if briefing.redact else None
    recorder = Recorder(
        leash,
        briefing.model,
        briefing.candidate,
        briefing.price,
        briefing.max_tool_calls,
        briefing.ask_before,
        asks=any(offer.name == ASK_HUMAN for offer in briefing.tools),
    )
    most = briefing.max_context
    short = None if most is None else Summariser(most, briefing.prompt, recorder, redactor)
    return create_agent(
        briefing.model.chat,
        [_bound(offer) for offer in briefing.tools],
        system_prompt=clean("\n\n".join(system)) or None,
        middleware=[
            *([short] if short else []),
            *([redactor] if redactor else []),
            recorder,
            ToolGuard(leash),
            tool_errors(),
            TurnLimit(briefing.max_iterations),
            AnswerCheck(briefing.model, briefing.form),
        ],
        checkpointer=False,
    )


def _bound(offer: Offer) -> BaseTool:
    async def work(**arguments: Any) -> str:
        return await offer.work(arguments)

    schema = offer.schema if isinstance(offer.schema, type) else dict(offer.schema)
    return StructuredTool(
        name=offer.name, description=offer.description, args_schema=schema, coroutine=work
    )


@contextmanager
def _apart() -> Iterator[None]:
    """Outside the graph that the step is a node of, and never traced to a service."""
    token = var_child_runnable_config.set(None)
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        var_child_runnable_config.reset(token)


def _outcome(briefing: Briefing, state: dict[str, Any], before: int) -> Outcome:
    offered = {offer.name for offer in briefing.tools}
    summary: Summary | None = state.get("summary")
    said = state["messages"][before:]
    replies = [m for m in said if isinstance(m, AIMessage)]
    used = [r.usage_metadata for r in replies if r.usage_metadata is not None]
    done = [m.name for m in said if isinstance(m, ToolMessage)]
    return Outcome(
        answer=state["answer"],
        tool_calls=[name for name in done if name in offered],
        cost=Cost(
            sum(u["input_tokens"] for u in used),
            sum(u["output_tokens"] for u in used),
            len(replies),
        )
        + (summary.cost if summary else Cost()),
        finish_reason=replies[-1].response_metadata.get("finish_reason"),
        transcript=to_json(shortened(state["messages"], summary, briefing.prompt)),
    )
