"""`shell`: the command's environment, its folder, its output, and what its failure says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from assay import InvalidSpec

from ..running import House, open_house

pytestmark = pytest.mark.anyio


def step(command: str, **more: Any) -> dict[str, Any]:
    """A definition with one command and an optional text `v`."""
    return {
        "name": "w",
        "inputs": {"v": {}},
        "steps": [{"id": "s", "type": "shell", "command": command, **more}],
    }


async def test_standard_output_without_its_last_newline_is_the_output(house: House) -> None:
    execution = await house.run(step("printf 'a\\n\\n'; printf oops >&2"))

    assert execution.steps["s"].output == "a\n"
    assert execution.steps["s"].outputs == {"stdout": "a\n", "stderr": "oops", "exit_code": 0}


async def test_parse_json_makes_a_value_of_the_output(house: House) -> None:
    execution = await house.run(step("""echo '{"a": [1, null]}'""", parse="json"))

    assert execution.steps["s"].output == {"a": [1, None]}


async def test_output_that_is_not_json_fails_and_says_what_to_do(house: House) -> None:
    execution = await house.run(step("echo no", parse="json", retry={"attempts": 3}))

    assert execution.error is not None
    assert "print JSON only, or drop `parse: json`" in execution.error.message
    assert execution.steps["s"].attempts == 1


async def test_a_failure_names_the_status_and_quotes_standard_error(house: House) -> None:
    execution = await house.run(step("echo fine; echo 'no such thing' >&2; exit 3"))

    assert execution.error is not None
    assert execution.error.code == "exit_status"
    assert execution.error.message == "the command ended with status 3\n  no such thing"


async def test_a_failure_quotes_the_last_twenty_lines_at_most(house: House) -> None:
    execution = await house.run(step("seq 100 >&2; exit 1"))

    assert execution.error is not None
    assert execution.error.message.splitlines()[1:] == [f"  {n}" for n in range(81, 101)]


async def test_a_failure_without_standard_error_quotes_the_output(house: House) -> None:
    execution = await house.run(step("echo why; false"))

    assert execution.error is not None
    assert execution.error.message == "the command ended with status 1\n  why"


async def test_a_command_ended_by_a_signal_is_said_so(house: House) -> None:
    execution = await house.run(step("kill -KILL $$"))

    assert execution.error is not None
    assert execution.error.message == "the command was ended by signal 9"


async def test_a_command_stops_at_its_first_failing_line(house: House) -> None:
    await house.run(step("false\ntouch reached"))

    assert not (house.workspace / "reached").exists()


async def test_a_pipe_fails_when_one_of_its_commands_fails(house: House) -> None:
    execution = await house.run(step("false | true"))

    assert execution.status == "failed"


async def test_the_command_runs_under_bash_with_nothing_to_read(house: House) -> None:
    execution = await house.run(step("[[ -n $BASH_VERSION ]] && cat && echo {1..3}"))

    assert execution.steps["s"].output == "1 2 3"


async def test_the_command_runs_in_the_workspace_or_a_folder_of_it(house: House) -> None:
    (house.workspace / "inner").mkdir()

    assert (await house.run(step("pwd"))).steps["s"].output == str(house.workspace)
    inner = await house.run(step("pwd", cwd="{{ 'in' + 'ner' }}"))
    assert inner.steps["s"].output == str(house.workspace / "inner")


@pytest.mark.parametrize(
    ("cwd", "says"),
    [
        ("..", "lies outside the workspace"),
        ("/", "lies outside the workspace"),
        ("link", "lies outside the workspace"),
        ("nowhere", "is not a folder"),
        ("file", "is not a folder"),
    ],
)
async def test_a_folder_outside_the_workspace_or_missing_is_refused(
    house: House, tmp_path: Path, cwd: str, says: str
) -> None:
    (house.workspace / "link").symlink_to(tmp_path)
    (house.workspace / "file").touch()

    execution = await house.run(step("touch ran", cwd=cwd))

    assert execution.error is not None
    assert says in execution.error.message
    assert not (tmp_path / "ran").exists()


async def test_env_reaches_the_command_as_text(house: House) -> None:
    env = {"A": "{{ inputs.v }}", "N": 90, "L": [1, "x"], "B": True}

    execution = await house.run(step('echo "$A|$N|$L|$B"', env=env), {"v": "$(id) '\""})

    assert execution.steps["s"].output == '$(id) \'"|90|[1,"x"]|true'


async def test_env_beats_the_surroundings(tmp_path: Path) -> None:
    async with open_house(tmp_path, {"A": "outside", "B": "outside"}) as house:
        execution = await house.run(step('echo "$A $B"', env={"A": "inside"}))

    assert execution.steps["s"].output == "inside outside"


async def test_inputs_reach_the_command_as_variables(house: House) -> None:
    execution = await house.run(
        step('echo "$INPUT_FILE"', inputs={"file": "{{ inputs.v }}"}), {"v": "a b"}
    )

    assert execution.steps["s"].output == "a b"


async def test_the_command_has_the_given_surroundings_and_not_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_PROCESS", "x")
    async with open_house(tmp_path, {"GIVEN": "y"}) as house:
        execution = await house.run(step("env"))

    names = {line.partition("=")[0] for line in execution.steps["s"].output.splitlines()}
    assert "GIVEN" in names
    assert "PATH" in names
    assert "A_SECRET_OF_THE_PROCESS" not in names


async def test_the_command_knows_its_execution_and_a_key_that_attempts_share(house: House) -> None:
    command = (
        'echo "$ASSAY_EXECUTION_ID $ASSAY_IDEMPOTENCY_KEY" | tee -a seen; [ $(wc -l <seen) = 2 ]'
    )

    execution = await house.run(step(command, retry={"attempts": 2, "delay": "0s"}))

    line = f"{execution.id} {execution.id}/s"
    assert (house.workspace / "seen").read_text().splitlines() == [line, line]


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 10_000_000])
async def test_a_value_of_any_size_reaches_a_builtin(house: House, size: int) -> None:
    value = "ä" + "x" * (size - 2)

    execution = await house.run(step("printf %s {{ inputs.v }} | sha256sum"), {"v": value})

    assert execution.steps["s"].output.split()[0] == hashlib.sha256(value.encode()).hexdigest()


async def test_many_values_together_may_be_large(house: House) -> None:
    value = "x" * 60_000
    command = "echo " + "{{ inputs.v }}" * 20 + " | wc -c"

    execution = await house.run(step(command), {"v": value})

    assert execution.steps["s"].output.strip() == "1200001"


async def test_the_private_files_of_large_values_are_gone_afterwards(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))

    await house.run(step("printf %s {{ inputs.v }} | wc -c"), {"v": "x" * 100_000})

    assert list(private.iterdir()) == []


async def test_output_that_is_not_utf_8_is_kept_readable(house: House) -> None:
    execution = await house.run(step("printf 'a\\xffb'"))

    assert execution.steps["s"].output == "a\ufffdb"


async def test_a_nul_in_env_is_refused_in_words(house: House) -> None:
    execution = await house.run(step("echo", env={"A": "{{ inputs.v }}"}), {"v": "a\0b"})

    assert execution.error is not None
    assert "`env` 'A' holds a NUL" in execution.error.message


@pytest.mark.parametrize("name", ["A=B", "", "A B", "A\0", "BASH_FUNC_echo%%", "1A"])
async def test_a_name_that_is_no_variable_is_refused_in_words(house: House, name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await house.run(step("echo", env={name: "() { touch canary; }"}))

    assert "no name of a variable" in caught.value.message
    assert list(house.workspace.iterdir()) == []


@pytest.mark.parametrize("name", ["BASH_ENV", "PS4", "SHELLOPTS"])
async def test_a_value_in_a_variable_that_bash_runs_is_refused(house: House, name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await house.run(step("echo", env={name: "{{ inputs.v }}"}), {"v": "./evil.sh"})

    assert f"a value in `{name}` would be program text of bash" in caught.value.message


async def test_a_variable_that_bash_runs_may_be_written_out(house: House) -> None:
    execution = await house.run(step("true", env={"SHELLOPTS": "xtrace"}))

    assert execution.steps["s"].outputs["stderr"] == "+ true\n"


async def test_an_input_of_any_name_has_a_variable(house: House) -> None:
    execution = await house.run(step('echo "$INPUT_A_B_C"', inputs={"a-b=c": "x"}))

    assert execution.steps["s"].output == "x"
