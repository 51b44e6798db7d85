"""A process that commits: `committer.py URL EXECUTION_ID CALLERS COMMITS [BOUNDARY | wait]`.

It begins the execution, then prints the number of each commit when it is acknowledged. A commit
with number n holds an entry, a question and an artifact, all numbered n. At a boundary such as
`before 17` it kills itself; with `wait` it waits for a line before it commits anything.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count

from assay.graphs.execution import Execution, Status
from assay.graphs.question import Question, Wait
from assay.graphs.stored import ArtifactInfo, Commit, Entry
from assay.store.connect import connect
from assay.store.sqlite.writer import Writer


async def main(url: str, execution_id: str, callers: int, commits: int, how: str) -> None:
    store = await connect(url)
    row = Execution(execution_id, "build", "1", "d1", Status.RUNNING)
    lease = await store.create(row, [], store.worker)
    assert lease is not None
    say("ready")
    if how == "wait":
        await asyncio.to_thread(sys.stdin.readline)
    numbers = count(1)

    async def caller() -> None:
        while (number := next(numbers)) <= commits:
            path = f"step[{number}]"
            commit = Commit(
                lease,
                Entry(number, number, b"x" * 500),
                questions=[Question(f"{execution_id}.{number}", execution_id, path, Wait.ONCE)],
                artifacts=[ArtifactInfo(execution_id, path, "f", "f", "0" * 64, number, "")],
            )
            await store.commit(commit)
            say(str(number))

    await asyncio.gather(*(caller() for _ in range(callers)))
    await store.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def die_at(boundary: str) -> None:
    def reached(name: str) -> None:
        if name == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    Writer.boundary = reached


if __name__ == "__main__":
    how = sys.argv[5] if len(sys.argv) > 5 else ""
    die_at(how)
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), how))
