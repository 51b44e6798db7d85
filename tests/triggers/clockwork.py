"""A scheduler as a process of its own, which is told what time it is.

Reads lines of JSON and answers each with one: at `{"now": seconds}` it looks at what is due
then, and tells each firing that it was the first to write down, as `[trigger, due]`. Told
`{"now": …, "die": WHEN, "triggers": N}` it kills itself `before` a firing is written down, `after`
one of each trigger is, or when every trigger has `moved` on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from assay.api.app import open_app
from assay.graphs.firing import Firing, Trigger
from assay.triggers.clock import Clock
from assay.triggers.desk import Desk


class Told(Desk):
    """A desk of which the clock and the death are told."""

    mortal: Any = None

    @property
    def store(self) -> Any:
        return self.mortal or super().store

    def at(self, now: float) -> None:
        self.now = lambda: now


class Mortal:
    """A store whose process may be killed about what it writes."""

    def __init__(self, store: Any, die: str, triggers: int) -> None:
        self._store, self._die = store, die
        self._left = 1 if die == "before" else triggers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put_firing(self, firing: Firing) -> bool:
        self._at("before")
        put = bool(await self._store.put_firing(firing))
        self._at("after")
        return put

    async def put_trigger(self, trigger: Trigger) -> bool:
        if self._die == "after":
            await asyncio.Event().wait()  # for the death, when the others have fired as well
        put = bool(await self._store.put_trigger(trigger))
        self._at("moved")
        return put

    def _at(self, moment: str) -> None:
        self._left -= self._die == moment
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(home: str) -> None:
    async with open_app(home=home, workspace=home, environ={}) as app:
        desk = Told(app.manager, app.triggers.desk.kinds)
        clock, fired = Clock(desk), list[list[str]]()
        desk.fired = lambda firing: fired.append([firing.trigger, firing.payload["due"]])
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            desk.at(command["now"])
            if "die" in command:
                desk.mortal = Mortal(desk.store, command["die"], command["triggers"])
            await clock.look()
            sys.stdout.write(json.dumps(fired) + "\n")
            sys.stdout.flush()
            fired.clear()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
