"""Messages as JSON, and back: what they say, without what was only true of one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

_SAID = ("content", "tool_calls", "invalid_tool_calls", "tool_call_id", "name", "status")
_KEPT = (*_SAID, "usage_metadata", "additional_kwargs")


def to_json(messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    found = []
    for message in messages:
        data = message_to_dict(message)["data"]
        kept = {name: data[name] for name in _KEPT if data.get(name)}
        finish = message.response_metadata.get("finish_reason")
        if finish is not None:
            kept["response_metadata"] = {"finish_reason": finish}
        # A whole message is kept, also where it came in pieces.
        type = message.type.removesuffix("MessageChunk").lower()
        found.append({"type": type, "data": {"content": "", **kept}})
    return found


def from_json(messages: Iterable[Mapping[str, Any]]) -> list[BaseMessage]:
    return messages_from_dict([dict(message) for message in messages])


def mended(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages as they can be kept and sent: without halves of characters, whose other half
    came in the next piece or never, and without numbers of more than 64 bits."""
    said = to_json(messages)
    try:
        orjson.dumps(said)
    except TypeError:
        return from_json(_mended(said))
    return list(messages)


def _mended(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if not -(2**63) <= value < 2**63:
            return max(-(2**63), min(value, 2**63 - 1))
        case list():
            return [_mended(item) for item in value]
        case dict():
            return {_mended(name): _mended(item) for name, item in value.items()}
    return value
