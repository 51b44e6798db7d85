"""What Slack refuses to post, and the word that it has for it."""

from __future__ import annotations

from typing import Any


def fault(method: str, params: dict[str, Any]) -> str | None:
    """Why a call is refused; None when it is not."""
    if not params.get("token"):
        return "not_authed"
    if method in ("chat.postMessage", "chat.update", "chat.postEphemeral"):
        return _message(params)
    if method == "chat.startStream":
        return None if params.get("thread_ts") and params.get("recipient_user_id") else "no_thread"
    if method == "chat.appendStream" and len(params.get("markdown_text", "")) > 12_000:
        return "msg_too_long"
    return None


def _message(params: dict[str, Any]) -> str | None:
    text, blocks = params.get("text", ""), params.get("blocks", [])
    if not text and not blocks:
        return "no_text"
    if len(text) > 40_000:
        return "msg_too_long"
    if len(blocks) > 50 or not all(_fits(block) for block in blocks):
        return "invalid_blocks"
    if sum(len(block["text"]["text"]) for block in blocks if "text" in block) > 13_000:
        return "msg_blocks_too_long"
    if len(str(params.get("metadata", {}))) > 8_000:
        return "metadata_too_large"
    return None


def _fits(block: dict[str, Any]) -> bool:
    if block["type"] == "actions":
        elements = block["elements"]
        names = {element["action_id"] for element in elements}
        return 1 <= len(elements) == len(names) <= 25 and all(map(_pressable, elements))
    fields = block.get("fields", [])
    return (
        block["type"] == "section"
        and ("text" in block or bool(fields))
        and ("text" not in block or 1 <= len(block["text"]["text"]) <= 3_000)
        and len(fields) <= 10
        and all(1 <= len(field["text"]) <= 2_000 for field in fields)
    )


def _pressable(element: dict[str, Any]) -> bool:
    return (
        1 <= len(element["text"]["text"]) <= 75
        and element["text"]["type"] == "plain_text"
        and len(element["value"]) <= 2_000
        and element.get("style", "primary") in ("primary", "danger")
    )
