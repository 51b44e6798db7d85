"""What runs within whoever serves: the dispatcher, and everything that listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from ..graphs.errors import NotPossible, StoreError, TriggerNotFound
from ..graphs.firing import Firing, FiringStatus, Trigger
from ..graphs.listing import every
from .desk import Desk
from .dispatch import Dispatcher
from .forgetting import forget
from .routing import Router
from .upkeep import Loop, kept_up

REFRESH = 5.0
"""Seconds between two looks at which triggers there are."""

GRACE = 5.0
"""Seconds in which what is under way may end."""

_LOOK = 0.5
"""Seconds between two looks at a firing that somebody waits for."""

_log = logging.getLogger("assay.triggers")


class TriggerService:
    """Fires triggers, and starts what they start, while `running`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.dispatcher = Dispatcher(desk)
        self.router = Router(desk)
        self._loops: dict[str, Loop] = {"events": self.router.run}
        self._listening: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._look = asyncio.Event()
        self._told: list[Callable[[], None]] = [self.router.look]
        desk.changed = self._changed

    def add(self, name: str, loop: Loop) -> None:
        """Have it run, too; before `running`."""
        self._loops[name] = loop

    def on_change(self, call: Callable[[], None]) -> None:
        """Call it whenever triggers were changed: in this process at once, else seconds later."""
        self._told.append(call)

    def _changed(self) -> None:
        self._look.set()
        self._tell()

    def _tell(self) -> None:
        for call in self._told:
            call()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within, triggers fire. What is under way at the end has a moment to end."""
        loops: dict[str, Loop] = {
            "listeners": self._listen,
            "forgetting": partial(forget, self.desk),
            **self._loops,
        }
        tasks = [_begun(name, loop) for name, loop in loops.items()]
        dispatching = _begun("dispatcher", self.dispatcher.run)
        try:
            yield
        finally:
            try:
                await _ended(tasks)
                await _ended([*self._listening.values()])
                await self.dispatcher.drain(GRACE)
            finally:
                # Who is cancelled once more meanwhile leaves nobody behind.
                left = [*tasks, *self._listening.values(), dispatching]
                self._listening.clear()
                await _ended(left)

    async def deal(self, firing: Firing, waits: Callable[[], None] = lambda: None) -> Firing:
        """What comes of a firing, which is dealt with here, and so is what stands before it in
        its turn; nothing else is, and nothing listens. Of one that was merged, what comes of
        the one that stands for it. `waits` is called when it has to wait for its turn.
        """
        dispatcher, told = self.dispatcher, False

        def ours(other: Firing) -> bool:
            return other.id == firing.id or "" != other.lane == firing.lane

        dispatcher.takes, before = ours, dispatcher.takes
        dispatching = _begun("dispatcher", dispatcher.run)
        try:
            while True:
                dispatcher.ring(firing)
                firing = await self.desk.settled(firing, _LOOK, over=True)
                if firing.status is FiringStatus.WAITING and not told:
                    told = True
                    waits()
                if firing.status is FiringStatus.MERGED:
                    firing = await self.desk.store.firing(firing.into)
                elif not firing.status.open:
                    return firing
        finally:
            dispatcher.takes = before
            await _ended([dispatching])

    async def _listen(self) -> None:
        """One task for each enabled trigger whose kind listens."""
        while True:
            self._look.clear()
            try:
                wanted = {
                    (trigger.id, trigger.revision): trigger
                    async for trigger in every(self.desk.store.triggers)
                    if trigger.enabled and trigger.type in self.desk.kinds
                }
                if wanted.keys() != self._listening.keys():
                    self._tell()
                    await self._adjust(wanted)
            except StoreError as error:
                _log.warning("triggers cannot be read: %s", error)
            try:
                async with asyncio.timeout(REFRESH):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _adjust(self, wanted: Mapping[tuple[str, int], Trigger]) -> None:
        gone = [self._listening.pop(key) for key in [*self._listening] if key not in wanted]
        await _ended(gone)
        for key, trigger in wanted.items():
            if key not in self._listening:
                self._listening[key] = _begun(trigger.id, partial(self._hear, trigger))

    async def _hear(self, trigger: Trigger) -> None:
        kind = self.desk.kinds.get(trigger.type)

        async def fire(
            payload: Any,
            *,
            attributes: Mapping[str, str] | None = None,
            id: str | None = None,
            depth: int = 0,
        ) -> Firing:
            return await self.desk.fire(trigger, payload, attributes=attributes, id=id, depth=depth)

        try:
            await kind.listen(trigger, await self.desk.spec(trigger), fire)
        except (TriggerNotFound, NotPossible) as error:
            _log.info("%s listens no more: %s", trigger.id, error)


def _begun(name: str, loop: Loop) -> asyncio.Task[None]:
    return asyncio.create_task(kept_up(name, loop, _log), name=f"triggers: {name}")


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
