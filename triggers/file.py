"""Triggers that files fire: one that came, was written, or went away."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from ..graphs.errors import InvalidInput, LimitReached
from ..graphs.execution import timestamp
from ..graphs.firing import Firings, Lane, Trigger
from ..graphs.records import moment
from ..graphs.step import LAX, Duration
from ..graphs.trigger import Fire, TriggerSpec
from .folder import Found, check_pattern, scan
from .sightings import Change, FileEvent, Sightings, packed, unpacked

_log = logging.getLogger("assay.triggers")

FILE = "file"

_SHORTEST = 0.05


class FileTrigger(TriggerSpec):
    """Fired by files in the workspace: those that come, change, or go away."""

    brings: ClassVar[Sequence[str]] = ("path", "event", "size", "modified_at")

    type: Literal["file"]
    path: Annotated[str, AfterValidator(check_pattern)] = Field(
        description="Which files, relative to the workspace: `inbox/*.csv`, `reports/**`."
    )
    on: Annotated[tuple[FileEvent, ...], LAX, Field(min_length=1)] = Field(
        default=("created", "modified"), description="What must have become of a file."
    )
    settle: Duration = Field(
        default=1.0, description="A file counts when it has not changed for so long."
    )
    interval: Annotated[Duration, Field(ge=_SHORTEST)] = Field(
        default=1.0, description="How often to look."
    )
    existing: bool = Field(
        default=False, description="Whether files that were there before the trigger are `created`."
    )


class File:
    model = FileTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Nothing: where files are is known to `Files`, which whoever serves puts in its place."""
        del trigger, spec, fire


class Files(File):
    """Looks at the files of `folder`; what has been told of them is kept in `store`."""

    def __init__(
        self, folder: Path, store: Firings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._store = store
        self._clock = clock

    async def making(self, trigger: Trigger) -> None:
        """Remember the files that are there before the trigger is: what comes between that and
        the first look is told of."""
        if trigger.type != FILE or trigger.profile:
            return
        spec = FileTrigger.model_validate(trigger.document)
        memory = _Memory(self._store, trigger.id, self._folder, spec)
        with suppress(LimitReached):  # whoever looks will say so
            await memory.begin_with(await asyncio.to_thread(scan, self._folder, spec.path))

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Raises `LimitReached` when there are too many files to watch."""
        assert isinstance(spec, FileTrigger)
        if trigger.profile:
            # Its executions see nothing of this folder, which may hold what others work on.
            _log.warning(
                "trigger %s watches no files: it is bound to the security profile %r, and only "
                "what is registered on the server itself sees the folder of the server",
                trigger.id,
                trigger.profile,
            )
            return
        memory = _Memory(self._store, trigger.id, self._folder, spec)
        noticed: frozenset[str] = frozenset()
        while True:
            found = await asyncio.to_thread(scan, self._folder, spec.path)
            for notice in sorted(set(found.notices) - noticed):
                _log.warning("trigger %s: %s", trigger.id, notice)
            noticed = frozenset(found.notices)
            if memory.sightings is None:
                await memory.begin_with(found)
            if memory.sightings is not None:
                changes = await memory.changes(found, self._clock())
                for change in changes:
                    if change.event in spec.on:
                        await fire(_payload(change), id=change.id)
                await memory.told(changes)
            await asyncio.sleep(spec.interval)


class _Memory:
    """What has been told of the files that one pattern fits in one folder: a lane."""

    def __init__(self, store: Firings, trigger: str, folder: Path, spec: FileTrigger) -> None:
        self.sightings: Sightings | None = None
        self._store = store
        self._spec = spec
        place = f"{trigger}\0{folder}\0{spec.path}".encode()
        self._lane = Lane(
            "w" + hashlib.sha256(place).hexdigest()[:31],
            trigger,
            timestamp(),
            lasting=True,
            revision=-1,
        )

    async def begin_with(self, found: Found) -> None:
        """With those that are known from before, or else with what was found, if it is whole."""
        if not found.whole:
            return
        versions = {path: seen.version for path, seen in found.files.items()}
        known = {} if self._spec.existing else versions
        if not await self._read() and not await self._put(known):
            await self._read()

    async def changes(self, found: Found, now: float) -> Sequence[Change]:
        """Those that nobody has told of."""
        assert self.sightings is not None
        changes = self.sightings.changes(found, now, self._spec.settle)
        known = self._lane.revision
        if changes and await self._read() and self._lane.revision > known:
            # Others have told of more: what was seen means something else to who knows that.
            changes = self.sightings.changes(found, now, self._spec.settle)
        return changes

    async def told(self, changes: Sequence[Change]) -> None:
        assert self.sightings is not None
        if not changes:
            return
        self.sightings.told(changes)
        while not await self._put(self.sightings.known):
            # Another process watches the same files, and has told of these, or of others.
            await self._read()
            if self.sightings.tells(changes):
                return
            self.sightings.told(changes)

    async def _read(self) -> bool:
        lane = await self._store.lane(self._lane.id)
        if lane is None:
            self._lane = replace(self._lane, revision=-1)
            return False
        self._lane = lane
        known = unpacked(lane.document["files"])
        if self.sightings is None:
            self.sightings = Sightings(known)
        else:
            self.sightings.learn(known)
        return True

    async def _put(self, known: Mapping[str, str]) -> bool:
        lane = replace(
            self._lane,
            at=timestamp(),
            document={"files": packed(known)},
            revision=self._lane.revision + 1,
        )
        try:
            put = await self._store.put_lane(lane)
        except InvalidInput as error:
            raise LimitReached(
                f"the names of the files that fit {self._spec.path!r} are too long to remember "
                "them all; write a narrower `path`, or move away the files that are done"
            ) from error
        if put:
            self._lane = lane
            self.sightings = self.sightings or Sightings(known)
        return put


def _payload(change: Change) -> dict[str, Any]:
    seen = change.seen
    return {
        "path": change.path,
        "event": change.event,
        "size": None if seen is None else seen.size,
        "modified_at": None if seen is None else moment(seen.modified_ns // 1000),
    }
