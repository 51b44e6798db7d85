"""Everything that a client can ask a server for, asked once; and what it says when it may not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.api.http.conftest import Served

import assay
from assay import Client
from assay.api.client.files import file_name
from assay.graphs import errors
from assay.graphs.event import EventType
from assay.graphs.execution import Execution, Status
from assay.graphs.question import QuestionStatus, Wait

pytestmark = pytest.mark.anyio

GREET = {
    "name": "greet",
    "inputs": {"who": {"type": "string", "default": "you"}},
    "outputs": {"said": {"value": "{{ say.output }}"}},
    "steps": [{"id": "say", "type": "shell", "command": "echo hello {{ inputs.who }}"}],
}
ASKS = {"name": "asks", "steps": [{"id": "ask", "type": "approval", "message": "Go on?"}]}
FAILS = {
    "name": "fails",
    "steps": [
        {"id": "fine", "type": "shell", "command": "true"},
        {"id": "bad", "type": "shell", "command": "exit 3"},
    ],
}
KEEPS = {
    "name": "keeps",
    "steps": [
        {
            "id": "write",
            "type": "shell",
            "command": "echo kept > a.txt",
            "artifacts": {"a": "a.txt"},
        }
    ],
}


async def asked(client: Client, execution: Execution) -> str:
    """The id of what it asks, as soon as it does."""
    async for event in client.follow(execution.id):
        if event.type is EventType.QUESTION_ASKED:
            break
    (question,) = [q async for q in client.questions(execution_id=execution.id)]
    return question.id


async def test_definitions_are_kept_read_and_compared(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "greet.yaml"
    file.write_text("name: greet\nversion: '2'\nsteps: [{id: a, type: shell, command: 'true'}]\n")
    first = await client.register(GREET)
    assert (first.name, first.version) == ("greet", "1")
    assert await client.register(GREET) == first
    await client.register(file)
    assert await client.workflow("greet", "1") == GREET
    assert (await client.workflow("greet"))["version"] == "2"
    assert [(w.name, w.version) async for w in client.workflows()] == [
        ("greet", "2"),
        ("greet", "1"),
    ]
    assert [w.digest async for w in client.versions("greet")][1] == first.digest
    assert "echo hello" in await client.diff("greet", "1")
    assert await client.diff("greet", "1", "1") == ""
    assert await client.delete_workflow("greet", "2") == 1
    with pytest.raises(errors.WorkflowConflict):
        await client.register({**GREET, "description": "other"})
    with pytest.raises(errors.WorkflowNotFound):
        await client.workflow("nobody")


async def test_everything_wrong_with_a_definition_is_told_at_its_place(
    client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("name: wrong\nsteps:\n  - {id: a, type: shel}\n  - {id: a, type: set}\n")
    for ask in (client.register, client.validate):
        with pytest.raises(assay.InvalidSpec) as raised:
            await ask(file)
        assert {p.source for p in raised.value.problems} == {str(file)}
        assert next(p.position.line for p in raised.value.problems) == 3
    assert list(await client.validate(GREET)) == []
    with pytest.raises(errors.WorkflowNotFound, match="cannot be read"):
        await client.register(tmp_path / "absent.yaml")
    with pytest.raises(assay.InvalidSpec, match="not JSON serializable"):
        await client.register({"name": object()})


async def test_an_execution_is_what_the_store_has(client: Client, served: Served) -> None:
    await client.register(GREET)
    begun = await client.start("greet@1", {"who": "Ada"}, priority=3)
    assert (begun.status.terminal, begun.priority, dict(begun.steps)) == (False, 3, {})
    done = await client.wait(begun.id)
    assert (done.status, done.outputs) == (Status.COMPLETED, {"said": "hello Ada"})
    kept = await served.tenants.app().manager.get(begun.id)
    assert done.to_dict() == kept.to_dict()
    assert [replace(e, steps={}).to_dict() async for e in client.executions()] == [
        replace(kept, steps={}).to_dict()
    ]
    assert [e async for e in client.executions(status="failed")] == []
    journal = [e async for e in served.tenants.app().manager.events(begun.id)]
    assert [e async for e in client.follow(begun.id)] == journal
    assert [e async for e in client.follow(begun.id, after=2)] == journal[2:]
    assert [e async for e in client.follow(begun.id, after=journal[-1].seq)] == []
    await client.delete(begun.id)
    with pytest.raises(errors.ExecutionNotFound):
        await client.execution(begun.id)


async def test_live_output_comes_between_what_is_kept(client: Client, tmp_path: Path) -> None:
    command = "until test -e go; do sleep 0.02; done; echo spoken"
    step = {"id": "say", "type": "shell", "command": command}
    await client.register({"name": "says", "steps": [step]})
    begun = await client.start("says")
    told = []
    async for event in client.follow(begun.id):
        told.append(event.type)
        if event.type is EventType.STEP_STARTED:
            (tmp_path / "workspace" / "go").touch()
        if event.type is EventType.OUTPUT:
            assert (event.seq, event.path) == (0, "say")
            assert "spoken" in str(event.data)
    assert told[2:5] == [EventType.STEP_STARTED, EventType.OUTPUT, EventType.STEP_COMPLETED]
    kept = [e async for e in client.history(begun.id)]
    assert [e.type for e in kept] == [t for t in told if not t.live]
    assert [e async for e in client.history(begun.id, after=3)] == kept[3:]


async def test_run_waits_and_raises_when_it_failed(client: Client) -> None:
    await client.register(GREET)
    await client.register(FAILS)
    assert (await client.run("greet")).outputs == {"said": "hello you"}
    with pytest.raises(assay.ExecutionFailed, match="failed at bad"):
        await client.run("fails")


async def test_the_same_key_begins_nothing_twice(client: Client) -> None:
    await client.register(GREET)
    first, second = [await client.start("greet", idempotency_key="once") for _ in range(2)]
    assert first.id == second.id
    with pytest.raises(assay.InvalidInput, match="another key"):
        await client.start("greet", {"who": "me"}, idempotency_key="once")
    assert len([e async for e in client.executions()]) == 1


async def test_questions_are_answered_and_executions_steered(client: Client) -> None:
    await client.register(ASKS)
    one, other = [await client.start("asks") for _ in range(2)]
    id = await asked(client, one)
    question = await client.question(id)
    assert (question.kind, question.message) == (Wait.APPROVAL, "Go on?")
    said = await client.answer(id, approved=True, comment="fine")
    assert said.status is QuestionStatus.ANSWERED
    assert said.answer is not None
    assert (said.answer.by, said.answer.comment) == ("the admin", "fine")
    assert (await client.answer(id, approved=True, comment="fine")).status == said.status
    assert (await client.wait(one.id)).status is Status.COMPLETED
    with pytest.raises(errors.QuestionClosed):
        await client.answer(id, approved=False)
    await asked(client, other)
    await client.pause(other.id)
    await client.resume(other.id)
    assert (await client.stop(other.id, "enough")).status is Status.CANCELLED
    assert (await client.stop(other.id)).status is Status.CANCELLED
    with pytest.raises(errors.NotPossible):
        await client.pause(other.id)
    assert [q async for q in client.questions()] == []
    assert len([q async for q in client.questions(status=None)]) == 2


async def test_what_failed_begins_again(client: Client) -> None:
    await client.register(FAILS)
    failed = await client.wait((await client.start("fails")).id)
    assert failed.error is not None
    assert (failed.status, failed.error.path) == (Status.FAILED, "bad")
    plan = await client.plan_fork(failed.id)
    assert (plan.kept, tuple(plan.begins)) == (1, ("bad",))
    assert [(a.path, a.was) for a in plan.again] == [("bad", Status.FAILED)]
    assert plan.says
    again = await client.retry(failed.id)
    assert again.origin == {"execution_id": failed.id, "path": None, "how": "retry"}
    forked = await client.fork(failed.id, "fine")
    assert forked.origin == {"execution_id": failed.id, "path": "fine", "how": "fork"}
    for each in (again, forked):
        await client.wait(each.id)


async def test_an_event_reaches_who_waits_for_it(client: Client) -> None:
    step = {"id": "wait", "type": "wait_event", "event": "paid", "key": "7"}
    await client.register({"name": "waits", "steps": [step]})
    begun = await client.start("waits")
    await asked(client, begun)
    assert await client.send_event("paid", {"sum": 3}, key="8") == ()
    assert await client.send_event("paid", {"sum": 3}, key="7") == (begun.id,)
    assert (await client.wait(begun.id)).steps["wait"].output == {"sum": 3}


async def test_files_come_whole_and_checked(client: Client, served: Served, tmp_path: Path) -> None:
    await client.register(KEEPS)
    done = await client.run("keeps")
    (artifact,) = [a async for a in client.artifacts(done.id)]
    assert await client.download(artifact, tmp_path) == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_text() == "kept\n"
    with pytest.raises(errors.ArtifactNotFound):
        await client.download(replace(artifact, sha256="0" * 64), tmp_path / "b")
    blobs = served.tenants.app().manager.services.blobs
    place = blobs.path(artifact.sha256)
    assert place is not None
    place.chmod(0o600)
    place.write_text("KEPT\n")
    assert hashlib.sha256(b"KEPT\n").hexdigest() != artifact.sha256
    with pytest.raises(errors.StateCorrupted):
        await client.download(artifact, tmp_path / "c.txt")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["a.txt"]
    with pytest.raises(errors.ConfigurationError, match="cannot be written"):
        await client.download(artifact, tmp_path / "nowhere" / "c.txt")


@pytest.mark.parametrize("file", ["..", "a/..", "/", "", "a/\0", "..."])
async def test_no_name_of_a_file_leads_out_of_the_folder(file: str) -> None:
    assert file_name(file) == "artifact"


async def test_keys_audit_and_figures(client: Client, served: Served) -> None:
    issued = await client.create_key("ci", "operator", ["build-*"], timedelta(days=1))
    assert issued.principal.scopes == ("build-*",)
    assert issued.principal.expires_at is not None
    keys = client.keys()
    assert issued.principal.id in [k.id async for k in keys]
    async with Client(served.url, key=issued.secret) as other:
        assert [w async for w in other.workflows()] == []
        with pytest.raises(errors.NotAuthorized):
            await other.create_key("more", "admin")
    await client.revoke_key(issued.principal.id)
    keys = client.keys()
    assert issued.principal.id not in [k.id async for k in keys]
    done = [(a.action, a.allowed) async for a in client.audit(issued.principal.id)]
    assert done == [("keys.revoke", True), ("keys.create", True)]
    assert (await client.stats()).running == 0
    assert await client.invalidate_cache("nothing") == 0


async def test_slots_are_told(client: Client) -> None:
    one = {**ASKS, "name": "one", "concurrency": {"key": "k", "limit": 1}}
    await client.register(one)
    begun = [await client.start("one") for _ in range(2)]
    await asked(client, begun[0])
    assert [(s.execution_id, s.held) for s in await client.slots("k")] == [
        (begun[0].id, True),
        (begun[1].id, False),
    ]
    for each in begun:
        await client.stop(each.id)


async def test_listings_have_as_many_items_as_there_are(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.api.client.asking.PAGE", 2)
    for version in "12345":
        await client.register({**GREET, "version": version})
    assert [w.version async for w in client.versions("greet")] == ["5", "4", "3", "2", "1"]


async def test_all_executions_are_one_stream(client: Client) -> None:
    await client.register(GREET)
    ids = {(await client.run("greet")).id for _ in range(2)}
    ended: dict[str, str] = {}
    async for event, cursor in client.events(
        workflow="gr*", types=["ExecutionCompleted"], after=""
    ):
        ended[event.execution_id] = cursor
        if len(ended) == 2:
            break
    assert set(ended) == ids
    first = next(iter(ended.values()))
    async for event, _ in client.events(workflow="gr*", types=["ExecutionCompleted"], after=first):
        assert event.execution_id == list(ended)[1]
        break
    with pytest.raises(assay.InvalidInput):
        await anext(client.events(types=["Nothing"]))


async def test_who_may_not_is_told_so(served: Served) -> None:
    wrong: list[tuple[dict[str, Any], type[assay.AssayError]]] = [
        ({"key": "assay_00000000_" + "x" * 43}, errors.NotAuthenticated),
        ({"key": served.keys["viewer"]}, errors.NotAuthorized),
    ]
    for given, kind in wrong:
        async with Client(served.url, **given) as client:
            with pytest.raises(kind) as raised:
                await client.register(GREET)
            assert given["key"] not in str(raised.value)
            if kind is errors.NotAuthenticated:
                with pytest.raises(kind):
                    await anext(client.events())
    async with Client(served.url, key=served.keys["other admin"]) as client:
        assert [w async for w in client.workflows()] == []


async def test_what_began_an_execution_is_told(client: Client, served: Served) -> None:
    await client.register(GREET)
    manager = served.tenants.app().manager
    fired = await manager.start("greet", firing="f" + "0" * 31)
    plain = await manager.start("greet")
    assert (await client.execution(fired.id)).firing == fired.firing
    assert (await client.execution(plain.id)).firing == ""
