"""The chat desk: what people say is written down first, then read, then told about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

from ...graphs.errors import (
    NotRegistered,
    PlatformRefused,
    PlatformUnavailable,
    StoreError,
    StoreUnavailable,
)
from ...graphs.firing import FiringStatus
from ..upkeep import LONGEST, kept_up
from . import cards
from .clerk import Clerk
from .lead import Lead
from .letters import Letter, TakenOverError, open_letters, write_down
from .posting import Post
from .telling import Teller

if TYPE_CHECKING:
    from ..desk import Desk
    from .adapter import Acknowledgement, ChatAdapter, Incoming
    from .powers import Known
    from .router import Router

LOOK = 2.0
"""Seconds between two looks for letters that another process took in."""

ATTEMPTS = 6
"""How often something is tried that fails in a way that nobody foresaw."""

CRASHES = 20
"""How often a letter is begun with by processes that then die."""

AT_ONCE = 32
"""Letters that are read at once."""

Deal: TypeAlias = Callable[[Letter], Awaitable[None]]

_log = logging.getLogger("assay.chat")


class ChatDesk:
    """Everything that is said to bots of one store. Any number of processes may take in what
    comes; one of them at a time deals with it."""

    def __init__(
        self,
        desk: Desk,
        adapters: Sequence[ChatAdapter],
        known: Known,
        router: Router | None = None,
    ) -> None:
        self._store = desk.store
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._teller = Teller(desk.manager, self._adapters)
        self._clerk = Clerk(desk, self._adapters, known, self._teller, router)
        self._lead = Lead(self._store, "tells")
        self._bell = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def accept(
        self, platform: str, headers: Mapping[str, str], body: bytes
    ) -> Acknowledgement:
        """Take one request of a platform; what was in it is durable when this returns.

        Raises `NotRegistered` for a platform that is not set up, and as `ChatAdapter.accept`.
        """
        adapter = self._adapters.get(platform)
        if adapter is None:
            raise NotRegistered(f"no chat platform {platform!r} is set up here; see ASSAY_CHAT")
        return await adapter.accept(headers, body, self.receive)

    async def receive(self, came: Incoming) -> None:
        """Durable when it returns. Raises `StoreUnavailable`, `InvalidInput`."""
        await write_down(self._store, came)
        self._bell.set()

    async def run(self) -> None:
        """Take in what comes and deal with it, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(kept_up("chat", partial(self._lead.run, self._work), _log))
            for name, adapter in self._adapters.items():
                group.create_task(kept_up(name, partial(adapter.listen, self.receive), _log))

    async def close(self) -> None:
        for adapter in self._adapters.values():
            await adapter.close()

    async def _work(self) -> None:
        """What one process at a time does."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._teller.listen())
                group.create_task(self._teller.watch())
                group.create_task(self._look())
        finally:
            busy = [*self._busy.values()]
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)

    async def _look(self) -> None:
        """Those of which is told are looked for once, those to be read again and again."""
        wanted = {FiringStatus.WAITING: self._told, FiringStatus.PENDING: self._read}
        while True:
            self._bell.clear()
            try:
                for status, deal in wanted.items():
                    for platform in self._adapters:
                        for letter in await open_letters(self._store, platform, status):
                            self._begin(letter, deal)
                wanted.pop(FiringStatus.WAITING, None)
            except StoreError as error:
                _log.warning("letters cannot be read: %s", error)
            try:
                async with asyncio.timeout(max(LOOK, self._store.pace.listen)):
                    await self._bell.wait()
            except TimeoutError:
                pass

    def _begin(self, letter: Letter, deal: Deal) -> None:
        if letter.id in self._busy:
            return
        task = asyncio.ensure_future(self._dealt(letter, deal))
        self._busy[letter.id] = task
        task.add_done_callback(lambda _: self._busy.pop(letter.id, None))

    async def _dealt(self, letter: Letter, deal: Deal) -> None:
        try:
            await deal(letter)
        except TakenOverError as error:
            _log.info("%s", error)
        except StoreError as error:
            _log.warning("letter %s is left for later: %s", letter.id, error)

    async def _read(self, letter: Letter) -> None:
        """Those of one conversation one after the other, as they came."""
        turn = self._turns.setdefault(letter.came.conversation.key, asyncio.Lock())
        async with turn:
            if await letter.tried() > CRASHES:
                await letter.close(FiringStatus.DEAD, f"begun {CRASHES} times, and never ended")
            while letter.open and not letter.understood:
                await self._patiently(letter, self._read_now)
        if letter.understood:
            await self._told(letter)

    async def _read_now(self, letter: Letter) -> None:
        async with self._room:
            await self._clerk.read(letter)

    async def _told(self, letter: Letter) -> None:
        while letter.open:
            await self._patiently(letter, self._teller.tell)

    async def _patiently(self, letter: Letter, deal: Deal) -> None:
        """Again and again while the store or the platform is away; anything else that goes
        wrong a few times, and then the letter is dead."""
        failures = away = 0
        while True:
            wait = 0.0
            try:
                return await deal(letter)
            except TakenOverError:
                raise
            except PlatformRefused as error:
                return await letter.close(FiringStatus.DEAD, str(error))
            except (StoreUnavailable, PlatformUnavailable) as error:
                away, wait = away + 1, getattr(error, "wait", 0.0)
                _log.warning("letter %s: %s", letter.id, error)
            except Exception as error:
                _log.exception("letter %s failed", letter.id)
                if (failures := failures + 1) == ATTEMPTS:
                    return await self._given_up(letter, f"{type(error).__name__}: {error}")
            await asyncio.sleep(wait or min(LONGEST, 0.5 * 2.0 ** (failures + away)))

    async def _given_up(self, letter: Letter, why: str) -> None:
        adapter = self._adapters[letter.told.conversation.platform]
        try:
            await Post(adapter, letter).put("reply", cards.went_wrong(letter.id))
        except (PlatformRefused, PlatformUnavailable) as error:
            _log.warning("letter %s: %s", letter.id, error)
        await letter.close(FiringStatus.DEAD, f"failed {ATTEMPTS} times: {why}")
