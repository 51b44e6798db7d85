"""`shell` under a security profile: its command is held, or not started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.scripted import Reply, ScriptedModel

import assay
from assay.api.settings import read_settings
from assay.graphs import profiles
from assay.graphs.errors import ConfigurationError
from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.probe import best

from ..running import House, open_house

pytestmark = pytest.mark.anyio

HELD = pytest.mark.skipif(best() < Rung.JAIL, reason="this machine has no rung for it")


def step(command: str, **more: Any) -> Mapping[str, Any]:
    given = {"id": "s", "type": "shell", "command": command, "security_profile": "restricted"}
    return {"name": "w", "inputs": {"v": {}}, "steps": [{**given, **more}]}


@HELD
async def test_the_command_has_its_workspace_its_values_and_no_more(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A value of 200 kB comes as a file, which lies outside the workspace."""
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("hush")
    looks = f"cat {secret} || true; env | grep _API_ || true; echo kept > kept; cat kept"
    script = looks + "; printf %s {{ inputs.v }} | wc -c; echo $OWN"
    definition = step(script, env={"OWN": "given"})

    async with open_house(tmp_path, {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "hush"}) as house:
        execution = await house.run(definition, {"v": "x" * 200_000})

    assert execution.status == "completed", execution.error
    said = execution.steps["s"].output
    assert "hush" not in said
    assert said.endswith("200000\ngiven")
    assert said.startswith("kept")
    rung = best().label
    assert any(f"its programs run on the rung {rung!r}" in n for n in execution.notices)


@pytest.mark.skipif(best() < Rung.BUBBLEWRAP, reason="this machine has no bubblewrap")
async def test_the_store_in_the_workspace_is_not_there_for_the_command(tmp_path: Path) -> None:
    ways = ["ls -A .assay", "cat .assay/assay.db", "rm -rf .assay/assay.db", "echo x > .assay/x"]
    script = "; ".join(f"({way} 2> /dev/null || true)" for way in ways) + "; echo kept > kept"

    async with assay.open(home=tmp_path / ".assay", workspace=tmp_path) as app:
        execution = await app.run(step(script))
        again = await app.run(step("cat kept"))

    assert execution.steps["s"].output == ""
    assert again.steps["s"].output == "kept"
    assert not (tmp_path / ".assay" / "x").exists()


@HELD
async def test_the_audit_says_on_which_rung_programs_ran_before_they_do(tmp_path: Path) -> None:
    """Once for each profile, and for those of agents as well."""
    agent = {"id": "a", "type": "agent", "prompt": "Work.", "tools": ["run_command"]}
    agent |= {"security_profile": "standard"}
    held = dict(step("true")["steps"][0])
    steps = [held, {**held, "id": "again"}, agent, {"id": "free", "type": "shell", "command": ":"}]
    with ScriptedModel([Reply("Done.")]) as server:
        environ = {"PATH": "/usr/bin:/bin", "ASSAY_MODEL": "m", "ASSAY_BASE_URL": server.url}
        async with open_house(tmp_path, environ) as house:
            execution = await house.run({"name": "w", "steps": steps})
            kept = (await house.app.manager.store.audit(target=execution.id)).items

    assert execution.status == "completed", execution.error
    rung = best().label
    assert [entry.data for entry in reversed(kept)] == [
        {"path": "s", "profile": "restricted", "rung": rung},
        {"path": "a", "profile": "standard", "rung": rung},
    ]
    for entry in kept:
        assert (entry.action, entry.principal) == ("programs.held", execution.id)
        assert entry.rule in execution.notices


async def test_below_the_minimum_the_command_is_not_started(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "best", lambda: Rung.RLIMITS)

    execution = await house.run(step("echo begun"))

    assert execution.status == "failed"
    assert "only on the rung 'jail'" in str(execution.error)


@HELD
@pytest.mark.parametrize("named", [None, "trusted", "restricted"])
async def test_no_command_is_more_than_the_ceiling(named: str | None, tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "hush", "ASSAY_CEILING": "standard"}
    definition = step("env; id", security_profile=named)

    async with open_house(tmp_path, environ) as house:
        execution = await house.run(definition)

    assert execution.status == "completed", execution.error
    assert "hush" not in execution.steps["s"].output
    kept = "restricted" if named == "restricted" else "standard"
    assert any(f"profile {kept!r}: its programs run" in n for n in execution.notices)


@HELD
async def test_no_agent_is_more_than_the_ceiling(tmp_path: Path) -> None:
    agent = {"id": "s", "type": "agent", "prompt": "Work.", "security_profile": "trusted"}
    definition = {"name": "w", "steps": [{**agent, "tools": ["run_command", "run_tests"]}]}
    with ScriptedModel([Reply("Done.")]) as server:
        environ = {
            "PATH": "/usr/bin:/bin",
            "ASSAY_CEILING": "restricted",
            "ASSAY_MODEL": "scripted",
            "ASSAY_BASE_URL": server.url,
        }
        async with open_house(tmp_path, environ) as house:
            execution = await house.run(definition)

    assert execution.status == "completed", execution.error
    assert server.requests[0].tools == ["run_tests"]


def test_a_ceiling_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"ASSAY_CEILING is 'lax'.*restricted, standard"):
        read_settings({"ASSAY_CEILING": "lax"})
