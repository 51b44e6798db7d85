"""What somebody begins is no more than they may, whatever its definition says."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.api.access import Role
from assay.api.keys import issue
from assay.graphs import profiles
from assay.graphs.execution import Execution
from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.probe import best
from assay.testing import Asked, Reply, ScriptedModel

from .conftest import Served, serving

pytestmark = pytest.mark.anyio

HELD = pytest.mark.skipif(best() < Rung.JAIL, reason="this machine has no rung for it")

CANARY = "canary-2f81c0"
ECHO = {"id": "s", "type": "skill", "skill": "echo", "inputs": {"message": "hi"}}


@asynccontextmanager
async def asking(
    served: Served, role: str, profile: str = "", *, tenant: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a new key."""
    new = issue(f"{role} {profile}", role, tenant=tenant, profile=profile)
    await served.tenants.app(tenant).manager.store.put_principal(new.principal)
    headers = {"Authorization": f"Bearer {new.secret}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=60) as http:
        yield http


async def run(
    served: Served, http: httpx.AsyncClient, *steps: dict[str, Any], **more: Any
) -> Execution:
    """What became of a workflow that an admin registered and somebody else begins."""
    name = "w" + str(len((await served.tenants.app().manager.workflows()).items))
    await served.tenants.app().register({"name": name, "steps": list(steps), **more})
    answer = await http.post("/v1/executions", json={"workflow": name})
    assert answer.status_code == 201, answer.text
    return await ended(served, answer)


async def ended(served: Served, answer: httpx.Response) -> Execution:
    assert answer.status_code == 201, answer.text
    return await served.tenants.app().manager.wait(answer.json()["execution_id"])


async def audited(served: Served, action: str) -> dict[str, Any]:
    """What the audit has of the last one."""
    page = await served.tenants.app().manager.store.audit(limit=100)
    return dict(next(entry for entry in page.items if entry.action == action).data)


def shell(command: str, **more: Any) -> dict[str, Any]:
    return {"id": "s", "type": "shell", "command": command, **more}


@HELD
@pytest.mark.parametrize("named", [{}, {"security_profile": "trusted"}], ids=["", "trusted"])
@pytest.mark.parametrize("rung", [Rung.JAIL, Rung.BUBBLEWRAP], ids=lambda rung: rung.label)
async def test_a_command_that_an_operator_began_is_contained(
    served: Served,
    tmp_path: Path,
    named: dict[str, Any],
    rung: Rung,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also from the store of the server, which may lie in the folder that it serves."""
    if best() < rung:
        pytest.skip(f"this machine has no {rung.label}")
    monkeypatch.setattr(profiles, "best", lambda: rung)
    (tmp_path / "workspace" / "of-others").write_text(CANARY)
    store = tmp_path / "home" / "assay.db"
    ways = [
        f"echo owned > {tmp_path}/owned || true",
        f"cat {tmp_path}/workspace/of-others of-others || true",
        f"cat {store} | head -c 9 || true",
        f"echo 'DELETE FROM principals' | python3 -m sqlite3 {store} || true",
        "echo kept > kept; cat kept",
    ]
    async with asking(served, "operator") as http:
        execution = await run(served, http, shell("\n".join(ways), **named))

    assert execution.status == "completed", execution.error
    assert execution.steps["s"].output == "kept"
    assert CANARY not in str(execution.steps["s"].outputs)
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "workspace" / "kept").exists()
    with sqlite3.connect(store) as kept:
        assert kept.execute("SELECT count(*) FROM principals").fetchone()[0] > 0
    assert execution.profile == "restricted"
    (why,) = [n for n in execution.notices if "whoever began it may no more" in n]
    assert "no step of it is more than 'restricted'" in why
    assert "they work in a folder of its own" in why
    assert (await audited(served, "executions.start"))["profile"] == "restricted"


_AGENT = {"id": "s", "type": "agent", "prompt": "Work.", "security_profile": "trusted"}
STARTING: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "a shell step": shell,
    "a command line": lambda command: {
        **_AGENT,
        "runtime": "cli",
        "cli": {"format": "text", "command": ["bash", "-c", f"{command}; echo done"]},
    },
    "a server of tools": lambda command: {
        **_AGENT,
        "mcp": [{"name": "box", "command": ["bash", "-c", command], "allow": ["*"]}],
    },
}


@HELD
@pytest.mark.parametrize("kind", STARTING)
async def test_whatever_starts_a_program_is_bound(
    served: Served, tmp_path: Path, kind: str
) -> None:
    """An operator's reaches nothing outside; an admin's does, else this would show nothing."""
    place = tmp_path / "owned"
    step = STARTING[kind](f"echo owned > {place}")
    async with asking(served, "operator") as operator, asking(served, "admin") as admin:
        held = await run(served, operator, step)
        assert not place.exists()
        await run(served, admin, step)
        assert place.exists()

    assert any("security profile 'restricted': its programs run" in n for n in held.notices)


@HELD
async def test_a_restricted_key_is_contained_whatever_its_role(
    served: Served, tmp_path: Path
) -> None:
    async with asking(served, "admin", "restricted") as http:
        execution = await run(served, http, shell(f"echo owned > {tmp_path}/owned"))

    assert execution.profile == "restricted"
    assert not (tmp_path / "owned").exists()


async def test_an_agent_that_an_operator_began_has_no_tool_beyond_the_profile(
    tmp_path: Path,
) -> None:
    """Nor one in a workflow that its workflow names."""

    def tries(asked: Asked) -> Reply:
        if asked.results:
            return Reply("Done: " + asked.results[-1])
        return Reply.calling("run_command", command=f"touch {tmp_path}/owned")

    agent = {"id": "a", "type": "agent", "prompt": "Work.", "security_profile": "trusted"}
    tools = {"tools": ["read_file", "run_command", "http_get"]}
    with ScriptedModel(tries) as model:
        environ = {**os.environ, "ASSAY_MODEL": "scripted", "ASSAY_BASE_URL": model.url}
        async with serving(tmp_path, environ=environ) as served:
            await served.tenants.app().register({"name": "child", "steps": [{**agent, **tools}]})
            async with asking(served, "operator") as http:
                nested = {"id": "c", "type": "workflow", "workflow": "child"}
                executions = [
                    await run(served, http, {**agent, **tools}),
                    await run(served, http, nested),
                ]

        assert [request.tools for request in model.requests] == [["read_file"]] * 4

    for execution in executions:
        assert execution.status == "completed", execution.error
        assert any("'restricted' withholds" in n for n in execution.notices)
    assert "there is no tool" in executions[0].steps["a"].output
    assert not (tmp_path / "owned").exists()


async def test_variables_of_the_server_are_withheld(tmp_path: Path) -> None:
    tells = {**ECHO, "inputs": {"message": "{{ env.MODEL_KEY }}|{{ env.HOME }}"}}
    environ = {**os.environ, "MODEL_KEY": CANARY, "HOME": "/somewhere"}
    async with serving(tmp_path, environ=environ) as served:
        async with asking(served, "editor") as http:
            held = await run(served, http, tells)
        async with asking(served, "admin") as http:
            free = await run(served, http, tells)
            fork = (f"/v1/executions/{free.id}/fork", {"path": "s"})
            again = await ended(served, await http.post(fork[0], json=fork[1]))
        async with asking(served, "operator") as http:
            forked = await ended(served, await http.post(fork[0], json=fork[1]))

    for execution in (held, forked):
        assert execution.steps["s"].output == "|/somewhere"
        assert (
            "security profile 'restricted' withholds the variables MODEL_KEY" in execution.notices
        )
        assert CANARY not in str(execution.env)
    assert free.steps["s"].output == again.steps["s"].output == f"{CANARY}|/somewhere"
    assert free.notices == again.notices == ()


@pytest.mark.parametrize(
    ("role", "profile", "bound"),
    [
        ("operator", "", "restricted"),
        ("editor", "", "restricted"),
        ("admin", "", ""),
        ("operator", "standard", "standard"),
        ("operator", "trusted", ""),
        ("admin", "restricted", "restricted"),
    ],
)
async def test_what_binds_is_the_keys_own_profile_or_that_of_its_role(
    served: Served, role: str, profile: str, bound: str
) -> None:
    async with asking(served, role, profile) as http:
        execution = await run(served, http, ECHO)

    assert execution.profile == bound
    assert (await audited(served, "executions.start"))["profile"] == (bound or "trusted")


async def test_whoever_is_on_the_machine_of_a_server_without_keys_is_not_bound(
    open_server: Served, tmp_path: Path
) -> None:
    async with open_server.client(None) as http:
        execution = await run(open_server, http, shell("echo kept > kept"))

    assert (execution.profile, execution.notices) == ("", ())
    assert (tmp_path / "workspace" / "kept").read_text() == "kept\n"


async def test_who_goes_on_with_anothers_is_bound_as_both(served: Served) -> None:
    """An admin does not set free what an operator began, nor an operator take what an admin may."""
    steps: list[dict[str, Any]] = [ECHO, {"id": "t", "type": "assert", "condition": "1 > 2"}]
    async with asking(served, "operator") as operator, asking(served, "admin") as admin:
        for first, then, first_bound in [(operator, admin, "restricted"), (admin, operator, "")]:
            begun = await run(served, first, *steps)
            assert begun.profile == first_bound
            place = f"/v1/executions/{begun.id}"
            retried = await ended(served, await then.post(f"{place}/retry", json={}))
            forked = await ended(served, await then.post(f"{place}/fork", json={"path": "t"}))
            assert [retried.profile, forked.profile] == ["restricted"] * 2
            assert any("may no more" in notice for notice in retried.notices)
        assert (await audited(served, "executions.retry"))["profile"] == "restricted"
        assert (await audited(served, "executions.fork"))["profile"] == "restricted"


@HELD
async def test_what_one_of_less_has_cached_is_not_believed_by_one_of_more(
    served: Served, tmp_path: Path
) -> None:
    """Nor the other way round: it may tell what only the other can read."""
    build = shell("cat version; echo built > out", artifacts={"out": "out"}, cache=True)
    prepare = {**shell("echo forged > version"), "id": "prepare"}
    (tmp_path / "workspace" / "version").write_text("real\n")
    async with asking(served, "editor") as editor, asking(served, "admin") as admin:
        forged = await run(served, editor, prepare, build)
        real = await run(served, admin, build)
        again = [await run(served, admin, build), await run(served, editor, prepare, build)]

    assert (forged.steps["s"].output, forged.steps["s"].cached) == ("forged", False)
    assert (real.steps["s"].output, real.steps["s"].cached) == ("real", False)
    assert [(each.steps["s"].output, each.steps["s"].cached) for each in again] == [
        ("real", True),
        ("forged", True),
    ]


@HELD
async def test_files_follow_a_bound_execution_into_its_retry(served: Served) -> None:
    async with asking(served, "operator") as http:
        steps = [
            {**shell("echo kept > kept"), "id": "write"},
            {**shell('cat kept; test -n "$(cat kept)" && exit 7'), "id": "read"},
        ]
        begun = await run(served, http, *steps)
        again = await ended(served, await http.post(f"/v1/executions/{begun.id}/retry", json={}))

    assert begun.status == again.status == "failed"
    assert "kept" in str(again.steps["read"].error)


async def test_below_the_rung_nothing_starts_and_the_message_says_what_to_do(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "best", lambda: Rung.RLIMITS)
    async with asking(served, "operator") as http:
        execution = await run(served, http, shell(f"touch {tmp_path}/begun"))

    assert execution.status == "failed"
    assert execution.error is not None
    assert execution.error.code == "not_allowed"
    assert "'restricted' starts programs only on the rung 'jail'" in execution.error.message
    assert "the key that began it" in execution.error.message
    assert not (tmp_path / "begun").exists()


async def test_nobody_gives_a_key_that_may_more_than_their_own(served: Served) -> None:
    def key(role: str, profile: str | None = None) -> dict[str, Any]:
        return {"name": "k", "role": role, **({"profile": profile} if profile else {})}

    async with asking(served, Role.ADMIN, "standard") as http:
        refused = [
            await http.post("/v1/keys", json=key("admin")),
            await http.post("/v1/keys", json=key("viewer", "trusted")),
        ]
        asked = {
            "query": 'mutation { createApiKey(name: "k", role: ADMIN, profile: TRUSTED) '
            "{ __typename ... on Problem { message } } }"
        }
        graph = (await http.post("/graphql", json=asked)).json()["data"]["createApiKey"]
        given = [
            (await http.post("/v1/keys", json=key("operator"))).json(),
            (await http.post("/v1/keys", json=key("admin", "standard"))).json(),
            (await http.post("/v1/keys", json=key("editor", "restricted"))).json(),
        ]
        listed = (await http.get("/v1/keys")).json()["items"]

    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_authorized")
        assert "'trusted' is more than 'standard'" in answer.json()["detail"]
    assert "'trusted' is more than 'standard'" in json.dumps(graph)
    assert [each["profile"] for each in given] == ["restricted", "standard", "restricted"]
    assert {each["id"]: each["profile"] for each in given}.items() <= {
        each["id"]: each["profile"] for each in listed
    }.items()
