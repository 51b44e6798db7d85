"""The demo model as LangChain sees it: a chat model like any other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from .facts import Facts, find_facts
from .filling import fill
from .judgement import LABEL, explain

_FILES = ("read_file",)
_FOLDERS = ("list_files",)
_CASES = re.compile(r"<cases(-*)>.*?</cases\1>", re.DOTALL)


class DemoModel(BaseChatModel):
    """Answers by rule: the same messages, tools and schema give the same answer."""

    @property
    def _llm_type(self) -> str:
        return "assay-demo"

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
        return ChatResult(generations=[ChatGeneration(message=_reply(messages, kwargs))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(_reply(messages, kwargs)):
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def _chunks(reply: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Word by word; the last chunk carries tool calls, usage and the end."""
    for word in re.findall(r"\s*\S+", reply.text):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = [
        {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": i}
        for i, c in enumerate(reply.tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        tool_call_chunks=[{**c, "type": "tool_call_chunk"} for c in calls],
        usage_metadata=reply.usage_metadata,
        response_metadata=reply.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)


def _reply(messages: Sequence[BaseMessage], asked: Mapping[str, Any]) -> AIMessage:
    said = "\n".join(m.text for m in messages if isinstance(m, HumanMessage))
    prompt = _CASES.sub("", said)
    results = [m for m in messages if isinstance(m, ToolMessage)]
    facts = find_facts("\n".join([prompt, *(m.text for m in results)]))
    call = None if results else _call(asked.get("tools") or (), find_facts(prompt))
    schema = _schema(asked)
    if call is not None:
        text = ""
    elif schema is not None:
        text = json.dumps(fill(schema, facts), ensure_ascii=False)
    else:
        text = _prose(facts, results)
    read = sum(len(m.text.split()) for m in messages)
    written = len(text.split()) or 1
    return AIMessage(
        content=text,
        tool_calls=[] if call is None else [{**call, "type": "tool_call"}],
        usage_metadata=UsageMetadata(
            input_tokens=read, output_tokens=written, total_tokens=read + written
        ),
        response_metadata={"finish_reason": "stop" if call is None else "tool_calls"},
    )


def _schema(asked: Mapping[str, Any]) -> Mapping[str, Any] | bool | None:
    form = asked.get("response_format") or {}
    schema: Mapping[str, Any] | bool | None = form.get("json_schema", {}).get("schema")
    return schema


def _call(tools: Sequence[Mapping[str, Any]], facts: Facts) -> dict[str, Any] | None:
    """One look at a file or folder that the prompt names, if a tool for it is offered."""
    offered = {tool["function"]["name"] for tool in tools}
    for path in facts.paths:
        is_file = "." in path.rpartition("/")[2].lstrip(".")
        for name in _FILES if is_file else _FOLDERS:
            if name in offered:
                mark = hashlib.sha256(f"{name} {path}".encode()).hexdigest()[:12]
                return {"name": name, "args": {"path": path}, "id": f"demo_{mark}"}
    return None


def _prose(facts: Facts, results: Sequence[ToolMessage]) -> str:
    text = explain(facts, None)
    for result in results:
        lines = result.text.splitlines() or [""]
        count = f"{len(lines)} line{'s' if len(lines) > 1 else ''}"
        text += f"\n{LABEL} {result.name} gave {count}, beginning: {lines[0][:200]}"
    return text
