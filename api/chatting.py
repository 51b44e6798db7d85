"""Chat put together: the platforms that the settings name, and what people on them may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..graphs.errors import ConfigurationError
from ..graphs.registry import nearest
from ..graphs.secrets import SCHEME
from ..graphs.stored import Principal
from .access import Operation, Role, most
from .control import Asker, Control
from .deciding import Deciding
from .keys import expired

if TYPE_CHECKING:
    from ..graphs.execution import Execution
    from ..graphs.question import Question
    from ..triggers.chat.adapter import ChatAdapter, Person
    from ..triggers.chat.desk import ChatDesk
    from ..triggers.chat.router import Router
    from .app import App

T = TypeVar("T")

_DEMO = "demo"


def chat_desk(app: App, environ: Mapping[str, str]) -> ChatDesk | None:
    """What takes in what people say to bots, as ASSAY_CHAT says; None when it names no platform.

    Raises `ConfigurationError` for a platform that is unknown or not set up.
    """
    named = [name.strip() for name in environ.get("ASSAY_CHAT", "").split(",") if name.strip()]
    if not named:
        return None
    from ..triggers.chat.desk import ChatDesk

    known = People(app, _role(environ))
    return ChatDesk(app.triggers.desk, _adapters(app, environ, named), known, _router(app, environ))


def _adapters(app: App, environ: Mapping[str, str], named: Sequence[str]) -> Sequence[ChatAdapter]:
    from ..triggers.chat.adapters import platforms

    registry, made = platforms(), []
    secrets = app.manager.services.secrets
    for name in dict.fromkeys(named):
        if name not in registry:
            raise ConfigurationError(
                f"ASSAY_CHAT names {name!r}, which is no chat platform{nearest(name, registry)}"
            )
        own = f"ASSAY_{name.upper()}_"
        given = {
            variable: secrets.filled(value) if value.startswith(SCHEME) else value
            for variable, value in environ.items()
            if variable.startswith(own)
        }
        made.append(registry.get(name)(given))
    return made


def _router(app: App, environ: Mapping[str, str]) -> Router | None:
    """Nothing reads what people say in their own words unless a model is set up that can."""
    if environ.get("ASSAY_MODEL", _DEMO) == _DEMO and not environ.get("ASSAY_BASE_URL"):
        return None
    from ..triggers.chat.router import Router

    return Router(app.manager)


def _role(environ: Mapping[str, str]) -> str | None:
    role = environ.get("ASSAY_CHAT_ROLE") or None
    if role is not None and role not in list(Role):
        raise ConfigurationError(
            f"ASSAY_CHAT_ROLE is {role!r}, which is no role; there are: {', '.join(Role)}"
        )
    return role


class People:
    """Who may do what of those who write: rows of their own, or else the role of everybody who is
    of the bot's own team."""

    def __init__(self, app: App, role: str | None = None) -> None:
        self._app = app
        self._role = role

    async def __call__(self, person: Person) -> Chatter | None:
        """Raises `StoreError`."""
        found = await self._app.manager.store.principal(id=person.principal)
        if found is None and self._role is not None and not person.guest:
            found = Principal(person.principal, person.name or person.id, self._role)
        if found is None or expired(found):
            return None
        return Chatter(self._app, Asker(found, "chat"))


class Chatter:
    """One person of a chat, before the rules that hold on every surface."""

    def __init__(self, app: App, asker: Asker) -> None:
        self._asker = asker
        self._control = Control(app.manager, asker, app.triggers.desk)
        self._beginning = _Beginning(app.manager, asker)
        self.name = asker.principal.name

    def begins(self, workflow: str) -> bool:
        return self._control.may(Operation.START_EXECUTION, workflow)

    async def begin(self, workflow: str, fire: Callable[[str, str], Awaitable[T]]) -> T:
        return await self._beginning.fired(workflow, fire)

    async def execution(self, id: str) -> Execution:
        return await self._control.execution(id)

    async def executions(self, limit: int) -> Sequence[Execution]:
        return (await self._control.executions(limit=limit)).items

    async def stop(self, id: str, reason: str = "") -> Execution:
        return await self._control.stop(id, reason)

    async def answer(
        self, id: str, value: Any = None, *, approved: bool | None = None, comment: str = ""
    ) -> Question:
        return await self._control.answer(id, value, approved=approved, comment=comment)


class _Beginning(Deciding):
    async def fired(self, workflow: str, fire: Callable[[str, str], Awaitable[T]]) -> T:
        """Decided and audited as a start is, which the trigger then makes."""
        self._there(workflow)
        profile = most(self.asker.principal)
        return await self._change(
            Operation.START_EXECUTION,
            workflow,
            workflow,
            partial(fire, self.asker.principal.id, profile),
            {"profile": profile},
        )
