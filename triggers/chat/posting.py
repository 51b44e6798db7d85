"""Our own messages: each is posted once, however often somebody is killed, and then updated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...graphs.firing import FiringStatus
from .adapter import Ref, Streaming
from .letters import SOON

if TYPE_CHECKING:
    from .adapter import Card, ChatAdapter, Person
    from .letters import Letter


async def reply(
    adapters: Mapping[str, ChatAdapter], letter: Letter, card: Card, *, alone: bool = False
) -> None:
    """Say it, and be done with the letter, which began nothing; `alone`: to that person."""
    post = Post(adapters[letter.told.conversation.platform], letter)
    await post.put("reply", card, only=letter.person if alone else None)
    await letter.close(FiringStatus.SKIPPED, "it was answered")


class Post:
    """What is posted about one letter, by name."""

    def __init__(self, adapter: ChatAdapter, letter: Letter) -> None:
        self.adapter = adapter
        self._letter = letter

    def posted(self, name: str) -> bool:
        """Whether something was posted under that name, or may have been."""
        return name in self._letter.told.posts

    async def put(self, name: str, card: Card, *, only: Person | None = None) -> None:
        """Have the card stand there: posted, or in the place of what was posted before.

        Raises `PlatformUnavailable`, `PlatformRefused`, `TakenOverError`.
        """
        ref = self._ref(name)
        if ref is None:
            ref = await self._found(name)
            if ref is None:
                to = self._letter.told.conversation
                ref = await self.adapter.post(to, card, key=self._key(name), only=only)
                await self._note(name, ref)
                return
            await self._note(name, ref)
        await self.adapter.update(ref, card)

    async def stream(self, name: str) -> Ref:
        """A message that grows, on a platform that has such. Raises as `put`."""
        assert isinstance(self.adapter, Streaming)
        ref = self._ref(name) or await self._found(name)
        if ref is None:
            key, to = self._key(name), self._letter.told.conversation
            ref = await self.adapter.begin(to, self._letter.person, key=key)
        await self._note(name, ref)
        return ref

    def _ref(self, name: str) -> Ref | None:
        id = self._letter.told.posts.get(name, SOON)
        return None if id == SOON else Ref(self._letter.told.conversation, id)

    async def _found(self, name: str) -> Ref | None:
        """What was posted before a crash; else it is noted that it is about to be."""
        told = self._letter.told
        if name in told.posts:
            return await self.adapter.find(told.conversation, self._key(name))
        await self._letter.keep(posts={**told.posts, name: SOON})
        return None

    async def _note(self, name: str, ref: Ref) -> None:
        posts = self._letter.told.posts
        if posts.get(name) != ref.id:
            posts = {**posts, name: ref.id}
            await self._letter.keep(conversation=ref.conversation, posts=posts)

    def _key(self, name: str) -> str:
        return f"{self._letter.id}/{name}"
