"""The connection to one Firestore database: reads, queries, and commits of all or nothing.

Nothing here waits for ever, and every error is one of ours that says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

from ...graphs.errors import ConfigurationError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds for one call."""
PATIENCE = 15.0
"""Seconds during which a call that failed in passing is made again."""
LARGEST = 3_000_000
"""Bytes of one commit: Google's emulator refuses 4 MiB, Firestore 10."""
MOST_WRITES = 400
PAGE = 300
"""Documents of a query that are read at once."""

try:
    from google.api_core import exceptions as google
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.firestore_v1 import DELETE_FIELD, SERVER_TIMESTAMP, AsyncClient, AsyncQuery
    from google.cloud.firestore_v1.base_query import FieldFilter
except ImportError as error:
    raise ConfigurationError(
        f"A Firestore store needs Google's client, which is not installed ({error}); "
        "install it with: pip install 'assay[google]'"
    ) from error

LATE = timedelta(milliseconds=800)
"""After which who reads by the server's time in documents may have passed one over."""

NOW: Any = SERVER_TIMESTAMP
"""As a field's value: the server's time when it is written."""

_PASSING = (
    google.ServiceUnavailable,
    google.GatewayTimeout,
    google.TooManyRequests,
    google.InternalServerError,
    google.Unknown,
    google.Aborted,
    google.RetryError,
    asyncio.TimeoutError,
)


class Conflict(Exception):
    """A commit found something else than it was prepared for, and wrote nothing.

    `unsure`: an earlier try of the same call may have been written.
    """

    def __init__(self, unsure: bool) -> None:
        super().__init__("changed meanwhile")
        self.unsure = unsure


@dataclass(frozen=True, slots=True)
class Found:
    """A document as it was read, and when the server last changed it."""

    id: str
    data: Mapping[str, Any]
    time: Any

    def __getitem__(self, field: str) -> Any:
        return self.data[field]

    def get(self, field: str, default: Any = None) -> Any:
        return self.data.get(field, default)


