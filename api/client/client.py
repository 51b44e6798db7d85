"""Everything that a server can be asked for, from Python."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson

from ...graphs.errors import ExecutionFailed, ExecutionNotFound
from ...graphs.event import Event
from ...graphs.execution import Execution, Status, new_id
from ...graphs.question import Question
from ...graphs.stored import ArtifactInfo
from ..streams import LAST
from .administration import Administration
from .definitions import Definitions
from .files import fetch, file_name
from .reading import ForkPlan, event_of, execution_of, plan_of, question_of, record, segment
from .server import Server
from .triggers import Triggers

if TYPE_CHECKING:
    from types import TracebackType

URL = "http://127.0.0.1:8000"
"""Where `assay serve` answers unless it is told otherwise."""

STOPPING = 300.0
"""Seconds that stopping may take: it is answered when nothing runs any more."""

EVENTS = 1000
"""Events that are asked for at once."""

AWAY = 60.0
"""Seconds for which a stream looks for a server that has gone away, unless it is told."""


class Placed(NamedTuple):
    """An event, and the cursor behind which the next one comes."""

    event: Event
    cursor: str


class Client(Definitions, Triggers, Administration):
    """A server at `url` (ASSAY_URL), asked with `key` (ASSAY_KEY); to be entered.

    `timeout`: seconds that an answer may take. `patience`: seconds for which what may be asked
    twice is asked again while the server is away; one that never answered is not waited for.
    Methods raise the errors that `assay.open` has, `NotAuthenticated`, `NotAuthorized`,
    `RateLimited` when waiting did not help, `ServerUnreachable` and `ServerFailed`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        patience: float = 15.0,
    ) -> None:
        url = url or os.environ.get("ASSAY_URL") or URL
        key = key or os.environ.get("ASSAY_KEY") or None
        super().__init__(Server(url, key, timeout=timeout, patience=patience))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return self._server.url

    async def start(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
    ) -> Execution:
        """Begin an execution of a registered workflow, `name` or `name@version`; it is durable
        when this returns, and without its steps.

        However often the connection breaks, it is begun once. With a key of one's own that
        holds for whoever calls again with it within a day, too.
        """
        name, _, named = workflow.partition("@")
        body = {
            "workflow": name,
            "version": version or named or None,
            "inputs": dict(inputs or {}),
            "priority": priority,
        }
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return execution_of(
            await self._server.ask("POST", "/v1/executions", json=body, headers=headers, again=True)
        )

    async def run(
        self, workflow: str, inputs: Mapping[str, Any] | None = None, *, version: str | None = None
    ) -> Execution:
        """Start and wait; raises `ExecutionFailed` unless it completed."""
        begun = await self.start(workflow, inputs, version=version)
        execution = await self.wait(begun.id)
        if execution.status is not Status.COMPLETED:
            error = execution.error
            where = f" at {error.path}" if error and error.path else ""
            why = f"{where}: {error.message}" if error else ""
            raise ExecutionFailed(
                f"execution {execution.id} of {execution.workflow!r} {execution.status}{why}"
            )
        return execution

    async def execution(self, id: str) -> Execution:
        """One execution with its steps, by its whole id."""
        return execution_of(await self._get(_place(id)))

    def executions(
        self, *, workflow: str | None = None, status: str | None = None
    ) -> AsyncGenerator[Execution]:
        """Executions, newest first, without their steps."""
        return self._listed("/v1/executions", execution_of, workflow=workflow, status=status)

    async def history(self, id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events of an execution behind number `after` that are kept by now, in order."""
        seen: str | None = str(after)
        while seen is not None:
            page = await self._get(f"{_place(id)}/events", after=seen, limit=EVENTS)
            for each in page["items"]:
                yield event_of(each)
            seen = page["next"]

    async def follow(
        self, id: str, *, after: int = 0, patience: float | None = AWAY
    ) -> AsyncGenerator[Event]:
        """The events of an execution behind number `after`, until it has ended.

        Each that is kept comes once and in order, whatever happens to connections and servers
        meanwhile; live ones (`seq` 0) come while one is connected. `patience`: seconds for
        which a server that is away is looked for, None: for ever.
        """
        last = str(after) if after else None
        frames = self._server.stream(f"{_place(id)}/events", {}, last=last, patience=patience)
        async with aclosing(frames):
            async for frame in frames:
                if not frame.data:
                    continue
                event = event_of(orjson.loads(frame.data))
                if event.seq and event.seq <= after:
                    continue
                after = event.seq or after
                yield event
                if event.type in LAST:
                    return

    async def events(
        self,
        *,
        workflow: str = "*",
        types: Sequence[str] = (),
        after: str | None = None,
        patience: float | None = AWAY,
    ) -> AsyncGenerator[Placed]:
        """The events of all executions of workflows that match, each with its cursor, for ever.

        `after` is a cursor; empty: from the beginning, None: from now on. Each comes once,
        those of one execution in order.
        """
        params = {"workflow": workflow, "type": list(types)}
        frames = self._server.stream("/v1/events", params, last=after, patience=patience)
        async with aclosing(frames):
            async for frame in frames:
                if frame.data and frame.id is not None:
                    yield Placed(event_of(orjson.loads(frame.data)), frame.id)

    async def wait(self, id: str, *, patience: float | None = AWAY) -> Execution:
        """The execution when it has ended, with its steps."""
        events = self.follow(id, patience=patience)
        async with aclosing(events):
            async for _ in events:
                pass
        return await self.execution(id)

    async def stop(self, id: str, reason: str = "") -> Execution:
        """Stop an execution, wherever it runs; returns when nothing of it does any more."""
        body, path = {"reason": reason}, f"{_place(id)}/stop"
        return execution_of(
            await self._server.ask("POST", path, json=body, again=True, patience=STOPPING)
        )

    async def pause(self, id: str) -> Execution:
        """Let the steps that run end, and begin no other; returns at once."""
        return execution_of(await self._server.ask("POST", f"{_place(id)}/pause"))

    async def resume(self, id: str) -> Execution:
        """Let it go on after a pause."""
        return execution_of(await self._server.ask("POST", f"{_place(id)}/resume"))

    async def retry(self, id: str, *, path: str | None = None) -> Execution:
        """Begin a new execution where one that has ended failed, or at a step of it."""
        body = {"path": path}
        return execution_of(await self._server.ask("POST", f"{_place(id)}/retry", json=body))

    async def fork(
        self, id: str, path: str, *, inputs: Mapping[str, Any] | None = None
    ) -> Execution:
        """Begin a new execution from a step of another; `inputs` replace those of a name."""
        body = {"path": path, "inputs": dict(inputs or {})}
        return execution_of(await self._server.ask("POST", f"{_place(id)}/fork", json=body))

    async def plan_fork(self, id: str, path: str | None = None) -> ForkPlan:
        """What a retry or a fork would keep and run again; nothing is begun."""
        return plan_of(await self._get(f"{_place(id)}/fork", path=path))

    async def delete(self, id: str) -> None:
        """Forget an execution that has ended."""
        await self._server.ask("DELETE", _place(id))

    def questions(
        self, *, execution_id: str | None = None, status: str | None = "open"
    ) -> AsyncGenerator[Question]:
        """What executions wait for, oldest first; `status` None: whatever it is."""
        return self._listed(
            "/v1/questions", question_of, execution=execution_id, status=status or "any"
        )

    async def question(self, id: str) -> Question:
        return question_of(await self._get(f"/v1/questions/{segment(id)}"))

    async def answer(
        self, id: str, value: Any = None, *, approved: bool | None = None, comment: str = ""
    ) -> Question:
        """Answer a question, as whoever the key is for; the same again changes nothing.

        An approval wants `approved`, or a value if it has a schema; what else is asked, a value.
        """
        body = {"value": value, "approved": approved, "comment": comment}
        path = f"/v1/questions/{segment(id)}/answer"
        return question_of(await self._server.ask("POST", path, json=body, again=True))

    async def send_event(
        self, name: str, payload: Any = None, *, key: str | None = None, id: str | None = None
    ) -> Sequence[str]:
        """Tell every execution that waits for it, or begins to later; the ids of those that did.

        It is told once however often the connection breaks.
        """
        body = {"name": name, "key": key, "payload": payload, "id": id or new_id()}
        found = await self._server.ask("POST", "/v1/events", json=body, again=True)
        return tuple(found["told"])

    def artifacts(self, execution_id: str) -> AsyncGenerator[ArtifactInfo]:
        """Files that the execution's steps kept, newest first."""
        path = f"{_place(execution_id)}/artifacts"
        return self._listed(path, partial(record, ArtifactInfo))

    async def download(self, artifact: ArtifactInfo, to: str | Path) -> Path:
        """Write a file that a step kept, whole and checked, to a path or into a folder."""
        target = Path(to)
        if target.is_dir():
            target /= file_name(artifact.file)
        place = f"{_place(artifact.execution_id)}/artifacts/{segment(artifact.sha256)}"
        await fetch(self._server, place, artifact.sha256, target)
        return target


def _place(id: str) -> str:
    if not id:
        raise ExecutionNotFound("no execution is named")
    return f"/v1/executions/{segment(id)}"
