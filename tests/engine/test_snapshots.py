"""`workspace: {mode: snapshot}`: files follow an execution, and are what its journal says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.api.settings import read_settings
from assay.graphs.errors import ConfigurationError
from assay.graphs.execution import Status

from .. import running
from ..running import House, open_house, statuses
from ..scripted import Reply, ScriptedModel
from .kept import kept

pytestmark = pytest.mark.anyio

SNAPSHOT = "name: w\nworkspace: {mode: snapshot}\nsteps:\n"


def copies(house: House) -> list[str]:
    """What is left of working copies."""
    home = house.workspace.parent / "home" / "workspaces"
    return [one.name for one in home.glob("*") if not one.name.startswith(".gone")]


def out(execution: assay.Execution, path: str) -> Any:
    assert execution.status is Status.COMPLETED, execution.error
    return execution.steps[path].output


async def test_steps_share_a_folder_that_is_empty_at_first_and_gone_in_the_end(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        (house.workspace / "theirs").write_text("not copied")
        done = await house.run(
            SNAPSHOT
            + """
- {id: first, type: shell, command: "ls -A; pwd; echo one > a"}
- {id: second, type: shell, command: "cat a; ls -A; pwd"}
"""
        )

        [first] = out(done, "first").splitlines()
        assert Path(first).is_relative_to(tmp_path / "home" / "workspaces" / done.id)
        assert out(done, "second").splitlines() == ["one", "a", first]
        assert copies(house) == []
        assert os.listdir(house.workspace) == ["theirs"]


async def test_skills_expressions_and_artifacts_use_the_folder(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(
            SNAPSHOT
            + """
- {id: make, type: shell, command: "echo hello > out.txt", artifacts: {log: out.txt}}
- {id: there, type: assert, condition: "file_exists('out.txt')"}
- {id: read, type: skill, skill: file-read, inputs: {path: out.txt}}
"""
        )

        assert "hello" in str(out(done, "read"))
        assert done.steps["make"].artifacts["log"]["path"] == "out.txt"


async def test_the_file_tools_of_an_agent_use_the_folder(tmp_path: Path) -> None:
    replies = [Reply.calling("write_file", path="made/by.txt", content="an agent"), Reply("done")]
    with ScriptedModel(replies) as model:
        own = {"ASSAY_MODEL": "openai:scripted", "ASSAY_BASE_URL": model.url}
        async with open_house(tmp_path, {**os.environ, **own, "OPENAI_API_KEY": "none"}) as house:
            done = await house.run(
                SNAPSHOT
                + """
- {id: write, type: agent, prompt: write, tools: [write_file]}
- {id: look, type: shell, command: cat made/by.txt}
"""
            )

    assert out(done, "look") == "an agent"
    assert done.steps["write"].files["changed"].keys() == {"made", "made/by.txt"}


@pytest.mark.every_store
async def test_an_execution_that_left_memory_finds_its_files(tmp_path: Path) -> None:
    """Contents, modes, links, empty folders and what was deleted."""
    async with open_house(tmp_path) as house:
        started = await house.start(
            SNAPSHOT
            + """
- id: make
  type: shell
  command: |
    mkdir -p src/empty; echo 'echo ran' > src/run.sh; chmod 750 src/run.sh
    ln -s src/run.sh link; echo x > gone; head -c 200000 /dev/zero > large
- {id: drop, type: shell, command: "rm gone; echo changed > large.txt"}
- {id: ask, type: approval, message: on}
- id: look
  type: shell
  command: |
    find . | sort; ./src/run.sh; stat -c %a src/run.sh; readlink link; wc -c < large
"""
        )
        await house.app.manager.wait(started.id, until=[Status.WAITING])

    async with open_house(tmp_path) as house:
        assert copies(house) == []
        [question] = (await house.app.manager.questions(execution_id=started.id)).items
        await house.app.manager.answer(question.id)
        await house.app.resume(started.id)
        done = await house.app.wait(started.id)

    names = [".", "./large", "./large.txt", "./link", "./src", "./src/empty", "./src/run.sh"]
    expected = [*names, "ran", "750", "src/run.sh", "200000"]
    assert out(done, "look").splitlines() == expected


RETRIED = (
    SNAPSHOT
    + """
