"""What people may do, as whoever composes the house tells the chat desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.question import Question
    from .adapter import Person

T = TypeVar("T")


class Powers(Protocol):
    """One person who is known. What they do is decided by the rules of every other surface, and
    audited; each method raises `NotAuthorized`, and what is not there for them as not found."""

    @property
    def name(self) -> str:
        """As approvers are named."""

    def begins(self, workflow: str) -> bool:
        """Whether they may begin executions of it."""

    async def begin(self, workflow: str, fire: Callable[[str, str], Awaitable[T]]) -> T:
        """Call `fire` with who they are, and the security profile that bounds what they begin."""

    async def execution(self, id: str) -> Execution: ...

    async def executions(self, limit: int) -> Sequence[Execution]:
        """The newest that they may see."""

    async def stop(self, id: str, reason: str = "") -> Execution: ...

    async def answer(
        self, id: str, value: Any = None, *, approved: bool = True, comment: str = ""
    ) -> Question: ...


Known: TypeAlias = "Callable[[Person], Awaitable[Powers | None]]"
"""What a person may do; None for a stranger."""
