"""Whoever is cut off, slow, or loses the server hears exactly what the journal says.

`ASSAY_LONG=1` plays with 200 subscribers over 50 executions; `ASSAY_SEED` says how.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from .play import Play, Size
from .subscribers import Spoil
from .surfaces import SURFACES, Heard

pytestmark = pytest.mark.anyio

LONG = bool(os.environ.get("ASSAY_LONG"))
SIZE = Size(200, 50, kills=6, parts=10, spread=30) if LONG else Size(40, 10, kills=2)
SEED = int(os.environ.get("ASSAY_SEED", "1"))


@pytest.mark.timeout(7200 if LONG else 900)
async def test_every_subscriber_ends_with_exactly_the_journals_sequence(tmp_path: Path) -> None:
    verdict = await Play(tmp_path, SIZE, SEED).run()
    assert verdict.faults == []
    assert verdict.executions == SIZE.executions + 1, "each was begun once"
    assert verdict.lives == SIZE.kills + 1
    assert verdict.cuts > SIZE.subscribers
    assert verdict.heard > SIZE.subscribers * 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("surface", SURFACES)
async def test_a_server_that_told_something_else_would_be_noticed(
    tmp_path: Path, surface: str
) -> None:
    size = Size(len(SPOILS), 1, kills=0, parts=2, spread=0.1, bytes=1e9, pause=0)
    size = replace(size, surfaces=[surface])
    verdict = await Play(tmp_path, size, SEED, [spoil() for spoil in SPOILS]).run()
    assert len({fault.who for fault in verdict.faults}) == len(SPOILS)


def loses() -> Spoil:
    return _at_the_third(lambda _: [])


def repeats() -> Spoil:
    return _at_the_third(lambda heard: [heard, heard])


def confuses() -> Spoil:
    return _at_the_third(lambda heard: [Heard({**(heard.event or {}), "path": "x"}, heard.cursor)])


def swaps() -> Spoil:
    held: list[Heard] = []

    def hear(heard: Heard) -> Sequence[Heard]:
        if heard.event is None or heard.event["seq"] not in (3, 4):
            return [heard]
        held.insert(0, heard)
        return held if len(held) == 2 else []

    return hear


SPOILS = (loses, repeats, confuses, swaps)


def _at_the_third(wrong: Spoil) -> Spoil:
    count = 0

    def hear(heard: Heard) -> Sequence[Heard]:
        nonlocal count
        count += heard.event is not None
        return wrong(heard) if count == 3 and heard.event is not None else [heard]

    return hear