- {id: one, type: shell, command: "echo 1 > n; echo kept > k"}
- {id: two, type: shell, command: "echo $(( $(cat n) + 1 )) > n"}
- {id: three, type: shell, command: "echo half > half; cat n; test -e $SIGN"}
"""
)


async def test_a_retry_and_a_fork_find_the_files_as_of_their_step(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    async with open_house(tmp_path, {**os.environ, "SIGN": str(sign)}) as house:
        failed = await house.run(RETRIED)
        assert failed.status is Status.FAILED
        sign.touch()

        again = await house.app.wait((await house.app.manager.retry(failed.id)).id)
        forked = await house.app.wait((await house.app.manager.fork(again.id, "two")).id)
        third = await house.app.wait((await house.app.manager.fork(forked.id, "three")).id)

        assert [out(e, "three") for e in (again, forked, third)] == ["2", "2", "2"]
        assert forked.steps["two"].files["changed"].keys() == {"n"}
        assert [step.files["with"] for step in forked.steps.values()] == [[], [], []]
        assert "half" in third.steps["three"].files["changed"]


async def test_a_failed_attempt_leaves_its_files_to_the_next(tmp_path: Path) -> None:
    """The record of the attempt that completed says all of it."""
    async with open_house(tmp_path) as house:
        done = await house.run(
            SNAPSHOT
            + """
- id: s
  type: shell
  command: "echo x >> tries; test $(wc -l < tries) -ge 3"
  retry: {attempts: 3, delay: 1ms}
- {id: count, type: shell, command: "wc -l < tries"}
"""
        )

        assert out(done, "count").strip() == "3"
        assert done.steps["s"].files["changed"].keys() == {"tries"}


async def test_what_a_step_left_that_failed_softly_is_there_for_the_next(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(
            SNAPSHOT
            + """
- {id: s, type: shell, command: "echo x > left; false", on_error: skip}
- {id: look, type: shell, command: cat left}
"""
        )

        assert out(done, "look") == "x"
        assert done.steps["s"].files["changed"].keys() == {"left"}


LIMITS: Mapping[str, tuple[str, str, str]] = {
    "a file": ("ASSAY_SNAPSHOT_FILE", "1KiB", "the file 'd/big' has 2KiB"),
    "the number": ("ASSAY_SNAPSHOT_FILES", "1", "more than 1 files and folders"),
    "all together": ("ASSAY_SNAPSHOT_TOTAL", "1KiB", "the workspace holds more than 1KiB"),
}


@pytest.mark.parametrize("what", LIMITS)
async def test_too_much_fails_the_step_and_is_not_there_for_the_next(
    what: str, tmp_path: Path
) -> None:
    name, limit, says = LIMITS[what]
    async with open_house(tmp_path, {**os.environ, name: limit}) as house:
        done = await house.run(
            SNAPSHOT
            + """
- id: s
  type: shell
  command: mkdir d; head -c 2048 /dev/zero > d/big
  on_error: skip
- {id: look, type: shell, command: ls -A}
"""
        )

        error = done.steps["s"].error
        assert error is not None
        assert (error.code, error.path) == ("workspace_refused", "s")
        assert says in error.message
        assert name in error.message
        assert out(done, "look") == ""


async def test_what_is_ignored_stays_behind(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(
            """
name: w
workspace: {mode: snapshot, ignore: [node_modules, "out/*.o"]}
steps:
- id: s
  type: shell
  command: |
    mkdir -p a/node_modules/x out __pycache__; ln -s /bin a/node_modules/x/bin
    touch out/a.o out/a.c __pycache__/x.pyc
"""
        )

        assert statuses(done) == {"s": "completed"}
        assert done.steps["s"].files["changed"].keys() == {"a", "out", "out/a.c"}


TRICKS = {
    "an absolute link": "ln -s /etc/passwd l",
    "a link to above": "ln -s ../x l",
    "a link through a folder": "mkdir d; ln -s d/../../x l",
    "a link through a link": "mkdir d; ln -s . d/s; ln -s d/s/../.. l",
    "a link to the whole": "ln -s .. l",
}


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_link_that_leads_outside_is_refused(trick: str, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(f"{SNAPSHOT}\n- {{id: s, type: shell, command: '{TRICKS[trick]}'}}")

        assert done.status is Status.FAILED
        assert done.error is not None
        assert "the link 'l' in the workspace leads to" in done.error.message


async def test_sockets_and_pipes_are_passed_over(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(
            f"{SNAPSHOT}\n- {{id: s, type: shell, command: mkfifo pipe; touch f}}"
        )

        assert done.steps["s"].files["changed"].keys() == {"f"}


async def test_a_lost_file_fails_the_execution_and_is_named(tmp_path: Path) -> None:
    """Nothing is guessed; the same for a blob whose bytes are others."""
    for damage in ("lost", "damaged"):
        folder = tmp_path / damage
        folder.mkdir()
        async with open_house(folder) as house:
            started = await house.start(
                SNAPSHOT
                + """
