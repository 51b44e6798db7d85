"""Google's emulators for a benchmark, and a meter at Google's client for what is asked of them."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient

HOUSE = Path(__file__).resolve().parents[2]
LIBRARIES = ("google-cloud-firestore", "google-cloud-pubsub")


@contextmanager
def emulators() -> Iterator[None]:
    """The pair that the environment names, or one of our own; ends the program without."""
    sys.path.insert(0, str(HOUSE))
    from tests.emulators import VARIABLES, Missing, NotStarted, shared

    if os.environ.keys() >= set(VARIABLES.values()):
        yield
        return
    with TemporaryDirectory() as folder:
        try:
            with shared(Path(folder)) as pair:
                os.environ.update(pair.environ)
                yield
        except (Missing, NotStarted) as problem:
            sys.exit(str(problem))


def project() -> str:
    """A project that nobody has used: the emulators keep each apart."""
    return f"bench-{secrets.token_hex(6)}"


def said() -> str:
    """What a table was measured on, beside the machine."""
    found = [f"{name} {version(name)}" for name in LIBRARIES]
    load = f"load of the machine {os.getloadavg()[0]:.1f}"
    return " · ".join([*found, "Google's emulators, on loopback, in memory", load])


@dataclass(frozen=True, slots=True)
class Cost:
    """What was asked of Firestore. A query that finds nothing is one read, as it is billed."""

    commits: float
    writes: float
    reads: float
    size: float
    """Bytes of all that was written."""
    seconds: float


class Meter:
    """Counts every call of every Firestore client in this process, and the documents in it."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._since = 0.0

    def begin(self) -> None:
        self._counted.clear()
        self._since = time.perf_counter()

    def cost(self) -> Cost:
        counted = self._counted
        return Cost(
            counted["commits"],
            counted["writes"],
            counted["reads"],
            counted["size"],
            time.perf_counter() - self._since,
        )

    @contextmanager
    def installed(self) -> Iterator[None]:
        commit = FirestoreAsyncClient.commit
        reading = {name: getattr(FirestoreAsyncClient, name) for name in _READING}

        async def counted(client: Any, request: Any, **how: Any) -> Any:
            writes = request["writes"] if isinstance(request, dict) else request.writes
            answer = await commit(client, request=request, **how)
            size = sum(getattr(each, "_pb", each).ByteSize() for each in writes)
            self._counted.update(commits=1, writes=len(writes), size=size)
            return answer

        FirestoreAsyncClient.commit = counted  # type: ignore[method-assign]
        for name, read in reading.items():
            setattr(FirestoreAsyncClient, name, self._reads(read, _READING[name]))
        try:
            yield
        finally:
            FirestoreAsyncClient.commit = commit  # type: ignore[method-assign]
            for name, read in reading.items():
                setattr(FirestoreAsyncClient, name, read)

    def _reads(self, read: Any, fields: Sequence[str]) -> Any:
        async def counted(client: Any, **how: Any) -> AsyncIterator[Any]:
            return self._each(await read(client, **how), fields)

        return counted

    async def _each(self, answers: Any, fields: Sequence[str]) -> AsyncIterator[Any]:
        found = 0
        try:
            async for answer in answers:
                found += any(answer._pb.HasField(field) for field in fields)
                yield answer
        finally:
            self._counted.update(reads=max(1, found))


_READING = {
    "batch_get_documents": ("found", "missing"),
    "run_query": ("document",),
    "run_aggregation_query": ("result",),
}
"""Calls that are paid by the document, and where an answer holds one."""
