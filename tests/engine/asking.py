"""Questions as tests meet them: waited for by events, answered by path."""

from __future__ import annotations

from typing import Any

import assay
from assay.graphs.event import EventType
from assay.graphs.question import Question

from ..running import House


async def asked(house: House, execution: assay.Execution, *paths: str) -> Question:
    """The open question of the (last named) step, as soon as all of them are asked."""
    following = house.app.manager.follow(execution.id)
    try:
        while True:
            found = {q.path: q for q in await open_questions(house, execution)}
            missing = set(paths) - found.keys()
            if not missing:
                return found[paths[-1]]
            while missing:
                event = await anext(following)
                if event.type is EventType.QUESTION_ASKED:
                    missing.discard(event.path)
    finally:
        await following.aclose()  # type: ignore[attr-defined]


async def answered(
    house: House, execution: assay.Execution, path: str, value: Any = None, **said: Any
) -> Question:
    """Answer the step at the path as soon as it asks; the question as it is then."""
    question = await asked(house, execution, path)
    return await house.app.manager.answer(question.id, value, **said)


async def ended(house: House, execution: assay.Execution, path: str) -> None:
    """As soon as the step at the path has its result."""
    following = house.app.manager.follow(execution.id)
    try:
        while path not in (await house.app.manager.get(execution.id)).steps:
            async for event in following:
                if event.path == path:
                    break
    finally:
        await following.aclose()  # type: ignore[attr-defined]


async def open_questions(house: House, execution: assay.Execution) -> list[Question]:
    """What people and events may answer, in the order of asking."""
    found: list[Question] = []
    after = None
    while True:
        page = await house.app.manager.questions(execution_id=execution.id, after=after)
        found += [q for q in page.items if not q.timed]
        after = page.cursor
        if after is None:
            return found
