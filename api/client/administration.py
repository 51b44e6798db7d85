"""The part of a client that looks after a server: its cache, slots, figures, keys and audit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from functools import partial

from ...graphs.lease import Slot
from ...graphs.memory import MemoryInfo
from ...graphs.scoring import ModelStats
from ...graphs.stored import AuditEntry, Principal
from ..administering import Stats
from ..keys import Issued
from .asking import Asking
from .reading import principal_of, record, segment


class Administration(Asking):
    async def slots(self, key: str | None = None) -> Sequence[Slot]:
        """Who holds units of a concurrency key, then who waits for one, in order of turn."""
        return [record(Slot, each) for each in await self._get("/v1/slots", key=key)]

    async def stats(self) -> Stats:
        """What the process that answers does."""
        found = await self._get("/v1/stats")
        return Stats(*(found[name] for name in Stats._fields))

    async def model_stats(
        self, workflow: str | None = None, step: str | None = None
    ) -> Sequence[ModelStats]:
        """How models fare at steps, by the newest verdicts on their answers."""
        found = await self._get("/v1/models/stats", workflow=workflow, step=step)
        return [record(ModelStats, each) for each in found]

    async def record_feedback(
        self, execution_id: str, path: str, *, passed: bool, comment: str = ""
    ) -> str:
        """Say whether the answer of a step's model was good; the model's name. Said again, the
        last word counts. Raises `NotPossible` where no model has answered."""
        body = {"path": path, "passed": passed, "comment": comment}
        place = f"/v1/executions/{segment(execution_id)}/feedback"
        found = await self._server.ask("POST", place, json=body, again=True)
        return str(found["model"])

    def memories(self, workflow: str | None = None) -> AsyncGenerator[MemoryInfo]:
        """Of which keys agents (of that workflow) remember something."""
        return self._listed("/v1/memories", partial(record, MemoryInfo), workflow=workflow)

    async def forget_memory(self, workflow: str, key: str) -> int:
        """Forget the conversation and the facts under a key; how many turns and facts."""
        place = f"/v1/memories/{segment(workflow)}"
        found = await self._server.ask("DELETE", place, params={"key": key}, again=True)
        return int(found["deleted"])

    async def invalidate_cache(self, prefix: str = "") -> int:
        """Forget the cached results whose step's path or key begins so; how many."""
        body = {"prefix": prefix}
        found = await self._server.ask("POST", "/v1/cache/invalidate", json=body, again=True)
        return int(found["deleted"])

    def keys(self) -> AsyncGenerator[Principal]:
        """Every key there is, without its secret."""
        return self._listed("/v1/keys", principal_of)

    async def create_key(
        self,
        name: str,
        role: str,
        scopes: Sequence[str] = (),
        lasts: timedelta | None = None,
        profile: str = "",
    ) -> Issued:
        """A new key. Its `secret` is told this one time. `profile`: what no step of what it
        begins exceeds; empty: `trusted` for an admin, else `restricted`."""
        seconds = None if lasts is None else int(lasts.total_seconds())
        body = {"name": name, "role": role, "scopes": list(scopes), "expires_in": seconds}
        body |= {"profile": profile} if profile else {}  # older servers know none
        found = await self._server.ask("POST", "/v1/keys", json=body)
        return Issued(principal_of(found), found["secret"])

    async def revoke_key(self, id: str) -> None:
        """From now on nobody is let in with it; one that is not there changes nothing."""
        await self._server.ask("DELETE", f"/v1/keys/{segment(id)}", again=True)

    def audit(self, target: str | None = None) -> AsyncGenerator[AuditEntry]:
        """Who changed what, or was not allowed to, newest first."""
        return self._listed("/v1/audit", partial(record, AuditEntry), target=target)
