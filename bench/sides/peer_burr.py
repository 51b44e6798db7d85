"""Chains of 10 no-op actions on Burr, every one persisted. Run by `peers.py`."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import pairwise
from typing import Any
from uuid import uuid4

from burr.core import ApplicationBuilder, State, action
from burr.integrations.persisters.b_aiosqlite import AsyncSQLitePersister

NAMES = [f"s{i}" for i in range(10)]


@action(reads=["value"], writes=["value"])
async def noop(state: State) -> State:
    return state.update(value=1)


async def chain(persister: Any) -> None:
    builder = (
        ApplicationBuilder()
        .with_actions(**dict.fromkeys(NAMES, noop))
        .with_transitions(*pairwise(NAMES))
        .with_state(value=0)
        .with_entrypoint(NAMES[0])
        .with_identifiers(app_id=str(uuid4()))
        .with_state_persister(persister)
    )
    application = await builder.abuild()
    await application.arun(halt_after=[NAMES[-1]])


async def main() -> None:
    folder, at_once = sys.argv[1], int(sys.argv[2])
    async with AsyncSQLitePersister.from_values(db_path=f"{folder}/burr.db") as persister:
        await persister.initialize()
        while await asyncio.to_thread(sys.stdin.readline):
            started = time.perf_counter()
            await asyncio.gather(*[chain(persister) for _ in range(at_once)])
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
