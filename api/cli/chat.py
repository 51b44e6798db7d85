"""`assay chat`: what people on chat platforms may do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...graphs.errors import InvalidInput
from ...graphs.listing import every
from ...graphs.registry import nearest
from ..access import Operation, most
from ..keys import issue
from .exits import OK
from .lookup import open_store
from .opened import here_only
from .output import Output
from .principals import CHAT, lasts, listed, record, told
from .text import clean

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
    from ...triggers.chat.adapters import platforms

    here_only("chat")
    if platform not in (known := platforms()):
        raise InvalidInput(f"{platform!r} is no chat platform{nearest(platform, known)}")
    id = _id(platform, user)
    made = issue(name or user, role, scopes, lasts=lasts(expires), profile=profile).principal
    person = replace(made, id=id, key_hash=None)
    async with open_store() as store:
        about = {"role": role, "scopes": list(scopes), "profile": most(person)}
        await record(store, Operation.CREATE_KEY, id, about)
        await store.put_principal(person)
    until = f", until {person.expires_at}" if person.expires_at else ""
    Output().line(clean(f"{id}, {person.name}: {role}, {most(person)}{until}"))
    return OK


async def show(*, json: bool) -> int:
    """Everybody who was allowed anything."""
    here_only("chat")
    out = Output()
    async with open_store() as store:
        found = [each async for each in every(store.principals) if each.id.startswith(CHAT)]
    if json:
        out.json([told(each) for each in found])
        return OK
    out.lines(map(listed, found))
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
        await record(store, Operation.REVOKE_KEY, id, {})
        await store.delete_principal(id)
    Output().line(clean(f"{id} may nothing any more"))
    return OK


def _id(platform: str, user: str) -> str:
    if not _USER.fullmatch(user):
        raise InvalidInput(
            f"{user!r} is no person of a platform; write TEAM/USER, as the bot tells it"
        )
    return f"{CHAT}{platform}:{user}"
