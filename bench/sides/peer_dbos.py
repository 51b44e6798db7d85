"""Chains of 10 no-op steps on DBOS with SQLite. Run by `peers.py`."""

from __future__ import annotations

import asyncio
import sys
import time

from dbos import DBOS


@DBOS.step()
async def noop() -> int:
    return 1


@DBOS.workflow()
async def chain() -> int:
    value = 0
    for _ in range(10):
        value = await noop()
    return value


async def main() -> None:
    folder, at_once = sys.argv[1], int(sys.argv[2])
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder}/dbos.db",
            "log_level": "ERROR",
            "run_admin_server": False,
        }
    )
    DBOS.launch()
    while await asyncio.to_thread(sys.stdin.readline):
        started = time.perf_counter()
        await asyncio.gather(*[chain() for _ in range(at_once)])
        print(time.perf_counter() - started, flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
