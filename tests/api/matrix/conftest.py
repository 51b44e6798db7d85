"""One server for the whole matrix: two tenants, everybody who may ask, and things to ask for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.api.http.conftest import Served, serving
from tests.api.roles import TRIGGERS

from assay.api.access import Operation, Role
from assay.api.http.front import Front
from assay.api.keys import issue
from assay.graphs.execution import Execution, Status, timestamp
from assay.graphs.firing import FiringStatus
from assay.graphs.memory import Fact

from .asks import Caller, Reach, Things

SAY: Mapping[str, Any] = {
    "id": "say",
    "type": "skill",
    "skill": "echo",
    "inputs": {"message": "hi"},
}
QUICK = {"name": "team-quick", "steps": [SAY]}
ASKS = {
    "name": "team-asks",
    "concurrency": {"key": "team-slot", "limit": 100_000},
    "steps": [{"id": "ask", "type": "approval", "message": "Ship it?"}],
}
FAILS = {"name": "team-fails", "steps": [{"id": "no", "type": "shell", "command": "exit 3"}]}
KEEPS = {
    "name": "team-keeps",
    "steps": [
        {"id": "write", "type": "shell", "command": "echo x > plan.txt",
         "artifacts": {"plan": "plan.txt"}},
    ],
}  # fmt: skip
THINKS = {
    "name": "team-thinks",
    "steps": [{"id": "think", "type": "agent", "prompt": "Say hi.", "model": "demo"}],
}
CHATS = {
    "name": "team-chats",
    "inputs": {"message": {"type": "string"}},
    "steps": [SAY],
}
FENCES = ("team-fence", "else-fence")
"""Run last, and everybody may see one: a stream that has come to it has told all before."""

NOTHING: Things = {
    "workflow": "else-nothing",
    "chat": "else-nothing",
    "execution": "0190b6c1-8f3e-7c4a-9d21-6f1b2c3d4e5f",
    "question": "q" + "0" * 19,
    "trigger": "else-nowhere.hand",
    "schedule": "else-nowhere.clock",
    "firing": "f" + "0" * 31,
    "dead": "f" + "0" * 31,
    "sha": "0" * 64,
}
"""What is nowhere, of each kind of thing that belongs to a workflow."""

_SPIED = (
    *("workflows", "definitions", "executions", "journal", "slots", "inbox", "questions"),
    *("signals", "artifacts", "cache", "principals", "firsts", "verdicts", "turns", "triggers"),
    *("firings", "lanes", "facts", "memories"),
)


class Books:
    """The store of one tenant, as a file: what was written in it, and its audit."""

    def __init__(self, path: Path) -> None:
        self._open = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._open.execute("CREATE TABLE spied (what TEXT)")
        for table in _SPIED:
            for verb in ("INSERT", "UPDATE", "DELETE"):
                self._open.execute(
                    f"CREATE TRIGGER spy_{table}_{verb} AFTER {verb} ON {table} "
                    f"BEGIN INSERT INTO spied VALUES ('{verb} {table}'); END"
                )

    def close(self) -> None:
        self._open.close()

    def changes(self) -> list[str]:
        """Every write since the last look, but those of the audit."""
        found = [what for (what,) in self._open.execute("SELECT what FROM spied")]
        if found:
            self._open.execute("DELETE FROM spied")
        return found

    def audited(self) -> list[tuple[Any, ...]]:
        """Who, what, allowed, rule and surface of every entry since the last look; not what
        executions say of their programs."""
        rows = self._open.execute(
            "SELECT principal, action, allowed, rule, json_extract(data, '$.surface') FROM audit "
            "WHERE action <> 'programs.held'"
        ).fetchall()
        if rows:
            self._open.execute("DELETE FROM audit")
        return rows

    def commanded(self) -> int:
        """How many commands to executions have not been dealt with."""
        (found,) = self._open.execute("SELECT count(*) FROM inbox").fetchone()
        return int(found)

    def cached(self, key: str) -> None:
        """One result of a step, as if it had been kept."""
        self._open.execute(f"INSERT INTO cache VALUES ('{key}', 'say', '{{}}', NULL)")


class World:
    """Two tenants: ours with everything in it, and another with a fence."""

    def __init__(self, served: Served, ours: Books, theirs: Books) -> None:
        self.served = served
        self.ours, self.theirs = ours, theirs
        self.callers: list[Caller] = []
        self.standing: Things = {}
        self._fences: dict[Reach, str] = {}
        self._numbers = count(1)
        self._manager = served.tenants.app().manager

    def books(self, caller: Caller) -> tuple[Books, Books]:
        """The caller's tenant's, and the other's."""
        both = (self.ours, self.theirs)
        return both if caller.reach is not Reach.FOREIGN else (both[1], both[0])

    async def settle(self) -> None:
        """Until nothing runs any more; what was written until then is not looked at."""
        for app in self.served.tenants.apps:
            for status in (Status.QUEUED, Status.RUNNING):
                for execution in (await app.manager.executions(status=status, limit=100)).items:
                    await app.manager.wait(execution.id, until=[*_RESTS])
        for _ in range(3000):
            if not (self.ours.commanded() or self.theirs.commanded()):
                break
            await asyncio.sleep(0.01)  # nothing is said when a command has been dealt with
        for books in (self.ours, self.theirs):
            books.changes()
            books.audited()

    async def begin(self) -> None:
        fences: list[Mapping[str, Any]] = [{"name": name, "steps": [SAY]} for name in FENCES]
        documents: list[Mapping[str, Any]] = [QUICK, ASKS, FAILS, KEEPS, THINKS, CHATS, *fences]
        for document in documents:
            await self.served.tenants.app().register(document)
        for reach in Reach:
            for role in Role:
                self.callers.append(await self._caller(role, reach))
        self.callers.append(Caller("", "nobody", None, Reach.WHOLE, None))
        kept = await self._ended("team-keeps")
        waiting = await self.fresh(Operation.ANSWER_QUESTION)
        (artifact,) = (await self._manager.store.artifacts(execution_id=kept.id)).items
        self.standing = {
            **waiting,
            "workflow": "team-asks",
            "chat": "team-chats",
            "kept": kept.id,
            "sha": artifact.sha256,
            "paused": (await self.fresh(Operation.RESUME_EXECUTION))["paused"],
            "failed": (await self.fresh(Operation.RETRY_EXECUTION))["failed"],
            "ended": (await self._ended("team-quick")).id,
            "judged": (await self._ended("team-thinks")).id,
            "new": "team-new",
            "new_trigger": "new",
            **(await self._triggers("hand")),
            "memory": (await self._remembered("team-thinks", "team-memory")),
            **(await self.fresh(Operation.FORGET_MEMORY)),
            "key": (await self.fresh(Operation.REVOKE_KEY))["key"],
        }
        ours = [(await self._ended(name)).id for name in FENCES]
        other = self.served.tenants.app("other")
        theirs = (await other.run(fences[0])).id
        self._fences = dict(zip(Reach, [ours[1], ours[0], ours[1], theirs], strict=True))
        await self.settle()

    def things(self, caller: Caller) -> Things:
        """What everybody asks for, and where a stream of the caller's may end."""
        return {**self.standing, "fence": self._fences[caller.reach]}

    async def fresh(self, operation: Operation) -> Things:
        """Something that the operation has not been done to yet."""
        number = next(self._numbers)
        if operation is Operation.RETRY_EXECUTION:
            return {"failed": (await self._ended("team-fails")).id}
        if operation in (Operation.FORK_EXECUTION, Operation.DELETE_EXECUTION):
            return {"ended": (await self._ended("team-quick")).id}
        if operation is Operation.RECORD_FEEDBACK:
            return {"judged": (await self._ended("team-thinks")).id}
        if operation is Operation.REGISTER_WORKFLOW:
            return {"new": f"team-new-{number}"}
        if operation is Operation.START_EXECUTION:
            return {"workflow": "team-quick"}
        if operation is Operation.DELETE_WORKFLOW:
            name = f"team-gone-{number}"
            await self._manager.register({**QUICK, "name": name})
            return {"workflow": name}
        if operation is Operation.REVOKE_KEY:
            new = issue(f"somebody {number}", Role.VIEWER)
            await self._manager.store.put_principal(new.principal)
            return {"key": new.principal.id}
        if operation is Operation.FORGET_MEMORY:
            await self._remembered("team-thinks", "ann")
            return {"remembers": "team-thinks"}
        if operation is Operation.CREATE_TRIGGER:
            return {"workflow": "team-quick", "new_trigger": f"new-{number}"}
        if operation in TRIGGERS:
            return await self._triggers(f"t{number}")
        if operation is Operation.INVALIDATE_CACHE:
            self.ours.cached(f"key-{number}")
            return {}
        waiting = await self._manager.start("team-asks")
        await self._manager.wait(waiting.id, until=[Status.WAITING])
        if operation is Operation.RESUME_EXECUTION:
            await self._manager.pause(waiting.id)
            return {"paused": waiting.id}
        (question,) = (await self._manager.questions(execution_id=waiting.id)).items
        return {"execution": waiting.id, "question": question.id}

    async def _remembered(self, workflow: str, key: str) -> str:
        fact = Fact("size", "39", timestamp())
        await self._manager.store.note(workflow, key, fact)
        return key

    async def _triggers(self, name: str) -> Things:
        """Of one by hand and one of the clock; a firing of the first, and one that is dead."""
        desk = self.served.tenants.app().triggers.desk
        hand = await desk.create("team-quick", {"type": "manual", "id": name})
        document = {"type": "cron", "id": f"at-{name}", "schedule": "0 9 1 1 *"}
        clock = await desk.create("team-quick", document)
        firing = await desk.fire(hand, {})
        dead = replace(await desk.fire(hand, {}), status=FiringStatus.DEAD, due=None, revision=1)
        assert await desk.store.put_firing(dead)
        return {
            "trigger": hand.id,
            "schedule": clock.id,
            "firing": firing.id,
            "dead": dead.id,
        }

    async def _ended(self, workflow: str) -> Execution:
        started = await self._manager.start(workflow)
        return await self._manager.wait(started.id)

    async def _caller(self, role: Role, reach: Reach) -> Caller:
        tenant = "other" if reach is Reach.FOREIGN else ""
        scopes = {Reach.COVERED: ("team-*",), Reach.ELSEWHERE: ("else-*",)}.get(reach, ())
        new = issue(f"{role} {reach}", role, scopes, tenant=tenant)
        await self.served.tenants.app(tenant).manager.store.put_principal(new.principal)
        return Caller(new.principal.id, new.principal.name, role, reach, new.secret)


_RESTS = frozenset(Status) - {Status.QUEUED, Status.RUNNING}


@pytest.fixture(scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[World]:
    """The server, and everything in it; nobody is held up for asking often."""
    folder = tmp_path_factory.mktemp("matrix")
    async with serving(folder, front=Front(rate=None)) as served:
        ours = Books(folder / "home" / "assay.db")
        theirs = Books(folder / "home" / "tenants" / "other" / "assay.db")
        with closing(ours), closing(theirs):
            world = World(served, ours, theirs)
            await world.begin()
            yield world
