"""A process that fires: `firer.py URL NAME COUNT [LAST]`.

It waits for a line, then puts the firings 0 to COUNT, several at a time, each with an execution id
that has its name. It prints the number of each that it was the first to put, once that is durable.
When it comes to the LAST it kills itself, with those on their way that it has begun.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from assay.graphs.firing import Firing, firing_id
from assay.store.connect import connect


async def main(url: str, name: str, count: int, last: int = -1) -> None:
    store = await connect(url)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    numbers = iter(range(count))

    async def fire() -> None:
        for number in numbers:
            if number == last:
                os.kill(os.getpid(), signal.SIGKILL)
            firing = Firing(
                firing_id("t", str(number)), "t", "build", "at", f"{name}-{number}", number
            )
            if await store.put_firing(firing):
                say(str(number))

    await asyncio.gather(*(fire() for _ in range(8)))
    await store.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