class Database:
    """One database of a project. Made and used in one event loop."""

    watcher: ClassVar[Callable[[str, Any], None] | None] = None
    """Told of every call before it is made: `commit`, `get` or `query`, and what of; for tests."""

    def __init__(self, project: str, database: str, root: str = "") -> None:
        """Raises `StoreError` where there are no credentials."""
        self.name = f"firestore://{project}/{database}"
        self._root = ("roots", root) if root else ()
        self._patience = PATIENCE
        self._closed = False
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        try:
            self.client: Any = AsyncClient(project=project, database=database)
        except (GoogleAuthError, OSError, ValueError) as error:
            raise StoreError(
                f"{self.name} cannot be reached without Google's credentials: "
                f"{_line(error)} Run: gcloud auth application-default login"
            ) from error

    def at(self, *path: str) -> Any:
        """The place of a document: collection and id, once or more."""
        return self.client.document(*self._root, *path)

    def all(self, *path: str) -> Any:
        """A collection, to be queried."""
        return self.client.collection(*self._root, *path)

    def everywhere(self, collection: str) -> Any:
        """All collections of that name below this root, as one to be queried."""
        return AsyncQuery(self.all(collection), all_descendants=True)

    def batch(self) -> Batch:
        return Batch(self.client)

    def alone(self, name: str) -> asyncio.Lock:
        """For whoever changes what many change: of one process one after another, else each of
        a thousand would be tried again until all before it are through."""
        return self._alone.setdefault(name, asyncio.Lock())

    async def get(self, *places: Any, only: Sequence[str] | None = None) -> list[Found | None]:
        """The documents, or `only` these fields of them, in order; None: it does not exist."""
        if not places:
            return []
        read = await self.snapshots("get", places, only=only)
        found = {each.reference.path: found_in(each) for each in read if each.exists}
        return [found.get(place.path) for place in places]

    async def find(self, query: Any) -> list[Found]:
        """Every document of a query."""
        return [found_in(each) for each in await self.snapshots("query", query)]

    async def snapshots(
        self, call: str, of: Any, *, only: Sequence[str] | None = None, at: Any = None
    ) -> list[Any]:
        """What the client makes of a `get` of places, in any order, or of a `query`.

        `only` these fields of what is got; all as it was `at` that time.
        """
        self._tell(call, of)

        async def once() -> list[Any]:
            how: dict[str, Any] = {"retry": None, "timeout": DEADLINE, "read_time": at}
            if call == "get":
                read = self.client.get_all(of, field_paths=only, **how)
            else:
                read = of.stream(**how)
            return [each async for each in read]

        return await self._patiently(once, "Reading")

    async def count(self, query: Any) -> int:
        """How many documents a query finds: a read for each thousand."""
        self._tell("count", query)

        async def once() -> int:
            ((counted,),) = await query.count().get(retry=None, timeout=DEADLINE)
            return int(counted.value)

        return await self._patiently(once, "Counting")

    async def walk(self, query: Any) -> AsyncIterator[Found]:
        """Every document of a query, page by page."""
        after: Any = None
        while True:
            rest = query if after is None else query.start_after(after)
            page = await self.snapshots("query", rest.limit(PAGE))
            for each in page:
                yield found_in(each)
            if len(page) < PAGE:
                return
            after = page[-1]

    async def commit(self, batch: Batch, what: str) -> Sequence[Any]:
        """Write all or nothing; the time of each written document, in order.

        Raises `Conflict` when a precondition did not hold, `StoreUnavailable` when it cannot
        be known whether it was written.
        """
        self._tell("commit", batch.writes)
        unsure = False

        async def once() -> Any:
            nonlocal unsure
            try:
                results = await batch.writes.commit(retry=None, timeout=DEADLINE)
            except (google.FailedPrecondition, google.AlreadyExists) as error:
                raise Conflict(unsure) from error
            except google.NotFound as error:
                if "database" in str(error) and "does not exist" in str(error):
                    raise
                raise Conflict(unsure) from error
            except _PASSING as error:
                unsure = unsure or not isinstance(error, google.Aborted)
                raise
            return results

        results = await self._patiently(once, what)
        await self.stamp([at for n, at in batch.stamped.items() if is_late(results[n])], what)
        return [result.update_time for result in results]

    async def stamp(self, places: Sequence[Any], what: str) -> None:
        """Give documents the time of now, who may have a time that is long past by now.

        Else who reads in the order of these times passes them over.
        """
        batch = self.batch()
        for place in places:
            batch.stamped[batch.update(place, {"at": NOW})] = place
        if places:
            with contextlib.suppress(Conflict):  # they were deleted
                await self.commit(batch, what)

    async def clear(self, places: Sequence[Any]) -> None:
        """Delete the documents, many at a time."""
        for start in range(0, len(places), MOST_WRITES):
            batch = self.batch()
            for place in places[start : start + MOST_WRITES]:
                batch.delete(place)
            await self.commit(batch, "Deleting")

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self.client._firestore_api.transport.close()

    def check_open(self) -> None:
        """Raises `StoreError` when it is closed."""
        if self._closed:
            raise StoreError(f"The database {self.name} is closed; connect to it again.")

    def _tell(self, call: str, of: Any) -> None:
        self.check_open()
        if Database.watcher is not None:
            Database.watcher(call, of)

    async def _patiently(self, once: Callable[[], Awaitable[T]], what: str) -> T:
        until, delay = time.monotonic() + self._patience, 0.05
        while True:
            try:
                return await once()
            except _PASSING as error:
                if "maximum size" in str(error):
                    raise self._fault(error, what) from error
                if time.monotonic() + delay > until:
                    raise StoreUnavailable(
                        f"{what} failed: the database {self.name} does not answer "
                        f"({_line(error)}); it is tried again."
                    ) from error
            except (google.GoogleAPIError, GoogleAuthError) as error:
                raise self._fault(error, what) from error
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 2.0)

    def _fault(self, error: Exception, what: str) -> StoreError:
        """What people put right outside is waited for: what runs meanwhile is not let go of."""
        said = f"{what} failed in the database {self.name}: {_line(error)}"
        if isinstance(error, google.Forbidden):
            return StoreUnavailable(f"{said} Give this account the role roles/datastore.user.")
        if isinstance(error, google.NotFound):
            return StoreUnavailable(f"{said} Create it: gcloud firestore databases create")
        if isinstance(error, google.FailedPrecondition) and "index" in str(error):
            return StoreUnavailable(f"{said} Run what this prints: assay store migrate")
        if isinstance(error, (google.Unauthorized, GoogleAuthError)):
            return StoreUnavailable(f"{said} Run: gcloud auth application-default login")
        return StoreError(said)


