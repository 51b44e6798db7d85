"""What is asked of a whole store, and not of a workflow: its cache, keys, audit and figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from ..graphs.errors import InvalidInput
from ..graphs.profiles import TRUSTED, bounded
from ..graphs.stored import AuditEntry, Page, Principal
from .access import Operation, most
from .deciding import Deciding, size
from .keys import Issued, is_id, issue


class Stats(NamedTuple):
    """How many executions a process runs, how many it has taken up, whether it takes more."""

    worker: str
    running: int
    taken: int
    draining: bool


class Administering(Deciding):
    """The part of `Control` that looks after a store."""

    async def invalidate_cache(self, prefix: str = "") -> int:
        """Forget the cached results whose step's path or key begins so; how many."""
        return await self._change(
            Operation.INVALIDATE_CACHE,
            None,
            "cache",
            partial(self._store.invalidate, prefix),
            {"prefix": prefix},
        )

    def stats(self) -> Stats:
        """What this process does for the asker's tenant."""
        self._allow(Operation.READ_STATS)
        provider = self._manager.provider
        return Stats(self._store.worker, provider.busy, provider.begun, provider.draining)

    async def cached(self) -> int:
        """How many results of steps are cached and have not expired."""
        self._allow(Operation.READ_STATS)
        return await self._store.cached_results()

    async def keys(self, *, after: str | None = None, limit: int = 50) -> Page[Principal]:
        self._allow(Operation.READ_KEYS)
        return await self._store.principals(after=after, limit=size(limit))

    async def create_key(
        self,
        name: str,
        role: str,
        scopes: Sequence[str] = (),
        lasts: timedelta | None = None,
        profile: str = "",
    ) -> Issued:
        """A new principal, and its key, which is told this one time. Nobody gives a security
        profile that lets more than their own; empty: that of the role."""
        issued = issue(name, role, scopes, tenant=self.asker.tenant, lasts=lasts, profile=profile)
        given, own = most(issued.principal), most(self.asker.principal)
        beyond = (bounded(own, given) or TRUSTED) != given
        await self._change(
            Operation.CREATE_KEY,
            None,
            issued.principal.id,
            partial(self._store.put_principal, issued.principal),
            {"name": name, "role": role, "scopes": list(scopes), "profile": given},
            refused=f"nobody gives more than they have: {given!r} is more than {own!r}; name "
            "that as the `profile` of the key"
            if beyond
            else "",
        )
        return issued

    async def revoke_key(self, id: str) -> None:
        """From now on nobody is let in with it. One that is not there changes nothing.

        Raises `InvalidInput` for what is no id: who gives the key itself would believe that it
        is revoked, and the audit would keep it.
        """
        fits = is_id(id)

        async def revoked() -> None:
            if not fits:
                raise InvalidInput(
                    "this is no id of a key: give the eight characters that stand in it behind "
                    "`assay_`, as the list of keys shows them"
                )
            await self._store.delete_principal(id)

        await self._change(Operation.REVOKE_KEY, None, id if fits else "?", revoked, {})

    async def audit(
        self, *, target: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[AuditEntry]:
        """Who changed what, newest first."""
        self._allow(Operation.READ_AUDIT)
        return await self._store.audit(target=target, after=after, limit=size(limit))
