"""What an execution costs on Firestore and Pub/Sub: documents, messages, calls and their times."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import assay
from assay.store.buses import setup_bus
from assay.store.firestore.database import Batch, Database
from assay.store.pubsub.client import Client
from assay.store.pubsub.envelope import Letter
from assay.store.pubsub.names import EVENTS
from sides.cloud import emulators, project

RUNS = 10
IDLE = 15.0
"""Seconds that a worker without work is watched."""
COLUMNS = ("commit", "write", "delete", "get", "query", "read", EVENTS, "publish", "billed B")
"""Calls to Firestore and the documents in them; letters to Pub/Sub, calls, bytes of those calls.
A query that finds nothing is one read, and a publish is at least 1000 bytes."""


class Meter:
    """Counts and times what the store and the bus do."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.times: dict[str, list[float]] = defaultdict(list)

    def install(self) -> None:
        meter, snapshots, commit = self, Database.snapshots, Database.commit
        publish = Client.publish

        async def read(self: Database, call: str, of: Any, **how: Any) -> list[Any]:
            began = time.perf_counter()
            found = await snapshots(self, call, of, **how)
            meter.times[call].append(time.perf_counter() - began)
            meter.counted.update({call: 1, "read": max(1, len(found))})
            return found

        async def write(self: Database, batch: Batch, what: str) -> Any:
            deletes = sum(1 for each in batch.writes._write_pbs if each.delete)
            writes = len(batch) - deletes
            began = time.perf_counter()
            times = await commit(self, batch, what)
            meter.times["commit"].append(time.perf_counter() - began)
            meter.counted.update(commit=1, write=writes, delete=deletes)
            return times

        async def send(self: Client, topic: str, letters: list[Letter]) -> None:
            await publish(self, topic, letters)
            size = max(1000, sum(each.size + 40 for each in letters))
            meter.counted.update({topic: len(letters), "publish": 1, "billed B": size})

        Database.snapshots = read  # type: ignore[method-assign]
        Database.commit = write  # type: ignore[method-assign]
        Client.publish = send  # type: ignore[assignment,method-assign]

    def row(self, name: str, per: float) -> None:
        cells = "".join(f"{self.counted[each] / per:>9.1f}" for each in COLUMNS)
        print(f"  {name:32}{cells}")
        self.counted.clear()


def document(name: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    numbered = [{"id": f"s{i}", **step} for i, step in enumerate(steps)]
    return {"name": name, "version": "1", "steps": numbered}


QUICK = {"type": "python", "function": "noop"}
SLOW = {"type": "python", "function": "slow"}
DOCUMENTS = {
    "10 quick steps": document("ten", [QUICK] * 10),
    "20 quick steps": document("twenty", [QUICK] * 20),
    "10 steps of 0.3 s": document("slow", [SLOW] * 10),
}


async def noop() -> int:
    return 1


async def slow() -> int:
    await asyncio.sleep(0.3)
    return 1


async def main() -> None:
    name = project()
    await setup_bus(f"pubsub://{name}")
    meter = Meter()
    meter.install()
    environ = {**os.environ, "ASSAY_BUS": f"pubsub://{name}"}
    with tempfile.TemporaryDirectory() as folder:
        kept = {"store": f"firestore://{name}", "environ": environ, "workspace": Path(folder)}
        async with assay.open(**kept) as app:
            app.function("noop", noop)
            app.function("slow", slow)
            print(f"{'':34}{''.join(f'{each[-8:]:>9}' for each in COLUMNS)}")
            for name, each in DOCUMENTS.items():
                workflow = await app.register(each)
                await app.run(workflow)
                await asyncio.sleep(0.5)
                meter.counted.clear()
                for _ in range(RUNS):
                    await app.run(workflow)
                await asyncio.sleep(0.5)
                meter.row(name, RUNS)
        async with assay.open(**kept) as app:
            app.manager.serve()
            await asyncio.sleep(2)
            meter.counted.clear()
            await asyncio.sleep(IDLE)
            meter.row("an idle worker, a minute", IDLE / 60)
    print("\nms a call      p50     p99       n")
    for call, times in meter.times.items():
        cut = statistics.quantiles(times, n=100)
        print(f"  {call:8}{cut[49] * 1000:8.1f}{cut[98] * 1000:8.1f}{len(times):8}")


if __name__ == "__main__":
    with emulators():
        asyncio.run(main())
