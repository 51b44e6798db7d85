"""Takes what arrives at a process's own subscription, for as long as the bus is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from google.api_core.exceptions import NotFound

from .client import Client, Received
from .names import EXPIRES, OWN, TO_SUBSCRIBE, own
from .setback import FIRST, Setback, log

TOGETHER = 500
"""Messages that are pulled at once; no more are asked for before these are taken."""


class Ear:
    """One topic, heard by one process. Call `open` first; `close` deletes the subscription."""

    def __init__(
        self, client: Client, topic: str, origin: str, take: Callable[[Received], None]
    ) -> None:
        self._client, self._topic = client, topic
        self._name = own(topic, origin)
        self._take = take
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """From its return on, nothing published is missed. Raises an `AssayError`."""
        try:
            await self._subscribe()
        except Exception as error:
            doing = f"let this process listen to {self._topic}"
            raise self._client.problem(error, doing, TO_SUBSCRIBE) from error
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """What cannot be deleted expires by itself."""
        if self._listening is None:
            return
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
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
                await setback.failed(self._client.problem(error, doing, needed).message)
            else:
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
