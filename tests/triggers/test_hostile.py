"""What comes from outside may be anything: it is refused, or dead with a reason."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.errors import InvalidInput
from assay.graphs.firing import FiringStatus

from .test_dispatch import SAYS, House, opened

pytestmark = pytest.mark.anyio

ALONE = "\ud800"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path / "house") as open_house:
        yield open_house


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


async def test_what_cannot_be_json_is_refused(house: House) -> None:
    trigger = await house.triggered(SAYS)

    for payload in ({"a": ALONE}, {ALONE: 1}, 2**70, deep(5000), "x" * 600_000):
        with pytest.raises(InvalidInput):
            await house.desk.fire(trigger, payload)
    for attributes in ({"a": ALONE}, {ALONE: "x"}):
        with pytest.raises(InvalidInput):
            await house.desk.fire(trigger, {}, attributes=attributes)
    assert (await house.desk.store.firings()).items == []


async def test_a_firing_may_be_called_anything(house: House) -> None:
    trigger = await house.triggered(SAYS)

    for name in (ALONE, "", "\0", "x" * 100_000):
        firings = [await house.fire(trigger, {}, id=name) for _ in range(2)]
        assert [firing.status for firing in firings] == [FiringStatus.STARTED] * 2
        assert firings[0] == firings[1]


@pytest.mark.parametrize(
    "payload", [deep(240), {"a": "\0"}, float("nan"), None, {f"k{n}": n for n in range(20_000)}]
)
async def test_what_no_expression_can_read_is_dead_at_once(house: House, payload: Any) -> None:
    trigger = await house.triggered(SAYS, **{"if": "payload.a.b == 1", "key": "{{ payload }}"})

    dead = await house.fire(trigger, payload)

    assert (dead.status, dead.attempts) == (FiringStatus.DEAD, 1)
    assert "payload.a.b" in dead.reason


async def test_what_is_damaged_in_the_store_holds_up_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with opened(home, firing=False) as house:
        trigger = await house.triggered(SAYS)
        damaged, sound = [await house.desk.fire(trigger, {"text": "x"}) for _ in range(2)]
    connection = sqlite3.connect(home / "assay.db")
    with connection:
        connection.execute("UPDATE firings SET payload = '{' WHERE id = ?", (damaged.id,))
    connection.close()

    async with opened(home) as house:
        await house.until(sound, FiringStatus.STARTED)
