"""Workflows under test: an app in a folder of its own, whose models play a script."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agents.testing.clock import Clock
from ..agents.testing.script import Player, Script
from ..graphs.event import Event, EventType
from ..graphs.execution import Execution, Status, new_id
from ..graphs.question import Answer, Question, Wait
from .app import open_app

if TYPE_CHECKING:
    from ..graphs.launching import Definition
    from .app import App

PATIENCE = 60.0
"""Real seconds in which an execution under test has to end."""

_ENDS = (EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED)


class Unanswered(AssertionError):
    """An execution waits for an answer that the test did not give."""


class Workbench:
    """`app` is open, `workspace` is the folder of its steps, `clock` is the one that everything
    in it sees, and `models.requests` holds what models were asked."""

    def __init__(self, app: App, workspace: Path, models: Player, clock: Clock) -> None:
        self.app = app
        self.workspace = workspace
        self.models = models
        self.clock = clock

    def write(self, name: str, text: str) -> Path:
        """Put a file into the workspace."""
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    async def run(
        self,
        workflow: Definition,
        inputs: Mapping[str, Any] | None = None,
        *,
        answers: Mapping[str, Any] | None = None,
        patience: float = PATIENCE,
    ) -> Execution:
        """The execution when it has ended, however it ends.

        `answers` are by path of the step that asks: the value, or for an approval True or
        False, or an `Answer`; for `wait_event` the payload. Nobody waits for time: when there
        is nothing else to do, the clock is set to the next moment that something waits for.

        Raises `Unanswered` when a question has neither an answer nor a deadline, `TimeoutError`
        after so many real seconds, and what `App.start` raises; then it has been stopped.
        """
        id = new_id()
        following = self.app.manager.follow(id)
        await self.app.manager.start(workflow, inputs, id=id)
        said: set[str] = set()
        try:
            async with asyncio.timeout(patience):
                async for event in following:
                    if event.type in _ENDS:
                        break
                    if not event.type.live:
                        await self._attend(id, answers or {}, said)
                return await self.app.wait(id)
        except BaseException:
            await self.app.manager.stop(id, "its test gave up")
            raise
        finally:
            await following.aclose()  # type: ignore[attr-defined]

    async def events(self, execution: Execution) -> list[Event]:
        """Everything durable that happened to an execution, in order."""
        return [event async for event in self.app.manager.events(execution.id)]

    async def _attend(self, id: str, answers: Mapping[str, Any], said: set[str]) -> None:
        """Answer what is asked now; `said` are the ids of what has been answered."""
        page = await self.app.manager.questions(execution_id=id, limit=1000)
        asked = [question for question in page.items if question.id not in said]
        for question in asked:
            if (found := _place(question, answers)) is not None:
                said.add(question.id)
                await self._answer(question, answers[found])
            elif question.due is None:
                raise Unanswered(
                    f"step {question.path!r} asks {question.message or question.event!r}, and "
                    f"the test does not say; give `answers={{{question.path!r}: …}}`"
                )
        dues = [question.due for question in asked if question.due is not None]
        answering = not said.isdisjoint(question.id for question in page.items)
        if not dues or answering:
            return
        if (await self.app.manager.store.execution(id)).status is Status.WAITING:
            self.clock.reach(min(dues))

    async def _answer(self, question: Question, given: Any) -> None:
        if question.kind is Wait.EVENT:
            await self.app.manager.send_event(str(question.event), given, key=question.key)
            return
        answer = given if isinstance(given, Answer) else Answer(given)
        if isinstance(given, bool) and question.schema is None:
            answer = Answer(approved=given)
        people = [answer.by] if answer.by else [*question.approvers, "tester"]
        for person in people[: question.wanted]:
            await self.app.manager.answer(
                question.id,
                answer.value,
                approved=answer.approved,
                by=person,
                comment=answer.comment,
            )


def _place(question: Question, answers: Mapping[str, Any]) -> str | None:
    """Where a test has the answer: at the whole path, or at that of the step."""
    if question.timed:
        return None
    places = (question.path, question.path.split("?")[0])
    return next((place for place in places if place in answers), None)


@asynccontextmanager
async def workbench(
    models: Script | Player = (),
    *,
    folder: str | Path | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Workbench]:
    """An app with a store and a workspace of its own, in `folder` or one that is removed again.

    Whatever model a step names, the script answers, in process. `functions` are what `python`
    steps call, by name. Of the machine's environment steps see PATH, and what `environ` adds:
    no key and no setting of yours.
    """
    from ..agents.runner import LangChainAgents
    from ..agents.testing.chat import scripted

    player = models if isinstance(models, Player) else Player(models)
    given = {"PATH": os.environ.get("PATH", os.defpath), **(environ or {})}
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-test-"))
        workspace = Path(folder).resolve() / "workspace"
        workspace.mkdir(parents=True, exist_ok=True)
        clock = stack.enter_context(Clock())
        agents = LangChainAgents(given, models=scripted(player), default_profile="trusted")
        app = await stack.enter_async_context(
            open_app(
                home=workspace.parent / "home", workspace=workspace, environ=given, agents=agents
            )
        )
        for name, function in (functions or {}).items():
            app.function(name, function)
        yield Workbench(app, workspace, player, clock)


async def run(
    workflow: Definition,
    inputs: Mapping[str, Any] | None = None,
    *,
    models: Script | Player = (),
    answers: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> Execution:
    """Run a workflow in a `workbench` that is gone afterwards; `files` are in its workspace
    when it begins. Everything else is as `workbench` and `Workbench.run` say."""
    async with workbench(models, functions=functions, environ=environ) as bench:
        for name, text in (files or {}).items():
            bench.write(name, text)
        return await bench.run(workflow, inputs, answers=answers, patience=patience)
