"""Where tools work: a folder they cannot leave, a profile, and a bound on what they return."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from ...graphs.errors import NotAllowed
from ...graphs.limits import Limits
from ...graphs.profiles import Profile
from ...graphs.thinking import Leash

RESULT_LIMIT = 32_000
"""Characters of a tool's result that a model is given."""

_STATE = ".assay"
_PROTECTED = frozenset({".git", _STATE})


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tools of one agentic step are bound to; `leash` where it has a memory."""

    workspace: Path
    profile: Profile
    environ: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    leash: Leash | None = None

    @property
    def top(self) -> Path:
        """The workspace, links followed."""
        return self.workspace.resolve()

    def inside(self, path: str, *, write: bool = False) -> Path:
        """The path in the workspace, links followed; raises `NotAllowed` when it leads outside.

        Nothing may be written under `.git` or `.assay`: what lies there is executed or
        believed by others. Nor may the store be read, which holds what others were told.
        """
        root = self.top
        if "\0" in path:
            raise NotAllowed(f"the path {path!r} holds a NUL; name a file of the workspace")
        try:
            target = (root / path).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise NotAllowed(f"the path {path!r} cannot be followed: {error}") from error
        if not target.is_relative_to(root):
            raise NotAllowed(
                f"the path {path!r} leads outside the workspace; name one inside it, "
                "relative to its top"
            )
        parts = {part.casefold() for part in target.relative_to(root).parts}
        if not write and _STATE in parts:
            raise NotAllowed(f"nothing may be read of {path!r}: {_STATE} is Assay's own")
        if write and parts & _PROTECTED:
            raise NotAllowed(f"nothing may be written to {path!r}: .git and .assay are protected")
        return target

    def shown(self, target: Path) -> str:
        """A path as the model sees it: relative to the workspace, with forward slashes."""
        return os.path.relpath(target, self.top).replace(os.sep, "/")


class Tool(BaseModel):
    """One call of a tool: its fields are the arguments, its docstring what the model reads."""

    async def work(self, reach: Reach) -> str:
        """What the model is told. An error raised here reaches the model as text."""
        raise NotImplementedError


def clean(text: str) -> str:
    """Text that every model server accepts: no NUL, no half of a character."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{SYMBOL FOR NULL}")


def bounded(text: str, *, tail: bool = False, limit: int = RESULT_LIMIT) -> str:
    """The text within the limit; with `tail` most of what is kept is its end."""
    if len(text) <= limit:
        return text
    head = limit // 4 if tail else limit
    left_out = f"\n[… {len(text) - limit} characters left out …]\n"
    return text[:head] + left_out + (text[-(limit - head) :] if tail else "")