- {id: make, type: shell, command: "mkdir d; echo precious > d/f"}
- {id: ask, type: approval, message: on}
"""
            )
            await house.app.manager.wait(started.id, until=[Status.WAITING])
        [blob] = await kept(folder)
        await (blob.gone() if damage == "lost" else blob.damaged())
        async with open_house(folder) as house:
            [question] = (await house.app.manager.questions(execution_id=started.id)).items
            await house.app.manager.answer(question.id)
            await house.app.resume(started.id)
            done = await house.app.wait(started.id)

        assert done.status is Status.FAILED
        assert done.error is not None
        assert done.error.code == "state_corrupted"
        assert "'d/f'" in done.error.message


async def test_branches_share_the_folder_and_a_fork_of_one_keeps_the_files_of_the_other(
    tmp_path: Path,
) -> None:
    """`right` has written before `left` ends, so its file is found in the record of `left`."""
    sign = tmp_path / "sign"
    async with open_house(tmp_path, {**os.environ, "SIGN": str(sign)}) as house:
        failed = await house.run(
            SNAPSHOT
            + """
- id: both
  type: parallel
  steps:
    - {id: left, type: shell, command: "until test -e r; do sleep 0.01; done; echo l > l"}
    - id: right
      type: shell
      command: "echo r > r; until test -e l; do sleep 0.01; done; sleep 0.3; echo R >> r2"
- {id: join, type: shell, command: "cat l r r2; test -e $SIGN"}
"""
        )
        changed = {p: r.files.get("changed", {}).keys() for p, r in failed.steps.items()}
        assert changed["both.left"] == {"l", "r"}
        assert failed.steps["both.left"].files["with"] == ["both.right"]
        assert changed["both.right"] == {"r2"}
        sign.touch()

        forked = await house.app.wait((await house.app.manager.fork(failed.id, "both.left")).id)

        assert out(forked, "join").splitlines() == ["l", "r", "R"]
        assert forked.steps["both.right"].files["changed"].keys() == {"l", "r", "r2"}


async def test_a_rollback_sees_the_files_as_they_are(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = await house.run(
            SNAPSHOT
            + """
- id: a
  type: shell
  command: echo a > a
  rollback: [{id: undo, type: shell, command: "cat a b"}]
- {id: b, type: shell, command: "echo b > b; false", on_error: rollback}
"""
        )

        assert statuses(done)["a"] == "compensated"
        assert done.steps["a/rollback.undo"].output.split() == ["a", "b"]


async def test_a_mount_is_used_by_whoever_says_shared(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    definition = (
        "name: w\nworkspace: {mode: shared}\nsteps:\n- {id: s, type: shell, command: touch f}"
    )
    async with open_house(tmp_path) as house:
        with pytest.raises(ConfigurationError, match="ASSAY_SHARED is not set"):
            await house.run(definition)
    async with open_house(tmp_path, {**os.environ, "ASSAY_SHARED": str(mount)}) as house:
        done = await house.run(definition)

    assert done.status is Status.COMPLETED
    assert os.listdir(mount) == ["f"]


@pytest.mark.every_store
async def test_files_that_stay_behind_are_told_of_where_others_may_take_over(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        folder = await house.run("- {id: s, type: shell, command: ':'}")
        forked = await house.app.manager.fork(folder.id, "s")
        quiet = [
            await house.run("- {id: s, type: emit, event: e}"),
            await house.run(f"{SNAPSHOT}- {{id: s, type: shell, command: ':'}}"),
        ]

        many = running.store_kind == "firestore"
        for told in (folder, await house.app.wait(forked.id)):
            assert ["`workspace: {mode: snapshot}`" in n for n in told.notices] == [True] * many
        assert [execution.notices for execution in quiet] == [(), ()]


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("ASSAY_SNAPSHOT_FILE", "64", "a size needs a unit; write 64MiB"),
        ("ASSAY_SNAPSHOT_FILES", "many", "give a whole number from 1 on"),
        ("ASSAY_SNAPSHOT_TOTAL", "1 elephant", "is not a size"),
    ],
)
def test_a_limit_that_is_none_is_refused(name: str, given: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}.*{says}"):
        read_settings({name: given})
