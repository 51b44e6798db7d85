"""The working copy of an execution: the folder in which its steps work while it is driven here."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ..errors import ExecutionNotFound, WorkspaceRefused
from ..history import History
from ..ports import Blobs, Executions
from .bounds import Bounds, Workspaces
from .keeping import keep
from .restoring import remove, restore
from .scan import IGNORED, Found, Ignored, scan
from .tree import Changes, Entry, Files, changes, same, tree_of

Patiently = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Does the work, and again after a while as long as it raises `StoreUnavailable`."""

_TICK = 100_000_000
"""Nanoseconds within which a second change of a file may not show in its times."""

_COARSE = 2_000_000_000
"""The same where the file system keeps whole seconds."""

_GONE = ".gone-"


class WorkingCopy:
    """One folder of one execution, while it is driven by one process.

    It begins as the journal says that the files are, and every change is found when a step
    ends. `patiently` waits for a store or disk that is full.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        execution_id: str,
        history: History,
        blobs: Blobs,
        patiently: Patiently,
        ignore: Sequence[str] = (),
    ) -> None:
        self._home = workspaces.folder
        self._own = self._home / _name(execution_id)
        self.folder = self._own / secrets.token_hex(4)
        self._history = history
        self._blobs = blobs
        self._patiently = patiently
        self._ignore = Ignored([*IGNORED, *ignore])
        self._bounds = workspaces.bounds
        self._ready = False
        self._turn = asyncio.Lock()
        self._tree: dict[str, Entry] = {}
        self._signs: dict[str, tuple[int, ...]] = {}
        self._under_way: set[str] = set()
        self._seen: set[str] = set()
        self._failed: dict[str, set[str]] = {
            path: set(changes(tried.files)) for path, tried in history.tried.items()
        }

    async def ready(self) -> None:
        """Make the folder what the journal says. Raises `StateCorrupted`.

        What a process that was killed has left of this execution is used, and removed.
        """
        async with self._turn:
            if self._ready:
                return
            self._tree = dict(tree_of(self._history))
            left = await asyncio.to_thread(self._left)
            await self._restored(left)
            for folder in left:
                await asyncio.to_thread(remove, folder)
            self._ready = True

    async def begin(self, path: str) -> None:
        """A step that may touch files begins."""
        await self.ready()
        self._under_way.add(path)
        self._seen.add(path)

    def end(self, path: str) -> None:
        """It has ended; what it did and nobody has recorded comes to whoever ends next."""
        self._under_way.discard(path)

    async def record(
        self,
        path: str,
        write: Callable[[Files], None],
        *,
        failed: bool = False,
        again: bool = False,
    ) -> None:
        """Find what has changed since the last record, keep it, and `write` it into the journal
        as what the step at the path leaves.

        That happens in turn, for records count in the order in which changes were found.
        `again`: another attempt follows, whose record says all of it once more. Raises
        `WorkspaceRefused` unless the step has `failed` anyway; then the folder is as it was
        recorded last, if nobody else works in it.
        """
        async with self._turn:
            try:
                changed = await self._patiently(self._changes)
            except WorkspaceRefused:
                if not self._under_way - {path}:
                    await self._restored([])
                if not failed:
                    raise
                changed = {}
            before = self._failed.pop(path, set())
            told = {p: self._tree.get(p) for p in sorted(before | changed.keys())}
            sharers = sorted(self._seen - {path})
            self._seen = self._under_way - (set() if again else {path})
            if again and told:
                self._failed[path] = set(told)
            write({"changed": told, "with": sharers} if told else {})

    def remove(self) -> None:
        """Out of the way at once, and from the disk soon: nothing in it is needed any more."""
        gone = self._home / f"{_GONE}{secrets.token_hex(4)}"
        with suppress(OSError):
            os.rename(self.folder, gone)
            asyncio.get_running_loop().run_in_executor(None, remove, gone)
        with suppress(OSError):
            self._own.rmdir()

    def _left(self) -> list[Path]:
        try:
            return [one for one in self._own.iterdir() if one != self.folder]
        except FileNotFoundError:
            return []

    async def _restored(self, sources: Sequence[Path]) -> None:
        await self._patiently(
            lambda: restore(self.folder, self._tree, self._blobs, sources, self._ignore)
        )
        self._signs = (await asyncio.to_thread(self._look, _UNBOUND)).signs

    async def _changes(self) -> Changes:
        """Find what has changed, keep it, and take it for known."""
        looked = await asyncio.to_thread(self._look, self._bounds)
        tree = looked.tree
        if looked.doubtful:
            kept = {entry[3]: entry for entry in self._tree.values() if entry[0] == "f"}
            tree |= await keep(self.folder, looked.doubtful, kept, self._blobs)
        changed: dict[str, Entry | None] = {}
        if looked.doubtful or looked.differs or len(tree) != len(self._tree):
            changed |= {p: None for p in self._tree if p not in tree}
            changed |= {p: e for p, e in tree.items() if not same(e, self._tree.get(p))}
        self._tree, self._signs = tree, looked.signs
        return changed

    def _look(self, bounds: Bounds) -> _Looked:
        """What is there, as far as that can be told without reading files."""
        now = time.time_ns()
        looked = _Looked()
        for path, one in scan(self.folder, self._ignore, bounds).items():
            known = self._tree.get(path)
            if one.kind == "f":
                if max(one.sign[1:3]) < now - (_TICK if one.sign[1] % 10**9 else _COARSE):
                    looked.signs[path] = one.sign
                if known is None or known[0] != "f" or self._signs.get(path) != one.sign:
                    looked.doubtful.append((path, one))
                    continue
                entry = known if known[1] == one.mode else ["f", one.mode, *known[2:]]
            else:
                entry = ["d", one.mode] if one.kind == "d" else ["l", one.target]
                entry = known if known == entry else entry
            looked.tree[path] = entry
            looked.differs = looked.differs or entry is not known
        return looked


@dataclass(slots=True)
class _Looked:
    """`signs` tell by what a change of a file would show, where it would; `doubtful` files
    must be read; `differs`: something else than these is not as it was."""

    tree: dict[str, Entry] = field(default_factory=dict)
    signs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    doubtful: list[tuple[str, Found]] = field(default_factory=list)
    differs: bool = False


async def tidy(home: Path, store: Executions) -> None:
    """Remove what is left of executions that have ended, here or on another machine."""
    for folder in await asyncio.to_thread(_listed, home):
        if not folder.name.startswith(_GONE):
            try:
                if not (await store.execution(unquote(folder.name))).status.terminal:
                    continue
            except ExecutionNotFound:
                pass
        await asyncio.to_thread(remove, folder)


def _name(execution_id: str) -> str:
    """Ids may be anybody's, as those of imported executions are."""
    return quote(execution_id, safe="").replace(".", "%2E")


def _listed(home: Path) -> list[Path]:
    try:
        return list(home.iterdir())
    except FileNotFoundError:
        return []


_UNBOUND = Bounds(2**63, 2**63, 2**63)
