"""Middleware that keeps what an agent does, so that a crash repeats nothing of it.

Each answer of the model and each result of a tool is durable before the agent goes on. What was
kept is used again only where the same was asked: an agent that meets other files thinks anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from typing import Annotated, Any, NotRequired

import orjson
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from ..graphs.errors import LimitReached
from ..graphs.execution import Cost
from ..graphs.ledger import Price
from ..graphs.thinking import Leash
from .messages import from_json, mended, to_json
from .models import Model
from .tools import ASK_HUMAN, AskHuman, bounded, canonical, clean

_A_TOKEN = 3
"""Characters that a token has at least, or nearly so: what is reserved should not be too little."""

_A_MESSAGE = 8
"""Tokens that surround one."""


_QUIET: RunnableConfig = {"tags": ["nostream"]}
"""For a call whose tokens LangGraph does not tell as they come."""


class _State(AgentState[Any]):
    turns: NotRequired[Annotated[int, PrivateStateAttr]]
    called: NotRequired[Annotated[int, PrivateStateAttr]]
    denied: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]
    answered: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]


class Recorder(AgentMiddleware[Any, None, Any]):
    """`candidate` counts the models that failed before this one."""

    state_schema = _State

    def __init__(
        self,
        leash: Leash,
        model: Model,
        candidate: int,
        price: Price | None,
        most: int | None,
        ask_before: Collection[str] = (),
        *,
        asks: bool = False,
    ) -> None:
        """`most`: calls of tools, in all; `ask_before`: those that only a person may allow;
        `asks`: whether the agent may ask people."""
        super().__init__()
        self._leash = leash
        self._model = model
        self._at = f"{candidate}." if candidate else ""
        self._price = price
        self._most = most
        self._ask_before = ask_before
        self._asks = asks

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        system = [] if request.system_message is None else [request.system_message]
        tools = [convert_to_openai_tool(tool) for tool in request.tools]

        async def ask(room: int | None) -> list[BaseMessage]:
            if room is None:
                return (await handler(request)).result
            settings = {**request.model_settings, "max_tokens": room}
            return (await handler(request.override(model_settings=settings))).result

        name = f"model[{self._at}{_turn(request.state)}]"
        return ModelResponse(await self.answer(name, [*system, *request.messages], ask, tools))

    async def summary(self, state: Any, messages: Sequence[BaseMessage]) -> BaseMessage:
        """What the model answers to messages that are no turn of the conversation."""

        async def ask(room: int | None) -> list[BaseMessage]:
            settings = {} if room is None else {"max_tokens": room}
            return [await self._model.chat.bind(**settings).ainvoke(list(messages), _QUIET)]

        name = f"model[{self._at}{_turn(state)}.summary]"
        (answer,) = await self.answer(name, messages, ask)
        return answer

    async def answer(
        self,
        name: str,
        messages: Sequence[BaseMessage],
        ask: Callable[[int | None], Awaitable[list[BaseMessage]]],
        tools: Sequence[Any] = (),
    ) -> list[BaseMessage]:
        """What was kept when the same was asked, or else what `ask` gives, which is kept. It is
        told how many tokens may be answered (None: any number)."""
        asked = _Asked(messages, tools)
        name, kept = self._kept(name, asked.digest)
        if kept is not None:
            return from_json(kept["answer"])
        room = await self._leash.afford(asked.tokens, self._price)
        try:
            result = mended([_told_apart(message) for message in await ask(room)])
        except BaseException:
            self._leash.let_go()
            raise
        value = {"asked": asked.digest, "model": self._model.name, "answer": to_json(result)}
        await self._leash.keep(name, value, self._cost(result, asked.tokens))
        return result

    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Before any of a turn's tools is called: whether they all may be, and what people say."""
        reply = state["messages"][-1]
        calls = reply.tool_calls if isinstance(reply, AIMessage) else []
        if not calls:
            return None
        called = state.get("called", 0) + len(calls)
        if self._most is not None and called > self._most:
            raise LimitReached(
                f"the agent wanted to call tools {called} times, and may {self._most} times, its "
                "`max_tool_calls`; raise `guardrails.max_tool_calls` or ask for less"
            )
        denied: dict[str, str] = {}
        answered: dict[str, str] = {}
        for call in calls:
            at = f"{self._at}{_turn(state)}.{call['id']}"
            name, why = canonical(call["name"]), None
            if name in self._ask_before:
                why = await self._leash.permit(name, at, call["args"])
            if why is not None:
                denied[str(call["id"])] = why
            elif self._asks and call["name"] == ASK_HUMAN:
                told, said = await self._asked_a_person(at, call["args"])
                (answered if told else denied)[str(call["id"])] = said
        return {"called": called, "denied": denied, "answered": answered}

    async def _asked_a_person(self, at: str, arguments: Any) -> tuple[bool, str]:
        """Whether somebody answered, and what."""
        try:
            asked = AskHuman.model_validate(arguments)
        except ValidationError as error:
            return False, f"that is no question: {error}"
        answer = await self._leash.ask(at, clean(asked.question), asked.schema_of_answer())
        if answer.approved:
            return True, f"{answer.value}{f' ({answer.comment})' if answer.comment else ''}"
        return False, f"nobody wants to answer{f': {answer.comment}' if answer.comment else ''}"

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        call = request.tool_call
        id, name = call["id"] or "", call["name"]
        if (why := request.state.get("denied", {}).get(id)) is not None:
            text = clean(f"error: {why}")
            return ToolMessage(text, name=name, tool_call_id=id, status="error")
        digest = _digest([name, call["args"]])
        kept_as, kept = self._kept(f"tool[{self._at}{_turn(request.state)}.{id}]", digest)
        if kept is not None:
            status = "error" if kept["failed"] else "success"
            return ToolMessage(kept["content"], name=name, tool_call_id=id, status=status)
        if (said := request.state.get("answered", {}).get(id)) is not None:
            self._leash.tool(name, call["args"], allowed=True)
            result = ToolMessage(bounded(clean(said)), name=name, tool_call_id=id)
        else:
            result = await handler(request)
        result.content = self._leash.masked(result.content)
        value = {
            "asked": digest,
            "tool": name,
            "content": result.content,
            "failed": result.status == "error",
        }
        await self._leash.keep(kept_as, value)
        return result

    def _kept(self, name: str, digest: str) -> tuple[str, Any]:
        """What was kept when the same was asked; or None, and the name to keep it by."""
        for again in count(1):
            numbered = name if again == 1 else f"{name}~{again}"
            kept = self._leash.recall(numbered)
            if kept is None or kept["asked"] == digest:
                return numbered, kept
        raise AssertionError

    def _cost(self, answer: list[BaseMessage], asked: int) -> Cost:
        """As the server counts; one that does not is believed to have used what was reserved."""
        used = [m.usage_metadata for m in answer if isinstance(m, AIMessage) and m.usage_metadata]
        if used:
            cost = Cost(
                sum(_counted(u["input_tokens"]) for u in used),
                sum(_counted(u["output_tokens"]) for u in used),
                1,
            )
        else:
            cost = Cost(asked, sum(tokens(m) for m in answer), 1)
        if self._price is None:
            return cost
        cached = sum(u.get("input_token_details", {}).get("cache_read", 0) for u in used)
        return cost.at(self._price.of(cost, min(cached, cost.input_tokens)))


