"""`assay chat`: what people on chat platforms may do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...graphs.errors import InvalidInput
from ...graphs.execution import timestamp
from ...graphs.stored import AuditEntry
from ..access import Operation, most
from ..identity import LOCAL
from ..keys import expired, issue
from .exits import OK
from .keys import CHAT, lasts
from .lookup import open_store
from .opened import here_only
from .output import Output
from .text import clean

if TYPE_CHECKING:
    from ...graphs.ports import Store
    from ...graphs.stored import Principal

_USER = re.compile(r"[^\s/]*/[^\s/]+")


async def allow(
    platform: str,
    user: str,
    name: str,
    role: str,
    scopes: Sequence[str],
    expires: str | None,
    profile: str,
) -> int:
    """Let somebody do what a role may; again: from now on only that. Raises `InvalidInput`."""
    here_only("chat")
    id = _id(platform, user)
    made = issue(name or user, role, scopes, lasts=lasts(expires), profile=profile).principal
    person = replace(made, id=id, key_hash=None)
    async with open_store() as store:
        about = {"role": role, "scopes": list(scopes), "profile": most(person)}
        await _record(store, Operation.CREATE_KEY, id, about)
        await store.put_principal(person)
    until = f", until {person.expires_at}" if person.expires_at else ""
    Output().line(clean(f"{id}, {person.name}: {role}, {most(person)}{until}"))
    return OK


async def show(*, json: bool) -> int:
    """Everybody who was allowed anything."""
    here_only("chat")
    out, found = Output(), []
    async with open_store() as store:
        after = None
        while True:
            page = await store.principals(after=after, limit=100)
            found += [each for each in page.items if each.id.startswith(CHAT)]
            if (after := page.cursor) is None:
                break
    if json:
        out.json([_about(each) for each in found])
        return OK
    for each in found:
        scopes = f" on {' '.join(each.scopes)}" if each.scopes else ""
        ends = f", {'expired' if expired(each) else f'until {each.expires_at}'}"
        end = ends if each.expires_at else ""
        out.line(clean(f"{each.id}  {each.role}, {most(each)}{scopes}  {each.name}{end}"))
    if not found:
        out.line("nobody on a chat platform was allowed anything")
    return OK


async def forbid(platform: str, user: str) -> int:
    """Take it back. Raises `InvalidInput` when there is nothing to take."""
    here_only("chat")
    id = _id(platform, user)
    async with open_store() as store:
        if await store.principal(id=id) is None:
            raise InvalidInput(f"{id} was allowed nothing; assay chat list shows who was")
        await _record(store, Operation.REVOKE_KEY, id, {})
        await store.delete_principal(id)
    Output().line(clean(f"{id} may nothing any more"))
    return OK


def _id(platform: str, user: str) -> str:
    if not _USER.fullmatch(user):
        raise InvalidInput(
            f"{user!r} is no person of a platform; write TEAM/USER, as the bot tells it"
        )
    return f"{CHAT}{platform}:{user}"


async def _record(store: Store, done: Operation, id: str, data: dict[str, Any]) -> None:
    rule = "whoever can open the store may"
    entry = AuditEntry(timestamp(), LOCAL.id, done, id, True, rule, {**data, "surface": "cli"})
    await store.record(entry)


def _about(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "name": principal.name,
        "role": principal.role,
        "scopes": list(principal.scopes),
        "profile": most(principal),
        "expires_at": principal.expires_at,
    }
