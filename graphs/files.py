"""Files of the workspace: read by expressions, kept by SHA-256 when a step ends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Token
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .call import Call, Yield
from .errors import ExpressionError, NotAllowed, OutputMissing, WorkspaceRefused
from .execution import Status, StepResult, timestamp
from .expressions import FunctionScope, current_scope, text_of
from .nearby import READ_LIMIT
from .step import Family
from .workspace import doors
from .workspace.tree import Files as Left

if TYPE_CHECKING:
    from .binding import BoundStep
    from .run import Run
    from .workspace.copy import WorkingCopy


def inside(workspace: Path, relative: str) -> Path:
    """The path in the workspace, links followed; raises `NotAllowed` when it leads outside."""
    root = workspace.resolve()
    try:
        target = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # A circle of links, a NUL, half a surrogate pair.
        raise NotAllowed(f"{relative!r} is no path: {error}") from error
    if not target.is_relative_to(root):
        raise NotAllowed(f"the path {relative!r} leads outside the workspace")
    return target


def opened(workspace: Path, relative: str) -> BinaryIO:
    """The plain file of the workspace; raises `NotAllowed` as `inside`, and `OSError`."""
    return doors.reading(workspace.resolve(), inside(workspace, relative))


def put(workspace: Path, relative: str, data: bytes) -> None:
    """Write a file of the workspace; raises `NotAllowed` as `inside`, and `OSError`."""
    doors.write(workspace.resolve(), inside(workspace, relative), data)


class Files:
    """What the functions of expressions see of files and time while one step is evaluated."""

    def __init__(self, run: Run, path: str) -> None:
        self._run = run
        self._path = path

    @staticmethod
    def enter(run: Run, path: str) -> Token[FunctionScope]:
        """Make the step at the path the one that expressions are evaluated for."""
        return current_scope.set(Files(run, path))

    @staticmethod
    def leave(token: Token[FunctionScope]) -> None:
        current_scope.reset(token)

    def read(self, file: str | Mapping[str, Any]) -> bytes:
        """The bytes of a file of the workspace, or of an artifact as its step left it."""
        if isinstance(file, str):
            return self._there(file)
        path, sha256 = str(file.get("path")), str(file.get("sha256", ""))
        if (kept := self._run.services.blobs.path(sha256)) is not None:
            place = kept
            return _read(lambda: place.open("rb"), path)
        data = self._run.nearby.get(sha256) or self._there(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ExpressionError(
                f"the file {path!r} is not what its step left, and what was kept of it is lost"
            )
        return data

    def _there(self, path: str) -> bytes:
        try:
            return _read(partial(opened, self._run.workspace, path), path)
        except NotAllowed as error:
            raise ExpressionError(error.message) from error

    def exists(self, path: str) -> bool:
        try:
            return inside(self._run.workspace, path).exists()
        except NotAllowed:
            return False

    def now(self) -> str:
        value: str = self._run.journal.decide(self._path, "now", timestamp)
        return value


def _read(open: Callable[[], BinaryIO], shown: str) -> bytes:
    try:
        with open() as file:
            if os.fstat(file.fileno()).st_size > READ_LIMIT:
                raise ExpressionError(f"the file {shown!r} is larger than {READ_LIMIT} bytes")
            return file.read(READ_LIMIT)
    except OSError as error:
        raise ExpressionError(f"the file {shown!r} cannot be read: {error.strerror}") from error


async def keep_files(
    call: Call, yielded: Yield
) -> tuple[Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
    """The step's named values, and the files it declared, kept by content.

    Raises `OutputMissing` when a declared file or key is not there.
    """
    outputs = dict(yielded.outputs)
    artifacts = dict(yielded.artifacts)
    if isinstance(call.step.outputs, dict):
        for name, path in call.value("outputs").items():
            outputs[name] = artifacts[name] = await _keep(call, path, name)
    elif call.step.outputs:
        outputs |= _named(call.step.outputs, call.step.kind, yielded)
    for name, path in (call.value("artifacts") or {}).items():
        artifacts[name] = await _keep(call, path, name)
    return outputs, artifacts


def _named(names: list[str], kind: str, yielded: Yield) -> dict[str, Any]:
    """One name is the whole value, unless the kind has an output of that name; several pick
    keys."""
    if len(names) == 1:
        own = {} if kind in ("python", "skill") else yielded.outputs
        return {names[0]: own.get(names[0], yielded.output)}
    available = {**yielded.outputs}
    if isinstance(yielded.output, Mapping):
        available |= yielded.output
    absent = [n for n in names if n not in available]
    if absent:
        raise OutputMissing(
            f"`outputs` names {', '.join(map(repr, absent))}, but the step gave "
            f"{', '.join(map(repr, sorted(available))) or 'one value without names'}"
        )
    return {n: available[n] for n in names}


async def _keep(call: Call, path: Any, name: str) -> Mapping[str, Any]:
    relative = text_of(path)
    target = inside(call.workspace, relative)
    if not target.is_file():
        raise OutputMissing(
            f"the file {relative!r}, declared as {name!r}, was not there when the step ended"
        )
    blobs = call.run.services.blobs
    try:
        file = opened(call.workspace, relative)
    except OSError as error:
        raise OutputMissing(
            f"the file {relative!r}, declared as {name!r}, cannot be read: {error.strerror}"
        ) from error
    with file:
        # What runs beside may put a link in its place meanwhile.
        handle = Path(f"/proc/self/fd/{file.fileno()}")
        source = handle if handle.exists() else target
        sha256 = await call.run.journal.patiently(lambda: blobs.put(source))
        artifact = {"path": relative, "sha256": sha256, "size": os.fstat(file.fileno()).st_size}
        await call.run.nearby.keep(artifact, source)
    return artifact


async def restore_file(artifact: Mapping[str, Any], run: Run) -> None:
    """Put a kept file back where its step had left it; raises `StoreError` when it is lost."""
    data = await run.services.blobs.get(artifact["sha256"])
    with suppress(OSError), opened(run.workspace, artifact["path"]) as file:
        if file.read(len(data) + 1) == data:
            return
    put(run.workspace, artifact["path"], data)


_APART = frozenset({"set", "emit", "http", "decide"})
"""Kinds that do work, and none of it in the workspace unless they declare files."""


def touches_files(bound: BoundStep, family: Family) -> bool:
    """Whether the step may change files of the workspace."""
    if family not in (Family.DETERMINISTIC, Family.AGENTIC):
        return False
    declares = isinstance(bound.step.outputs, dict) or bound.step.artifacts
    return bound.kind not in _APART or bool(declares)


def copy_of(bound: BoundStep, run: Run) -> WorkingCopy | None:
    """Where changes of files must be recorded when the step ends; None: nowhere."""
    if run.copy is None:
        return None
    return run.copy if touches_files(bound, run.services.kinds.get(bound.kind).family) else None


async def with_files(
    result: StepResult, copy: WorkingCopy, fail: Callable[[Exception], StepResult]
) -> StepResult:
    """The result with what the step left in the workspace, or as it fails by that.

    It must go to the journal before anything else is awaited: see `WorkingCopy.record`.
    """
    left: list[Left] = []
    failed = result.status is not Status.COMPLETED
    try:
        await copy.record(result.path, left.append, failed=failed)
    except WorkspaceRefused as error:
        return fail(error)
    return replace(result, files=left[0])


async def between_attempts(
    bound: BoundStep, path: str, note: Callable[..., None], run: Run
) -> None:
    """Note in the journal that another attempt follows, with the files that it will find."""
    copy = copy_of(bound, run)
    if copy is None:
        note()
    else:
        await copy.record(path, lambda files: note(files=files), failed=True, again=True)
