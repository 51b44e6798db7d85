"""The tool by which an agent asks a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ...graphs.errors import NotPossible
from .reach import Reach, Tool

ASK_HUMAN = "ask_human"


class AskHuman(Tool):
    """Ask a person who knows more than you; their answer may take days. Ask only for what the
    work cannot do without."""

    question: str = Field(min_length=1, max_length=4000, description="What they are asked.")
    options: list[str] | None = Field(
        default=None, min_length=2, max_length=20, description="What they may pick from, if so."
    )

    def schema_of_answer(self) -> Mapping[str, Any]:
        """What an answer may be, as JSON Schema."""
        if self.options is None:
            return {"type": "string", "minLength": 1}
        return {"enum": list(dict.fromkeys(self.options))}

    async def work(self, reach: Reach) -> str:
        """Never called: a person is asked before any tool of the turn is executed, so that
        nothing is cut off when the execution leaves memory meanwhile."""
        raise NotPossible("nobody was asked")
