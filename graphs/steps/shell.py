"""`shell`: a command under bash, in a process group of its own."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from ..call import Call, Kind, Yield
from ..errors import ShellFailed, Terminal
from ..event import EventType
from ..expressions import text_of
from ..orphans import KEY, end_orphans
from ..processes import Finished, Stream, run_process
from ..profiles import capped, profile
from ..sandbox import Hold
from ..secrets import Veil
from ..step import Data, Family, Role, Step, Text
from .holding import held

_TAIL = 20
"""Lines of standard error that a failure's message quotes."""


class ShellStep(Step):
    """Run a command."""

    type: Literal["shell"]
    command: Annotated[str, Role.COMMAND, Field(min_length=1)] = Field(
        description="Run by `bash -eo pipefail`; values arrive as data, never as program text."
    )
    parse: Literal["json"] | None = Field(default=None, description="Parse standard output.")
    cwd: Text | None = Field(default=None, description="Where to run, within the workspace.")
    env: dict[str, Data] | None = Field(default=None, description="Variables for the command.")
    security_profile: Literal["restricted", "standard", "trusted"] | None = Field(
        default=None, description="What the command may touch; absent: what you may."
    )


async def _work(call: Call) -> Yield:
    from ..shell import invocation, place  # loading the definition has imported it

    step: ShellStep = call.step
    cwd = folder(call.workspace, call.text("cwd"))
    parts = call.parts("command")
    literals: list[str | int] = []
    values: list[str] = []
    for literal, value in parts:
        if literal is not None:
            literals.append(literal)
        else:
            literals.append(len(values))
            values.append(text_of(value))
    if call.again:
        await end_orphans(call.idempotency_key)
    private = Path(tempfile.mkdtemp(prefix="assay-"))
    said = Said(call)
    try:
        ready = invocation(place(literals), values, step_id=step.id, directory=private)
        environ, hold = await _confined(call, private)
        finished = await run_process(
            ready.argv,
            cwd=cwd,
            env={**environ, **_variables(call), **ready.env},
            on_output=said.hear,
            limits=call.limits,
            hold=hold,
        )
    except BaseException:
        # What left the command's session did not hear of its end, and must not meet its repeat.
        await asyncio.shield(end_orphans(call.idempotency_key))
        raise
    finally:
        said.end()
        shutil.rmtree(private, ignore_errors=True)
    return _yield(step, finished)


async def _confined(call: Call, private: Path) -> tuple[Mapping[str, str], Hold | None]:
    """The variables that the command inherits, and what it is held to. Raises `NotAllowed`."""
    step: ShellStep = call.step
    name = capped(call.run.ceiling, step.security_profile)
    if name is None:
        return call.run.environ, None
    bounds = profile(name)
    environ = bounds.environment(call.run.environ)
    # The first to ask tries what the machine has.
    hold = await asyncio.to_thread(bounds.hold, call.workspace, environ, [private])
    if hold is not None:
        await held(call, bounds)
    return environ, hold


def folder(workspace: Path, relative: str) -> Path:
    """A folder of the workspace; raises `Terminal` when it is outside or not there."""
    target = (workspace / relative).resolve()
    if not target.is_relative_to(workspace.resolve()):
        raise Terminal(f"`cwd` {relative!r} lies outside the workspace; name a folder inside it")
    if not target.is_dir():
        raise Terminal(f"`cwd` {relative!r} is not a folder of the workspace {workspace}")
    return target


def _variables(call: Call) -> dict[str, str]:
    given = call.revealed("env") or {}
    named = {name: text_of(value) for name, value in given.items()}
    inputs = call.value("inputs")
    if isinstance(inputs, dict):
        given = {re.sub(r"\W", "_", k, flags=re.ASCII).upper(): v for k, v in inputs.items()}
        named = {f"INPUT_{k}": text_of(v) for k, v in given.items()} | named
    for name, value in named.items():
        if "\0" in value:
            raise Terminal(f"the value of `env` {name!r} holds a NUL, which no variable can")
    return {
        **named,
        "ASSAY_EXECUTION_ID": call.run.execution.id,
        KEY: call.idempotency_key,
    }


class Said:
    """Tells live what a program writes, as far as it can be no secret."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._veils: dict[Stream, Veil] = {}

    def hear(self, stream: Stream, chunk: bytes) -> None:
        self._tell(stream, chunk.decode(errors="replace"), last=False)

    def end(self) -> None:
        for stream in self._veils:
            self._tell(stream, "", last=True)

    def _tell(self, stream: Stream, text: str, *, last: bool) -> None:
        veil = self._veils.setdefault(stream, Veil(self._call.run.services.secrets))
        if told := veil.pass_on(text, last=last):
            self._call.emit(EventType.OUTPUT, stream=stream, text=told)


def _yield(step: ShellStep, finished: Finished) -> Yield:
    stdout = finished.stdout.decode(errors="replace")
    stderr = finished.stderr.decode(errors="replace")
    if finished.exit_status != 0:
        quoted = (stderr.strip() or stdout.strip()).splitlines()[-_TAIL:]
        how = (
            f"was ended by signal {-finished.exit_status}"
            if finished.exit_status < 0
            else f"ended with status {finished.exit_status}"
        )
        raise ShellFailed(f"the command {how}" + "".join(f"\n  {line}" for line in quoted))
    text = stdout.removesuffix("\n")
    output: Any = text
    if step.parse == "json":
        try:
            output = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Terminal(
                f"standard output is not JSON ({error}); print JSON only, or drop `parse: json`"
            ) from error
    return Yield(output, {"stdout": text, "stderr": stderr, "exit_code": finished.exit_status})


KIND = Kind(Family.DETERMINISTIC, ShellStep, _work)
