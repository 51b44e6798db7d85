"""What no scope of a key covers is not there: not by a beginning of its id, nor by a detour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assay.api.access import Role
from assay.api.app import App, open_app
from assay.api.control import Asker, Control
from assay.graphs.errors import NotAuthorized, QuestionNotFound, WorkflowNotFound
from assay.graphs.execution import Status
from assay.graphs.stored import Principal

pytestmark = pytest.mark.anyio

ASKS = {"name": "secret", "steps": [{"id": "a", "type": "approval", "message": "Which colour?"}]}
SAY = {"id": "say", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}}


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[App]:
    async with open_app(home=tmp_path / "home", workspace=tmp_path) as app:
        await app.register(ASKS)
        await app.register({"name": "mine", "steps": [SAY]})
        yield app


def somebody(app: App, *scopes: str, id: str = "p") -> Control:
    return Control(app.manager, Asker(Principal(id, "somebody", Role.ADMIN, scopes), "rest"))


async def test_a_question_is_named_whole(app: App) -> None:
    """What several begin with, or one alone, would tell of questions of other workflows."""
    for _ in range(2):
        waiting = await app.manager.start("secret")
        await app.manager.wait(waiting.id, until=[Status.WAITING])
    ids = [question.id for question in (await app.manager.questions()).items]
    for control in (somebody(app), somebody(app, "mine")):
        for beginning in ("q", ids[0][:-1], ""):
            for asked in (control.question(beginning), control.answer(beginning)):
                with pytest.raises(QuestionNotFound) as refused:
                    await asked
                assert refused.value.message == QuestionNotFound.of(beginning).message


async def test_a_definition_runs_no_workflow_that_its_author_may_not(app: App) -> None:
    """Else whoever may register one workflow could run them all."""
    nested = {"id": "n", "type": "workflow", "workflow": "secret"}
    within = {"id": "l", "type": "loop", "max_iterations": 1, "until": "true", "steps": [nested]}
    for step in (nested, within):
        with pytest.raises(NotAuthorized, match="covers the workflow 'secret'"):
            await somebody(app, "mine").register({"name": "mine", "version": "2", "steps": [step]})
        (entry,) = (await app.manager.store.audit(limit=1)).items
        assert (entry.allowed, entry.target) == (False, "mine")
        assert "'secret'" in entry.rule
    named = {"id": "n", "type": "workflow", "workflow": "mine"}
    await somebody(app, "mine*").register({"name": "mine-too", "steps": [named]})


async def test_a_definition_takes_no_unit_from_workflows_that_its_author_may_not_see(
    app: App,
) -> None:
    """A concurrency key is everybody's: with `replace`, who begins stops whoever holds it."""

    def replacing(name: str, **key: str) -> dict[str, object]:
        wanted = {"limit": 1, "overflow": "replace", **key}
        return {"name": name, "concurrency": wanted, "steps": [SAY]}

    with pytest.raises(NotAuthorized, match="leave out the `key`"):
        await somebody(app, "mine*").register(replacing("mine-a", key="production"))
    (entry,) = (await app.manager.store.audit(limit=1)).items
    assert (entry.allowed, entry.action) == (False, "workflows.register")
    await somebody(app, "mine*").register(replacing("mine-a"))
    await somebody(app).register(replacing("mine-b", key="production"))


async def test_what_is_not_registered_cannot_be_deleted(app: App) -> None:
    """As it is for whoever may not see it; nothing of it is in the audit."""
    control = somebody(app, "mine")
    for name, version in (("mine", "9"), ("secret", None), ("nothing", None)):
        with pytest.raises(WorkflowNotFound):
            await control.delete_workflow(name, version)
    assert not (await app.manager.store.audit()).items
