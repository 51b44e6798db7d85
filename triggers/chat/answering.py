"""The text that an execution's agents write, shown while it grows, and what came of it all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...graphs.errors import PlatformRefused, PlatformUnavailable
from .adapter import Card, Streaming

if TYPE_CHECKING:
    from ...graphs.event import Event
    from .posting import Post

_log = logging.getLogger("assay.chat")

HELD = 40_000
"""Characters of a growing text that are held; the beginning of a longer one is let go of."""


class Answer:
    """One message of a thread: what is said for now, and in the end the result."""

    def __init__(self, post: Post, speaking: Collection[str]) -> None:
        """`speaking` are the ids of the steps whose text is for people."""
        self._post = post
        self._speaking = speaking
        self._path = ""
        self._text = ""
        self._new = ""
        self._grows = isinstance(post.adapter, Streaming)

    def hear(self, event: Event) -> bool:
        """Take a piece of text; False when it is nobody's business."""
        if event.path.rpartition("/")[2].partition("~")[0] not in self._speaking:
            return False
        piece = str(event.data.get("text", ""))
        if event.path != self._path:
            self._path = event.path
            if not self._grows:
                self._text = self._new = ""
            elif self._text:
                piece = f"\n\n{piece}"
        self._new += piece
        self._text = (self._text + piece)[-HELD:]
        return True

    async def flush(self) -> None:
        """Show what there is by now. Raises `PlatformUnavailable`, `TakenOverError`."""
        if not self._new or not self._text.strip():
            return
        new, self._new = self._new, ""
        try:
            await self._show(new)
        except PlatformUnavailable:
            self._new = new + self._new
            raise
        except PlatformRefused as error:
            self._grows = False
            _log.warning("a text is not shown while it grows: %s", error)

    async def finish(self, result: Card | None) -> None:
        """Show the end. Raises as `flush`."""
        try:
            if await self._ended() and result and result.text.strip() == self._text.strip():
                return
            if result is not None:
                await self._post.put("answer", result)
            elif self._post.posted("answer"):
                await self._post.put("answer", Card(self._text.strip() or "…"))
        except PlatformRefused as error:
            _log.warning("a result is not shown: %s", error)

    async def _show(self, new: str) -> None:
        adapter = self._post.adapter
        if self._grows and isinstance(adapter, Streaming):
            await adapter.append(await self._post.stream("stream"), new)
        else:
            await self._post.put("answer", Card(f"{self._text} …"))

    async def _ended(self) -> bool:
        """Whether the text, as far as it is known here, stands in a message that grew."""
        adapter = self._post.adapter
        if not isinstance(adapter, Streaming) or not self._post.posted("stream"):
            return False
        await self.flush()
        if self._grows:
            await adapter.end(await self._post.stream("stream"))
        return self._grows


def speaking(document: Mapping[str, Any]) -> frozenset[str]:
    """The ids of a workflow's agents that answer with text, at any depth."""
    return frozenset(_speaking(document))


def _speaking(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if part.get("type") == "agent" and not part.get("output") and "id" in part:
            yield str(part["id"])
        for inner in part.values():
            yield from _speaking(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _speaking(inner)
