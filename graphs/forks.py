"""New executions that go on from a part of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import NotPossible, StateCorrupted
from .execution import HERE, Execution, Status, new_id, timestamp
from .fold import Holder, load
from .forking import Fork, fork
from .inputs import accept_inputs
from .launching import Launches, slot_of, withheld, within
from .profiles import bounded

if TYPE_CHECKING:
    from .history import History
    from .launch import Launch
    from .services import Services


class Forked(NamedTuple):
    """A record to begin with, what it needs to run, and what it keeps of the other's journal."""

    execution: Execution
    launch: Launch
    kept: History | None


class Forks:
    def __init__(self, services: Services, launches: Launches) -> None:
        self._services = services
        self._launches = launches

    async def plan(self, execution: Execution, path: str | None) -> Fork:
        """What would be kept and what would run again.

        Raises `InvalidInput`, `NotPossible` when another provider has its steps."""
        return await self._plan(execution, await self._launches.of(execution), path)

    async def forked(
        self,
        execution: Execution,
        path: str | None,
        inputs: Mapping[str, Any],
        how: str,
        profile: str,
    ) -> Forked:
        """Of another, from a path on, or from whatever failed; what another provider has
        executed begins anew. It is bound to the lower of two profiles: the other's, and that of
        whoever asks. Raises `InvalidInput`, `NotPossible`."""
        launch = await self._launches.of(execution)
        kept = None
        if execution.provider == HERE or path is not None:
            kept = (await self._plan(execution, launch, path)).kept
        accepted = accept_inputs(launch.program.workflow, inputs)
        now, profile = timestamp(), bounded(execution.profile, profile)
        env = within(execution.env, profile)
        begun = Execution(
            new_id(),
            execution.workflow,
            execution.version,
            execution.digest,
            Status.QUEUED,
            accepted,
            env=env,
            origin={"execution_id": execution.id, "path": path, "how": how},
            priority=execution.priority,
            slot=slot_of(launch.program, accepted, env),
            pins=execution.pins,
            notices=self._launches.notices(
                launch, execution.provider, profile, withheld(execution.env, env)
            ),
            workspace="" if profile else execution.workspace,
            fuse=execution.fuse,
            provider=execution.provider,
            profile=profile,
            created_at=now,
            updated_at=now,
        )
        return Forked(begun, launch, kept)

    async def _plan(self, execution: Execution, launch: Launch, path: str | None) -> Fork:
        if execution.provider != HERE:
            raise NotPossible(
                f"the steps of execution {execution.id} are with the provider "
                f"{execution.provider!r}; `retry` begins all of it anew"
            )
        lost: dict[Holder, str] = {}
        history = await load(
            self._services.store, self._services.blobs, execution.id, lost.__setitem__
        )
        planned = fork(launch.program, launch.children, history, path)
        kept = {(path, None) for path in planned.kept.results} | planned.kept.decisions.keys()
        for lacking in kept & lost.keys():
            raise StateCorrupted(f"{lost[lacking].rstrip('.')}; begin at that step, or before it")
        return planned
