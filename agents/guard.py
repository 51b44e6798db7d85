"""Middleware of every agent: what it may call, how often it may think, what form it answers in.

Counters live in the agent's state: a middleware instance holds nothing of a run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    ToolErrorMiddleware,
    hook_config,
)
from langchain.agents.middleware.types import OmitFromInput, PrivateStateAttr
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from ..graphs.errors import AssayError, LimitReached, ModelFailed
from ..graphs.thinking import Leash
from .answers import REPAIRS, AnswerForm, Unfit
from .failures import refuses_form
from .models import Model
from .tools import canonical, clean


class _State(AgentState[Any]):
    turns: NotRequired[Annotated[int, PrivateStateAttr]]
    repairs: NotRequired[Annotated[int, PrivateStateAttr]]
    answer: NotRequired[Annotated[Any, OmitFromInput]]


class ToolGuard(AgentMiddleware[Any, None, Any]):
    """Executes no tool that was not offered, whatever a model names, and tells who listens."""

    def __init__(self, leash: Leash) -> None:
        super().__init__()
        self._leash = leash

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        name, arguments = request.tool_call["name"], request.tool_call["args"]
        self._leash.tool(name, arguments, allowed=request.tool is not None)
        if request.tool is not None:
            return await handler(request)
        return ToolMessage(
            clean(f"error: there is no tool {name!r} here; use only those you were offered"),
            name=name,
            tool_call_id=request.tool_call["id"] or "",
            status="error",
        )


class TurnLimit(AgentMiddleware[Any, None, Any]):
    """Ends with `LimitReached` when the model would need one more turn than it may take.

    The tools of the last turn are not executed: nobody would read their results.
    """

    state_schema = _State

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any]:
        turns = state.get("turns", 0)
        if turns >= self._limit:
            raise self._reached("its answer was not usable yet")
        return {"turns": turns + 1}

    async def aafter_model(self, state: Any, runtime: Any) -> None:
        calls = state["messages"][-1].tool_calls if _is_reply(state) else []
        if calls and state["turns"] >= self._limit:
            names = ", ".join(dict.fromkeys(c["name"] for c in calls))
            raise self._reached(f"it wanted to call {names} next")

    def _reached(self, why: str) -> LimitReached:
        turns = f"{self._limit} turn{'s' if self._limit > 1 else ''}"
        return LimitReached(
            f"the agent took {turns}, its `max_iterations`, without an answer: {why}; "
            "raise `guardrails.max_iterations` or ask for less"
        )


class AnswerCheck(AgentMiddleware[Any, None, Any]):
    """Takes the model's last message for its answer, or says what is wrong with it."""

    state_schema = _State

    def __init__(self, model: Model, form: AnswerForm | None) -> None:
        super().__init__()
        self._model = model
        self._form = form

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        if self._form is None:
            return await handler(request)
        state: Any = request.state
        if state.get("repairs", 0) > 0 and not self._model.demo:
            request = request.override(tools=[])
        settings = self._model.constraint(self._form, tools=bool(request.tools))
        if not settings:
            return await handler(request)
        try:
            bound = {**request.model_settings, **settings}
            return await handler(request.override(model_settings=bound))
        except Exception as error:
            if not refuses_form(error):
                raise
        return await handler(request)

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        reply = state["messages"][-1]
        if not _is_reply(state) or reply.tool_calls:
            return None
        if reply.invalid_tool_calls:
            return {"jump_to": "model"}
        self._check_whole(reply)
        if self._form is None:
            return {"answer": str(reply.text)}
        try:
            return {"answer": self._form.read(reply.text)}
        except Unfit as unfit:
            return self._correct(str(unfit), state.get("repairs", 0))

    def _check_whole(self, reply: AIMessage) -> None:
        if refusal := reply.additional_kwargs.get("refusal"):
            raise ModelFailed(f"the {self._model.where} refused to answer: {refusal}")
        if reply.response_metadata.get("finish_reason") == "content_filter":
            raise ModelFailed(
                f"the {self._model.where} held its answer back (content_filter): change the "
                "prompt, or name another model after it"
            )
        if self._model.openai and not reply.response_metadata.get("finish_reason"):
            raise ModelFailed(
                f"the answer of the {self._model.where} was cut off in the middle; "
                "try again, or look at the server's log"
            )

    def _correct(self, wrong: str, repairs: int) -> dict[str, Any]:
        if repairs >= REPAIRS:
            raise ModelFailed(
                f"the answer of the {self._model.where} does not fit `output` after "
                f"{repairs} corrections: {wrong}; choose a more capable model or a simpler schema"
            )
        text = f"Your answer does not fit. {wrong}\nAnswer again, with the corrected JSON only."
        return {"messages": [HumanMessage(clean(text))], "repairs": repairs + 1, "jump_to": "model"}


def tool_errors() -> ToolErrorMiddleware[Any, None]:
    """Whatever a tool raises becomes text for the model; cancellation passes."""
    return ToolErrorMiddleware(_told)


def _told(error: Exception, request: ToolCallRequest) -> str:
    if isinstance(error, AssayError):
        return clean(f"error: {error.message}")
    name = canonical(request.tool_call["name"])
    return clean(f"error: {name} failed: {type(error).__name__}: {error}")


def _is_reply(state: Any) -> bool:
    return isinstance(state["messages"][-1], AIMessage)
