"""Programs that an agent starts are held as its security profile says, or not started."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.scripted import Reply

from assay.agents.tools import Reach
from assay.agents.tools.programs import RunCommand, RunTests
from assay.graphs import profiles
from assay.graphs.errors import NotAllowed
from assay.graphs.profiles import profile
from assay.graphs.sandbox import Rung
from assay.graphs.sandbox.probe import best

from .conftest import Desk

pytestmark = pytest.mark.anyio

HELD = pytest.mark.skipif(best() < Rung.JAIL, reason="this machine has no rung for it")


def reach(workspace: Path, name: str) -> Reach:
    return Reach(workspace, profile(name), {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "hush"})


@HELD
async def test_a_command_sees_its_workspace_and_no_other_files(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("hush")
    (tmp_path / "mine").write_text("mine")

    said = await RunCommand(command=f"cat mine {secret}").work(reach(tmp_path, "standard"))

    assert "mine" in said
    assert "hush" not in said
    assert said.startswith("[exit status 1]")


@HELD
async def test_what_a_command_writes_stays_in_the_workspace(tmp_path: Path) -> None:
    script = "echo kept > kept; echo gone > $TMPDIR/gone; echo gone > $HOME/gone; echo $TMPDIR"

    said = await RunCommand(command=script).work(reach(tmp_path, "standard"))

    assert said.startswith("[exit status 0]"), said
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert not Path(said.splitlines()[1], "gone").exists()


@HELD
async def test_a_command_has_no_network_and_no_keys(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        there.setblocking(False)
        address = there.getsockname()
        call = f"import socket; socket.create_connection({address})".replace("'", '"')
        script = f"env | grep -c KEY; python -c '{call}'"

        said = await RunCommand(command=script).work(reach(tmp_path, "standard"))

        with pytest.raises(BlockingIOError):
            there.accept()
    assert "\n0\n" in said
    assert "Error" in said.splitlines()[-1]


@HELD
@pytest.mark.parametrize("name", ["restricted", "standard", "trusted"])
async def test_tests_run_under_every_profile(name: str, tmp_path: Path) -> None:
    test = "import tempfile\ndef test_one(tmp_path):\n    tempfile.mkdtemp()\n"
    (tmp_path / "test_one.py").write_text(test)

    said = await RunTests().work(reach(tmp_path, name))

    assert "1 passed" in said, said


@HELD
async def test_a_bomb_is_ended_and_the_model_is_told(tmp_path: Path) -> None:
    held = reach(tmp_path, "restricted")
    # It doubles ten times and no more: when nobody holds it the machine must bear it.
    bomb = (
        "import os, time\ndef test_bomb():\n    for _ in range(10): os.fork()\n    time.sleep(60)\n"
    )
    (tmp_path / "test_bomb.py").write_text(bomb)

    with pytest.raises(Exception, match="more than its security profile allows"):
        await RunTests().work(held)


async def test_below_the_minimum_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "best", lambda: Rung.RLIMITS)

    with pytest.raises(NotAllowed, match=r"'standard'.*'jail' or a higher.*assay doctor.*trusted"):
        await RunCommand(command="touch begun").work(reach(tmp_path, "standard"))

    assert list(tmp_path.iterdir()) == []
    await RunCommand(command="touch begun").work(reach(tmp_path, "trusted"))
    assert (tmp_path / "begun").exists()


async def test_below_the_minimum_no_model_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "best", lambda: Rung.RLIMITS)

    with pytest.raises(NotAllowed, match="starts programs only on the rung 'jail'"):
        await desk.run([Reply("Done.")], profile="restricted", tools=["run_tests"])

    assert desk.server.requests == []
    answer = await desk.run([Reply("Done.")], profile="restricted", tools=["read_file"])
    assert answer.value == "Done."


@HELD
async def test_the_answer_says_on_which_rung_programs_ran(desk: Desk) -> None:
    answer = await desk.run([Reply("Done.")], profile="standard", tools=["run_command"])

    assert [n for n in answer.notices if f"run on the rung {best().label!r}" in n]
    assert "no network (no rung could keep them to public addresses" in answer.notices[-1]
