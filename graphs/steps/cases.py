"""Past cases that a decision is shown, and what of this one may be shown to later ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from ..binding import Filled, Formula
from ..call import Call
from ..expressions import text_of
from ..verdicts import CASE_LIMIT, VALUE_LIMIT, confirmed
from .judging import workflow_of


async def shown(call: Call, options: Collection[str]) -> Sequence[Mapping[str, Any]]:
    """Confirmed cases, each with its `values`, its `option` and where it is `of`: the same after
    a crash, whatever was said meanwhile."""
    each: int = call.step.examples
    if each == 0:
        return []
    name, journal = f"{call.attempt}.examples", call.run.journal
    kept = journal.decided(call.path, name)
    if kept is None:
        read = partial(
            call.run.services.store.verdicts, workflow=workflow_of(call), step=call.step.id
        )
        page = await journal.patiently(read)
        kept = [
            {"values": dict(case.values), "option": case.option, "of": of}
            for case, of in confirmed(page.items, options, each)
        ]
        journal.decide(call.path, name, lambda: kept)
    found: Sequence[Mapping[str, Any]] = kept
    return found


def values(call: Call) -> Mapping[str, str]:
    """What distinguishes this case from others: the values in its prompt, and its inputs."""
    bound, found = call.bound.fields.get(("prompt",)), {}
    if isinstance(bound, Filled):
        for piece in bound.pieces:
            if isinstance(piece, Formula):
                found[piece.expression.source] = piece.text(call.scope)
    for name, value in (call.value("inputs") or {}).items():
        found[name] = value if isinstance(value, str) else text_of(value)
    masked, room, kept = call.run.services.secrets.masked, CASE_LIMIT, {}
    for name, text in found.items():
        value = _clipped(masked(text))
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = value
    return kept


def told(cases: Sequence[Mapping[str, Any]]) -> str:
    """The cases as a model reads them, one a line."""
    return "\n".join(
        orjson.dumps({"case": case["values"], "option": case["option"]}).decode() for case in cases
    )


def _clipped(text: str) -> str:
    return text if len(text) <= VALUE_LIMIT else f"{text[:VALUE_LIMIT]}…"
