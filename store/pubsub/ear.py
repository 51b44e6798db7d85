"""Takes what arrives at a process's own subscription, for as long as somebody wants to hear it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from google.api_core.exceptions import NotFound

from ...graphs.errors import AssayError
from .client import Client, Received
from .names import EXPIRES, OWN, TO_SUBSCRIBE, own
from .setback import FIRST, Setback, log

TOGETHER = 500
"""Messages that are pulled at once; no more are asked for before these are taken."""

LINGER = 10.0
"""Seconds for which an ear stays open at most when nobody listens any more."""


class Ear:
    """One topic, heard by one process. Call `open` first; `close` deletes the subscription."""

    def __init__(
        self, client: Client, topic: str, origin: str, take: Callable[[Received], None]
    ) -> None:
        self._client, self._topic = client, topic
        self._name = own(topic, origin)
        self._take = take
        self.away = ""
        """Why nothing is heard for now; empty while all is well."""
        self._made = False
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """From its return on, nothing published is missed. Raises an `AssayError`."""
        try:
            self._made = True  # perhaps also when this fails
            await self._subscribe()
        except Exception as error:
            doing = f"let this process listen to {self._topic}"
            raise self._client.problem(error, doing, TO_SUBSCRIBE) from error
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """What cannot be deleted expires by itself. It may be opened again."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if not self._made:
            return
        self._made = False
        try:
            await self._client.unsubscribe(self._name)
        except Exception as error:
            doing = f"delete {self._name} (it expires in {EXPIRES.days} day)"
            problem = self._client.problem(error, doing, "pubsub.subscriptions.delete")
            log.info("%s", problem.message)

    async def _listen(self) -> None:
        setback, doing = Setback(), f"give messages of {self._topic}"
        while True:
            try:
                await self._pull()
            except Exception as error:
                needed = "pubsub.subscriptions.consume"
                self.away = self._client.problem(error, doing, needed).message
                await setback.failed(self.away)
            else:
                self.away = ""
                setback.over()

    async def _pull(self) -> None:
        try:
            received = await self._client.pull(self._name, TOGETHER)
        except NotFound:  # expired, or deleted by somebody
            await self._subscribe()
            log.warning("the subscription %s was gone and is made again", self._name)
            await asyncio.sleep(FIRST)
            return
        for each in received:
            self._take(each)
        if received:
            await self._client.acknowledge(self._name, received)

    async def _subscribe(self) -> None:
        await self._client.subscribe(self._topic, self._name, OWN, EXPIRES)


class Attention:
    """Keeps an ear open while somebody wants to hear: each message that a process is sent costs.

    Whether somebody does is asked every `linger` seconds.
    """

    def __init__(self, ear: Ear, wanted: Callable[[], bool], linger: float = LINGER) -> None:
        self._ear, self._wanted, self._linger = ear, wanted, linger
        self._hears = asyncio.Event()
        self._paying: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Somebody wants to hear from now on; returns at once."""
        if self._paying is None or self._paying.done():
            self._paying = asyncio.create_task(self._pay())

    async def hears(self, seconds: float) -> bool:
        """Wait until nothing is missed any more, that long at most; whether it is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hears.wait()
        return self._hears.is_set()

    async def close(self) -> None:
        """Hear nothing more. Twice is harmless."""
        if self._paying is not None:
            self._paying.cancel()
            await asyncio.gather(self._paying, return_exceptions=True)
        await self._ear.close()

    async def _pay(self) -> None:
        setback = Setback()
        while self._wanted():
            try:
                await self._ear.open()
            except AssayError as error:
                await setback.failed(error.message)
                continue
            setback.over()
            self._hears.set()
            await self._unwanted()
            self._hears.clear()
            await self._ear.close()

    async def _unwanted(self) -> None:
        while True:
            await asyncio.sleep(self._linger)
            if not self._wanted():
                return
