"""A whole existence of one execution: its folder, its lives one after another, what is left."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.graphs.event import Event
from assay.graphs.execution import Execution
from assay.graphs.fold import events as events_of
from assay.graphs.fold import load
from assay.graphs.history import History
from assay.graphs.question import Question
from assay.store.connect import connect

from .forkserver import Child, ForkServer
from .ledger import Account, Ledger
from .life import Life

MOST_LIVES = 40
"""An execution that has not ended after so many lives never will."""


@dataclass(frozen=True)
class Left:
    """What an execution has left: in the store, and in the world outside."""

    execution: Execution
    history: History
    events: Sequence[Event]
    questions: Sequence[Question]
    holder: str | None
    sound: str
    account: Account


@dataclass(frozen=True)
class Killed:
    """What came of an execution that was killed so often: how many effects were repeated,
    and what is wrong."""

    kills: int
    repeated: int
    wrong: Sequence[str]


class Existence:
    """Lives of one execution in one folder; `kills` counts how often it was killed."""

    def __init__(
        self,
        server: ForkServer,
        folder: Path,
        definitions: Mapping[str, str],
        inputs: Mapping[str, Any],
        environ: Mapping[str, str],
        *,
        fuse: bool = True,
    ) -> None:
        """`definitions` are files by name; the first of them is run."""
        self.folder = folder
        self.kills = 0
        self.commits = 0
        self._server = server
        first = next(iter(definitions))
        self._life = Life(str(folder), first, dict(inputs), dict(environ), fuse)
        self.workspace.mkdir(parents=True)
        for name, text in definitions.items():
            (folder / name).write_text(text)

    @property
    def workspace(self) -> Path:
        return self._life.workspace

    @property
    def ledger(self) -> Ledger:
        return Ledger.of(self.workspace)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def begin(self, program: str = "life:live", **how: Any) -> Child:
        """Fork a life; the caller sees to its end."""
        arguments = {**self._life.to_dict(), **how}
        return self._server.fork(program, self.folder / "log", **arguments)

    def live(self, program: str = "life:live", **how: Any) -> str | None:
        """One life to its end: how the execution stands then, None when it was killed."""
        child = self.begin(program, **how)
        said = None
        while (line := child.hear()) is not None:
            said = line
        return self.buried(child, said)

    def buried(self, child: Child, said: str | None) -> str | None:
        """The end of a life that said this last."""
        status = child.end()
        if status == -9:
            self.kills += 1
            return None
        assert status == 0, f"a life ended with {status}:\n{child.log}"
        standing, _, commits = (said or "").partition(" ")
        self.commits = int(commits or 0)
        return standing

    def live_on(self) -> None:
        """Patiently, to the end of the execution."""
        standing = self.live()
        assert standing in ("completed", "failed", "cancelled"), (standing, self.log)

    def live_in_pieces(self) -> None:
        """Each life leaves as soon as the execution waits; answers come while nobody drives."""
        for turn in range(MOST_LIVES):
            abrupt = turn % 2 == 1
            standing = self.live(patient=False, abrupt=abrupt)
            if standing in ("completed", "failed", "cancelled"):
                return
            child = self.begin("life:answer")
            assert child.end() == 0, child.log
        raise AssertionError(f"no end after {MOST_LIVES} lives:\n{self.log}")

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def left(self) -> Left:
        """What is there now that nobody lives."""
        return asyncio.run(_left(self.home, self.workspace))


async def _left(home: Path, workspace: Path) -> Left:
    path = home / "assay.db"
    store = await connect(f"sqlite:///{path}")
    try:
        (execution,) = (await store.executions()).items
        id = execution.id
        execution = await store.execution(id)
        history = await load(store, store.blobs(home / "blobs"), id, _lost)
        page = await store.entries(id, limit=10_000)
        assert page.cursor is None
        events = [event for entry in page.items for event in events_of(entry, id)]
        questions = await store.questions(execution_id=id, status=None, limit=10_000)
        holder = await store.holder(id)
    finally:
        await store.close()
    account = Account.of(Ledger.of(workspace).lines())
    return Left(execution, history, events, questions.items, holder, _sound(path), account)


def _lost(*what: object) -> None:
    raise AssertionError(f"lost: {what}")


def _sound(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
