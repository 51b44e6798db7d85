"""Files that steps leave, kept by their content; and results that are used again."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from ..running import House, open_house
from .asking import answered, asked
from .kept import kept

pytestmark = pytest.mark.anyio


def step(command: str, **more: Any) -> dict[str, Any]:
    """A definition with one command and a text `v`."""
    return {
        "name": "w",
        "inputs": {"v": {"default": "v"}},
        "steps": [{"id": "s", "type": "shell", "command": command, **more}],
    }


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("field", ["artifacts", "outputs"])
async def test_a_declared_file_is_kept_by_its_content(
    house: House, tmp_path: Path, field: str
) -> None:
    execution = await house.run(step("mkdir d; printf kept >d/f", **{field: {"f": "./d/f"}}))

    result = execution.steps["s"]
    assert result.artifacts == {"f": {"path": "./d/f", "sha256": sha256(b"kept"), "size": 4}}
    assert execution.artifacts == {"s.f": result.artifacts["f"]}
    (file,) = await kept(tmp_path)
    assert file.data == b"kept"


@pytest.mark.every_store
async def test_a_kept_file_is_what_its_step_left_even_when_it_changes_later(house: House) -> None:
    execution = await house.run(
        """
        name: w
        outputs:
          before: {value: "{{ hash_file(a.artifacts.f) }}"}
          now: {value: "{{ hash_file('f') }}"}
        steps:
          - {id: a, type: shell, command: "printf old >f", artifacts: {f: f}}
          - {id: b, type: shell, command: "printf new >f"}
        """
    )

    assert execution.outputs == {"before": sha256(b"old"), "now": sha256(b"new")}


CHANGED = """
    name: w
    outputs: {before: {value: "{{ hash_file(a.artifacts.f) }}"}}
    steps:
      - {id: a, type: shell, command: "printf old >f", artifacts: {f: f}}
      - {id: b, type: shell, command: "printf new >f"}
      - {id: ask, type: approval, message: x}
    """


@pytest.mark.every_store
async def test_a_kept_file_is_what_its_step_left_after_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(CHANGED)
        await asked(house, execution, "ask")

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        await answered(house, execution, "ask")
        done = await house.app.wait(execution.id)

    assert done.outputs == {"before": sha256(b"old")}


@pytest.mark.every_store
async def test_a_kept_file_that_is_lost_is_not_mistaken_for_what_has_its_name(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        execution = await house.start(CHANGED)
        await asked(house, execution, "ask")
    for file in await kept(tmp_path):
        await file.gone()

    async with open_house(tmp_path) as house:
        await house.app.resume(execution.id)
        await answered(house, execution, "ask")
        done = await house.app.wait(execution.id)

    assert done.error is not None
    assert "'f' is not what its step left" in done.error.message


async def test_an_artifact_in_a_command_is_its_path(house: House) -> None:
    execution = await house.run(
        """
        - {id: a, type: shell, command: "printf kept >'a b'", artifacts: {f: a b}}
        - {id: b, type: shell, command: "cat {{ a.artifacts.f }}"}
        """
    )

    assert execution.steps["b"].output == "kept"


async def test_a_declared_file_that_is_missing_fails_the_step(house: House) -> None:
    execution = await house.run(step("true", outputs={"f": "nothing"}))

    assert execution.error is not None
    assert execution.error.code == "output_missing"
    assert "'nothing', declared as 'f', was not there" in execution.error.message


async def test_a_folder_is_no_file(house: House) -> None:
    execution = await house.run(step("mkdir d", artifacts={"f": "d"}))

    assert execution.error is not None
    assert execution.error.code == "output_missing"


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "link", "folder/secret", "d/../../secret"]
)
async def test_a_file_outside_the_workspace_is_not_kept(
    house: House, tmp_path: Path, path: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    (house.workspace / "link").symlink_to(tmp_path / "secret")
    (house.workspace / "folder").symlink_to(tmp_path)

    execution = await house.run(step("mkdir d", artifacts={"f": path}))

    assert execution.error is not None
    assert execution.error.code == "not_allowed"
    assert "leads outside the workspace" in execution.error.message
    assert not (tmp_path / "home" / "blobs").exists() or not [
        p for p in (tmp_path / "home" / "blobs").rglob("*") if p.is_file()
    ]


@pytest.mark.parametrize("path", ["../secret", "link", "folder/secret", "circle"])
@pytest.mark.parametrize(
    "reading",
    [
        {"type": "skill", "skill": "file-read", "inputs": {"path": "{{ inputs.v }}"}},
        {"type": "skill", "skill": "process-file", "inputs": {"path": "{{ inputs.v }}"}},
        {
            "type": "skill",
            "skill": "file-write",
            "inputs": {"path": "{{ inputs.v }}", "content": "overwritten"},
        },
        {"type": "skill", "skill": "echo", "inputs": {"message": "{{ hash_file(inputs.v) }}"}},
    ],
    ids=["file-read", "process-file", "file-write", "hash_file"],
)
async def test_nothing_outside_the_workspace_is_read_or_written(
    house: House, tmp_path: Path, path: str, reading: dict[str, Any]
) -> None:
    (tmp_path / "secret").write_text("secret")
    (house.workspace / "link").symlink_to(tmp_path / "secret")
    (house.workspace / "folder").symlink_to(tmp_path)
    (house.workspace / "circle").symlink_to(house.workspace / "circle")
    document = {"name": "w", "inputs": {"v": {}}, "steps": [{"id": "s", **reading}]}

    execution = await house.run(document, {"v": path})

    assert execution.error is not None
    assert execution.error.code in ("not_allowed", "expression", "terminal")
    assert (tmp_path / "secret").read_text() == "secret"


async def test_what_lies_outside_does_not_exist(house: House, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (house.workspace / "here").touch()

    execution = await house.run(
        """
        - id: s
          type: skill
          skill: echo
          inputs: {message: ["{{ file_exists('../secret') }}", "{{ file_exists('here') }}"]}
        """
    )

    assert execution.steps["s"].output == [False, True]


async def test_a_link_that_stays_inside_is_followed(house: House) -> None:
    execution = await house.run(step("printf kept >f; ln -s f link", artifacts={"f": "link"}))

    assert execution.steps["s"].artifacts["f"]["sha256"] == sha256(b"kept")


COUNTED = "echo run >>count; printf %s {{ inputs.v }} | tee f"


def runs(house: House) -> int:
    """How often the command has really run."""
    count = house.workspace / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


async def test_an_equal_step_is_not_run_again_and_its_file_is_put_back(house: House) -> None:
    document = step(COUNTED, cache=True, artifacts={"f": "f"})
    first = await house.run(document)
    (house.workspace / "f").unlink()

    second = await house.run(document)

    assert runs(house) == 1
    assert (house.workspace / "f").read_text() == "v"
    assert (first.steps["s"].cached, second.steps["s"].cached) == (False, True)
    assert second.steps["s"].output == "v"
    assert second.steps["s"].artifacts == first.steps["s"].artifacts
    assert second.steps["s"].cache_key == first.steps["s"].cache_key


async def test_a_file_that_was_changed_is_put_back_as_it_was(house: House) -> None:
    document = step(COUNTED, cache=True, artifacts={"f": "f"})
    await house.run(document)
    (house.workspace / "f").write_text("spoilt")

    await house.run(document)

    assert (house.workspace / "f").read_text() == "v"


@pytest.mark.parametrize(
    "other",
    [
        {"command": COUNTED + "; true"},
        {"env": {"A": "1"}},
        {"timeout": "9s"},
        {"inputs": {"x": 1}},
        {"cache": {"key": "other"}},
    ],
    ids=["command", "env", "timeout", "inputs", "key"],
)
async def test_a_step_that_differs_is_run(house: House, other: dict[str, Any]) -> None:
    await house.run(step(COUNTED, cache={"key": "k"}))

    await house.run(step(**{"command": COUNTED, "cache": {"key": "k"}, **other}))

    assert runs(house) == 2


async def test_other_values_are_another_step_unless_a_key_says_otherwise(house: House) -> None:
    for value in ("a", "b"):
        await house.run(step(COUNTED, cache=True), {"v": value})
    assert runs(house) == 2

    for value in ("a", "b"):
        await house.run(step(COUNTED, cache={"key": "constant"}), {"v": value})
    assert runs(house) == 3


async def test_a_name_or_a_description_does_not_make_another_step(house: House) -> None:
    await house.run(step(COUNTED, cache=True))
    await house.run(step(COUNTED, cache=True, name="Count", description="it counts"))

    assert runs(house) == 1


async def test_a_failure_is_not_remembered(house: House) -> None:
    for _ in range(2):
        await house.run(step("echo run >>count; false", cache=True))

    assert runs(house) == 2


@pytest.mark.parametrize("more", [{"cache": False}, {"use_cache": False, "cache_key": "k"}, {}])
async def test_without_a_cache_a_step_is_run_again(house: House, more: dict[str, Any]) -> None:
    for _ in range(2):
        await house.run(step(COUNTED, **more))

    assert runs(house) == 2


async def test_a_result_is_forgotten_after_its_time(house: House) -> None:
    document = step(COUNTED, cache={"key": "k", "ttl": "1ms"})
    await house.run(document)
    await asyncio.sleep(0.01)

    await house.run(document)

    assert runs(house) == 2


async def test_a_cached_file_that_is_lost_is_made_again(house: House, tmp_path: Path) -> None:
    document = step(COUNTED, cache=True, artifacts={"f": "f"})
    await house.run(document)
    for file in await kept(tmp_path):
        await file.gone()
    (house.workspace / "f").unlink()

    execution = await house.run(document)

    assert (runs(house), execution.steps["s"].cached) == (2, False)
    assert (house.workspace / "f").read_text() == "v"


async def test_a_cached_file_whose_place_is_taken_is_not_trusted(house: House) -> None:
    document = step(COUNTED, cache=True, artifacts={"f": "f"})
    await house.run(document)
    (house.workspace / "f").unlink()
    (house.workspace / "f").mkdir()

    execution = await house.run(document)

    assert execution.status == "failed"
    assert runs(house) == 2


@pytest.mark.parametrize(
    "reads",
    [
        {"type": "assert", "condition": "hash_file('left') != ''"},
        {"type": "skill", "skill": "file-read", "inputs": {"path": "left"}},
        {"type": "skill", "skill": "process-file", "inputs": {"path": "left"}},
    ],
    ids=["expression", "file-read", "process-file"],
)
async def test_a_pipe_that_a_program_left_is_not_waited_for(
    house: House, reads: dict[str, Any]
) -> None:
    """Nobody writes to it: who opened it would stand still for ever, and the process with it."""
    steps = [{"id": "leave", "type": "shell", "command": "mkfifo left"}, {"id": "read", **reads}]
    execution = await house.run({"name": "w", "steps": steps})

    assert execution.status == "failed"
    assert execution.error is not None
    assert "'left' cannot be read: it is not a plain file" in execution.error.message


def listing(pattern: str) -> str:
    return f"- {{id: l, type: skill, skill: file-list, inputs: {{pattern: {pattern!r}}}}}"


async def test_a_listing_tells_of_no_file_outside_the_workspace(house: House) -> None:
    outside = house.workspace.parent / "elsewhere"
    outside.mkdir()
    (outside / "secret.txt").touch()
    (house.workspace / "own.txt").touch()
    (house.workspace / "link").symlink_to(outside)
    (house.workspace / "linked.txt").symlink_to(outside / "secret.txt")

    listed = [await house.run(listing(pattern)) for pattern in ("*.txt", "*/*.txt")]

    assert [done.steps["l"].output for done in listed] == [["own.txt"], []]


@pytest.mark.parametrize("pattern", ["../*", "a/../../*", "/etc/*", ""])
async def test_what_is_no_pattern_of_the_workspace_is_refused_in_words(
    house: House, pattern: str
) -> None:
    refused = await house.run(listing(pattern))

    assert refused.error is not None
    assert "is no pattern of files below '.'" in refused.error.message
