"""A worker for tests that stop its process: begins an execution, waits, and commits to it.

python -m tests.store.firestore.sleeper PROJECT TTL
"""

from __future__ import annotations

import asyncio
import sys

from assay.graphs.errors import LeaseLost
from assay.graphs.execution import Execution, Status
from assay.graphs.stored import Commit, Entry
from assay.store.firestore.store import FirestoreStore


async def main(project: str, ttl: str) -> None:
    store = await FirestoreStore.open(project, ttl=float(ttl))
    begun = Execution("e", "build", "1", "d1", Status.RUNNING)
    lease = await store.create(begun, [Entry(1, 1, b"first")], store.worker)
    assert lease is not None
    say(f"epoch {lease.epoch} of {store.worker}")
    await asyncio.to_thread(sys.stdin.readline)
    try:
        await store.commit(Commit(lease, Entry(2, 2, b"late"), release=True))
        say("written")
    except LeaseLost as lost:
        say(f"lost: {lost}")
    await store.close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