class _Asked:
    """What a request asks: the same for the same words, and about how many tokens it has."""

    def __init__(self, messages: Sequence[BaseMessage], tools: Sequence[Any]) -> None:
        said = [[m.type, m.content, getattr(m, "tool_calls", None)] for m in messages]
        self.digest = _digest([said, tools])
        self.tokens = sum(map(tokens, messages)) + len(orjson.dumps(tools)) // _A_TOKEN


def tokens(message: BaseMessage) -> int:
    """About how many it has; rather too many than too few."""
    called = orjson.dumps(getattr(message, "tool_calls", None) or [])
    return (len(str(message.content).encode()) + len(called)) // _A_TOKEN + _A_MESSAGE


def _told_apart(message: BaseMessage) -> BaseMessage:
    """With an id of its own for each call of a tool: not every server gives one, and what a person
    allowed or what was kept of one call must not count for another."""
    if not isinstance(message, AIMessage) or not message.tool_calls:
        return message
    seen: set[str] = set()
    calls = []
    for call in message.tool_calls:
        own = first = call["id"] or "call"
        for again in count(2):
            if own not in seen:
                break
            own = f"{first}-{again}"
        seen.add(own)
        calls.append({**call, "id": own})
    return message.model_copy(update={"tool_calls": calls})


def _counted(tokens: float) -> int:
    """Whatever a server says that it counted: nobody earns anything by being asked."""
    return int(max(0, min(tokens, 2**53)))


def _turn(state: Any) -> int:
    turn: int = state.get("turns", 0)
    return turn


def _digest(said: Any) -> str:
    canonical = orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(canonical).hexdigest()
