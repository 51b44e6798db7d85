"""Middleware that keeps personal data from models: they read a mark in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, PIIMatch
from langchain.agents.middleware.pii import (
    detect_credit_card,
    detect_email,
    detect_ip,
    detect_mac_address,
    detect_url,
)
from langchain_core.messages import AIMessage, BaseMessage

from .telephones import detect_phone

Detector = Callable[[str], list[PIIMatch]]

_DETECTORS: Mapping[str, Detector] = {
    "email": detect_email,
    "credit_card": detect_credit_card,
    "ip": detect_ip,
    "mac_address": detect_mac_address,
    "url": detect_url,
    "phone": detect_phone,
}


class Redactor(AgentMiddleware[Any, None, Any]):
    """Before each request, in all that a model reads: instructions, prompts, results of tools.

    The other middleware of LangChain looks at the latest messages only. What the model itself
    has said stays: it knows no more than it was told.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__()
        # An address of a page may hold one of a person.
        self._detectors = [(kind, _DETECTORS[kind]) for kind in sorted(kinds, key=_within)]

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        changed: dict[str, Any] = {"messages": [self.read(m) for m in request.messages]}
        if request.system_message is not None:
            changed["system_message"] = self.read(request.system_message)
        return await handler(request.override(**changed))

    def read(self, message: Any) -> Any:
        """The message as a model may read it."""
        if not isinstance(message, BaseMessage) or isinstance(message, AIMessage):
            return message
        return message.model_copy(update={"content": self._content(message.content)})

    def _content(self, content: Any) -> Any:
        match content:
            case str():
                return self.redacted(content)
            case list():
                return [self._content(block) for block in content]
            case {"text": str(text)}:
                return {**content, "text": self.redacted(text)}
        return content

    def redacted(self, text: str) -> str:
        for kind, detect in self._detectors:
            text = _without(text, kind, detect(text))
        return text


def _within(kind: str) -> bool:
    """Whether a match may lie within one of another kind."""
    return kind != "url"


def _without(text: str, kind: str, found: Iterable[PIIMatch]) -> str:
    for match in sorted(found, key=lambda match: match["start"], reverse=True):
        text = f"{text[: match['start']]}[{kind} left out]{text[match['end'] :]}"
    return text
