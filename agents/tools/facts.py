"""The tools by which an agent notes what later executions should know, and finds it again."""

from __future__ import annotations

import orjson
from pydantic import Field

from ...graphs.errors import NotPossible
from ...graphs.memory import FACT_LIMIT, FOUND, found
from ...graphs.thinking import Leash
from .reach import Reach, Tool, bounded, clean


class Remember(Tool):
    """Note a fact under a name, so that you know it in later work, too. It takes the place of
    what has the same name; an empty fact forgets that."""

    name: str = Field(min_length=1, max_length=100, description="What the fact is about.")
    fact: str = Field(max_length=FACT_LIMIT, description="The fact, understandable by itself.")

    async def work(self, reach: Reach) -> str:
        await _leash(reach).note(clean(self.name), clean(self.fact))
        return f"{'noted' if self.fact else 'forgotten'}: {self.name}"


class Recall(Tool):
    """Look up facts that you have noted, in earlier work as well."""

    query: str = Field(
        default="", max_length=400, description="Words to look for; empty: the newest facts."
    )

    async def work(self, reach: Reach) -> str:
        facts = await _leash(reach).facts()
        best = found(facts, self.query)
        if not best:
            return "nothing is noted" + (f" that has a word of {self.query!r}" if facts else "")
        lines = [
            orjson.dumps({"name": f.name, "fact": f.text, "noted": f.at}).decode() for f in best
        ]
        left = len(facts) - len(best)
        more = [f"({FOUND} at most are shown, of {len(facts)} facts)"] if left else []
        return bounded("\n".join([*lines, *more]))


def _leash(reach: Reach) -> Leash:
    if reach.leash is None:
        raise NotPossible("this step has no memory")
    return reach.leash
