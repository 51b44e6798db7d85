"""A scripted model in process: a LangChain chat model like any other, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict

from ...graphs.errors import ConfigurationError, ModelFailed
from ..models import Model
from .script import Asked, Player, Reply
from .server import words

_MAY_PASS = (408, 409, 429)
"""Statuses below 500 after which the same request may be answered."""


class ScriptedChat(BaseChatModel):
    """Answers from a `Player`'s script. `name` is the model that the script is told of.

    A fault ends the call at once: over HTTP the client would first try again by itself.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    player: Player
    model: str = "scripted"

    @property
    def _llm_type(self) -> str:
        return "assay-scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._answer(messages, kwargs)
        if reply.hold is not None:
            reply.hold.wait()
        return _result(reply)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self._held(messages, kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(await self._held(messages, kwargs)):
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _held(self, messages: list[BaseMessage], settings: Mapping[str, Any]) -> Reply:
        reply = self._answer(messages, settings)
        while reply.hold is not None and not await asyncio.to_thread(reply.hold.wait, 0.05):
            pass
        return reply

    def _answer(self, messages: list[BaseMessage], settings: Mapping[str, Any]) -> Reply:
        """Raises `ModelFailed`, or `ConfigurationError` for what no second try mends."""
        given = dict(settings)
        extra = given.pop("extra_body", None) or {}
        said = convert_to_openai_messages(messages)
        body = {"model": self.model, "messages": said, **given, **extra}
        reply = self.player.answer(Asked("", {}, body))
        if reply.status != 200:
            passing = reply.status >= 500 or reply.status in _MAY_PASS
            said_why = f"the scripted model answered HTTP {reply.status}, {reply.text}"
            raise ModelFailed(said_why) if passing else ConfigurationError(said_why)
        return reply


def scripted(player: Player) -> Callable[[str | None], Model]:
    """Every model that a step may name, played by the one script."""

    def model(spec: str | None) -> Model:
        name = spec or "scripted"
        chat = ScriptedChat(player=player, model=name)
        return Model(name, chat, f"scripted model {name!r}", openai=True)

    return model


def _result(reply: Reply) -> ChatResult:
    whole: AIMessageChunk | None = None
    for chunk in _chunks(reply):
        piece = chunk.message
        assert isinstance(piece, AIMessageChunk)
        whole = piece if whole is None else whole + piece
    assert whole is not None
    message = AIMessage(
        content=whole.content,
        tool_calls=whole.tool_calls,
        invalid_tool_calls=whole.invalid_tool_calls,
        usage_metadata=whole.usage_metadata,
        response_metadata=whole.response_metadata,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def _chunks(reply: Reply) -> Iterator[ChatGenerationChunk]:
    """Word by word; the last chunk carries calls of tools, usage and the end."""
    said = words(reply.text)
    for word in said[: reply.cut_after]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    if reply.cut_after is not None:
        raise ModelFailed("the scripted model was cut off in the middle of its answer")
    used = None
    if reply.usage is not None:
        asked, answered = reply.usage
        used = UsageMetadata(
            input_tokens=asked, output_tokens=answered, total_tokens=asked + answered
        )
    finish = reply.finish_reason
    last = AIMessageChunk(
        content="",
        tool_call_chunks=[
            {
                "name": call.name,
                "args": call.text,
                "id": call.named(index),
                "index": index,
                "type": "tool_call_chunk",
            }
            for index, call in enumerate(reply.tool_calls)
        ],
        usage_metadata=used,
        response_metadata={} if finish is None else {"finish_reason": finish},
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)