class Batch:
    """Writes that are done all or none. Of each, `None` as a field's value means no field."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.writes: Any = client.batch()
        self.size = 0
        """Bytes, about."""
        self.stamped: dict[int, Any] = {}
        """What is read in the order of the time `at` in it, by its place in the commit."""

    def __len__(self) -> int:
        return len(self.writes)

    def create(self, place: Any, fields: Mapping[str, Any]) -> int:
        """Make a document that is not there; the place of its time in what a commit returns."""
        self._count(fields)
        self.writes.create(place, {k: v for k, v in fields.items() if v is not None})
        return len(self) - 1

    def put(self, place: Any, fields: Mapping[str, Any]) -> int:
        """Make a document, or replace one."""
        self._count(fields)
        self.writes.set(place, {k: v for k, v in fields.items() if v is not None})
        return len(self) - 1

    def update(self, place: Any, fields: Mapping[str, Any], time: Any = None) -> int:
        """Change fields of a document that is there, and is as it was at that time."""
        self._count(fields)
        changed = {k: DELETE_FIELD if v is None else v for k, v in fields.items()}
        self.writes.update(place, changed, self._as_of(time))
        return len(self) - 1

    def delete(self, place: Any, time: Any = None) -> None:
        self.size += 200
        self.writes.delete(place, self._as_of(time))

    def _as_of(self, time: Any) -> Any:
        return None if time is None else self._client.write_option(last_update_time=time)

    def _count(self, fields: Mapping[str, Any]) -> None:
        self.size += 500 + sum(len(v) for v in fields.values() if isinstance(v, (bytes, str)))


def is_late(result: Any) -> bool:
    """Whether a document is seen much later than the server's time in it says.

    That is when the server began to write it, in milliseconds; not when it had.
    """
    times = [value.timestamp_value for value in result.transform_results]
    return any(result.update_time - time > LATE for time in times)


async def again(attempt: int, what: str) -> None:
    """Let others pass before what they came before is tried anew; at last `StoreUnavailable`."""
    if attempt >= 60:
        raise StoreUnavailable(f"{what} is changed by too many at once; it is tried again.")
    await asyncio.sleep(random.uniform(0, min(0.002 * 2**attempt, 0.25)))


def where(query: Any, field: str, how: str, value: Any) -> Any:
    """The query, narrowed by one field."""
    return query.where(filter=FieldFilter(field, how, value))


def begins(query: Any, field: str, prefix: str) -> Any:
    """The query for texts that begin so, in their order."""
    above = where(query, field, ">=", prefix)
    return where(above, field, "<", prefix + "\U0010ffff").order_by(field)


def found_in(snapshot: Any) -> Found:
    return Found(snapshot.id, snapshot.to_dict() or {}, snapshot.update_time)


def _line(error: BaseException) -> str:
    said = " ".join(str(getattr(error, "message", error) or type(error).__name__).split())
    return said if said.endswith(".") else f"{said}."
