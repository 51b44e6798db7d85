"""Whoever begins something, on whichever surface: no step of it is more than they may."""

from __future__ import annotations

import pytest

from assay.api.access import Operation, Role

from .asks import Reach, filled
from .conftest import World
from .test_matrix import SURFACES

pytestmark = pytest.mark.anyio

BEGINS = (Operation.START_EXECUTION, Operation.RETRY_EXECUTION, Operation.FORK_EXECUTION)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.EDITOR, Role.ADMIN])
@pytest.mark.parametrize("name", SURFACES)
async def test_what_is_begun_is_bound_on_every_surface(world: World, name: str, role: Role) -> None:
    manager = world.served.tenants.app().manager
    surface = SURFACES[name](world.served.url)
    (caller,) = [c for c in world.callers if (c.role, c.reach) == (role, Reach.WHOLE)]
    asked = [ask for ask in surface.asks if ask.operation in BEGINS]
    assert asked or set(BEGINS) <= surface.lacks
    try:
        for ask in asked:
            things = {**world.things(caller), **await world.fresh(ask.operation)}
            before = {one.id for one in (await manager.executions(limit=100)).items}

            told = await surface.ask(caller, filled(ask.how, things))

            assert told.kind == "done", told.text
            found = (await manager.executions(limit=100)).items
            begun = [one for one in found if one.id not in before]
            assert begun, ask
            bound = "" if role is Role.ADMIN else "restricted"
            assert {one.profile for one in begun} == {bound}, ask
    finally:
        await surface.aclose()
        await world.settle()
