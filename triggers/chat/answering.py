"""The text that an execution's agents write, shown while it grows, and what came of it all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...graphs.errors import PlatformRefused
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
        self._sent = 0
        self._streams = True

    def hear(self, event: Event) -> bool:
        """Take a piece of text; False when it is nobody's business."""
        if event.path.rpartition("/")[2].partition("~")[0] not in self._speaking:
            return False
        streams = self._streams and isinstance(self._post.adapter, Streaming)
        if event.path != self._path:
            if not streams:
                self._text = ""
            elif self._text:
                self._text += "\n\n"
            self._path = event.path
        self._text += str(event.data.get("text", ""))
        if len(self._text) > HELD and not streams:
            self._text = self._text[-HELD:]
        return True

    @property
    def fresh(self) -> bool:
        """Whether there is text that nobody has been shown."""
        return self._sent != len(self._text) and bool(self._text.strip())

    async def flush(self) -> None:
        """Show what there is by now. Raises as `Post.put`."""
        if not self.fresh:
            return
        until = len(self._text)
        try:
            if not await self._grown(until):
                await self._post.put("answer", Card(f"{self._text} …"))
        except PlatformRefused as error:
            self._streams = False
            _log.warning("a text is not shown while it grows: %s", error)
        self._sent = until

    async def _grown(self, until: int) -> bool:
        """Whether the platform has shown what is new, below what it shows already."""
        adapter = self._post.adapter
        if not (self._streams and isinstance(adapter, Streaming)):
            return False
        ref = await self._post.stream("stream")
        await adapter.append(ref, self._text[self._sent : until])
        return True

    async def finish(self, result: Card | None) -> None:
        """Show the end. Raises as `Post.put`."""
        said = self._text.strip()
        try:
            whole = self._post.posted("stream") and await self._ended()
            if whole and result is not None and result.text.strip() == said:
                return
            if result is not None:
                await self._post.put("answer", result)
            elif self._post.posted("answer"):
                await self._post.put("answer", Card(said or "…"))
        except PlatformRefused as error:
            _log.warning("a result is not shown: %s", error)

    async def _ended(self) -> bool:
        """Whether all of the text stands in a message that grew."""
        adapter = self._post.adapter
        if not isinstance(adapter, Streaming):
            return False
        await self.flush()
        try:
            await adapter.end(await self._post.stream("stream"))
        except PlatformRefused as error:
            _log.warning("a text that grew was not ended: %s", error)
        return self._streams


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
