"""A process that commits: `committer.py URL EXECUTION_ID CALLERS COMMITS`.

It prints the number of each commit when it is acknowledged. A commit with number n holds a
result, a decision and an event, all numbered n; its result refers to nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from assay.graphs.event import Event, EventType
from assay.graphs.execution import Execution, Status, StepResult
from assay.graphs.ports import Commit, Decision
from assay.store.connect import connect


async def main(url: str, execution_id: str, callers: int, commits: int) -> None:
    store = await connect(url)
    row = Execution(execution_id, "build", "1", "d1", Status.RUNNING)
    await store.commit(Commit(execution_id, execution=row))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    numbers = count(1)

    async def caller() -> None:
        while (number := next(numbers)) <= commits:
            path = f"step[{number}]"
            commit = Commit(
                execution_id,
                [StepResult(path, "step", "set", Status.COMPLETED, "x" * 500, seq=number)],
                [Decision(path, "when", True)],
                [Event(execution_id, EventType.NOTICE, "", path, seq=number)],
            )
            await store.commit(commit)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(caller() for _ in range(callers)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
