"""Every operation, for everybody who could ask, on every surface: as the table says."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from itertools import groupby

import pytest
from graphql import FieldNode, OperationDefinitionNode, build_schema, parse

from assay.api.access import Operation, Role
from assay.api.graphql.schema import schema
from assay.api.identity import Identity
from assay.api.socket.commands import COMMANDS
from assay.api.surfaces import application

from .asks import About, Ask, Caller, Reach, Surface, Told, expected, filled, masked, rule, shown
from .conftest import NOTHING, World
from .graphql import GraphQL
from .mcp import Mcp, Method
from .rest import Call, Rest, Streams
from .ws import Ws

pytestmark = pytest.mark.anyio

SURFACES = {kind.name: kind for kind in (Rest, GraphQL, Streams, Ws, Mcp)}
WHO = [*Role, None]


@pytest.fixture(scope="module")
async def surfaces(world: World, anyio_backend: str) -> AsyncIterator[dict[str, Surface]]:
    made = {name: kind(world.served.url) for name, kind in SURFACES.items()}
    yield dict(made)
    for each in made.values():
        await each.aclose()


@pytest.mark.parametrize("who", WHO, ids=str)
@pytest.mark.parametrize("name", SURFACES)
async def test_what_is_read_is_what_the_reader_may_see(
    world: World, surfaces: dict[str, Surface], name: str, who: Role | None
) -> None:
    surface, wrong = surfaces[name], Wrong()
    await world.settle()
    for caller in _of(world, who):
        things = world.things(caller)
        for ask in surface.asks:
            if ask.operation.changes:
                continue
            told = await surface.ask(caller, filled(ask.how, things))
            wrong.check(caller, ask, told, expected(ask, caller))
            if told.kind == "done" and ask.shows:
                seen = things[ask.shows] in told.text
                wrong.check(caller, ask, told, "done", seen == shown(ask, caller), "seen")
            await _like_nothing(world, surface, caller, ask, told, wrong)
        both = world.ours.changes() + world.theirs.changes()
        audited = world.ours.audited() + world.theirs.audited()
        assert (both, audited) == ([], []), f"{caller} has only looked"
    wrong.report()


@pytest.mark.parametrize("who", WHO, ids=str)
@pytest.mark.parametrize("name", SURFACES)
async def test_a_refused_change_changes_nothing_and_is_audited(
    world: World, surfaces: dict[str, Surface], name: str, who: Role | None
) -> None:
    surface, wrong = surfaces[name], Wrong()
    await world.settle()
    for caller in _of(world, who):
        things = world.things(caller)
        for ask in surface.asks:
            kind = expected(ask, caller)
            if not ask.operation.changes or kind == "done":
                continue
            told = await surface.ask(caller, filled(ask.how, things))
            wrong.check(caller, ask, told, kind)
            written = world.ours.changes() + world.theirs.changes()
            wrong.check(caller, ask, told, kind, not written, f"has written: {written}")
            _audited(world, surface, ask, caller, told, wrong)
            await _like_nothing(world, surface, caller, ask, told, wrong)
    wrong.report()


@pytest.mark.parametrize("who", WHO[:-1], ids=str)
@pytest.mark.parametrize("name", SURFACES)
async def test_an_allowed_change_is_made_and_audited(
    world: World, surfaces: dict[str, Surface], name: str, who: Role
) -> None:
    surface, wrong = surfaces[name], Wrong()
    for caller in _of(world, who):
        for ask in surface.asks:
            if not ask.operation.changes or expected(ask, caller) != "done":
                continue
            foreign = caller.reach is Reach.FOREIGN
            things = world.things(caller)
            if not foreign or ask.about is About.NAME:
                things = {**things, **await world.fresh(ask.operation)}
            await world.settle()
            told = await surface.ask(caller, filled(ask.how, things))
            wrong.check(caller, ask, told, "done")
            own, others = world.books(caller)
            if not (foreign and ask.operation in _NOTHING_THERE):
                wrong.check(caller, ask, told, "done", bool(own.changes()), "has written nothing")
            written = others.changes()
            wrong.check(caller, ask, told, "done", not written, f"wrote elsewhere: {written}")
            _audited(world, surface, ask, caller, told, wrong)
    await world.settle()
    wrong.report()


@pytest.mark.parametrize("name", SURFACES)
def test_every_operation_is_asked_for_or_said_to_be_missing(name: str) -> None:
    kind = SURFACES[name]
    asked = {ask.operation for ask in kind.asks}
    assert not asked & kind.lacks
    assert sorted(asked | kind.lacks) == sorted(Operation)


def test_every_route_of_rest_is_asked(world: World) -> None:
    app = application(world.served.tenants, Identity(world.served.tenants))
    described = app.openapi()["paths"]
    there = {
        Call(method.upper(), path).route
        for path, methods in described.items()
        for method in methods
        if not path.startswith("/hooks/")  # nobody has a key there: tests/triggers/test_webhooks.py
    }
    assert {ask.how.route for ask in (*Rest.asks, *Streams.asks)} == there
    others = {path for route in app.routes if (path := getattr(route, "path", "")) not in described}
    known = {"/graphql", "/mcp", "/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/ws"}
    known |= {"/chat/{platform}"}  # who may what there is told by tests/triggers/chat
    assert {path for path in others if path} == known, "a surface that the matrix does not ask"


def test_every_field_of_the_graph_is_asked() -> None:
    asked: dict[str, set[str]] = {"query": set(), "mutation": set(), "subscription": set()}
    for ask in GraphQL.asks:
        for operation in parse(ask.how.text).definitions:
            assert isinstance(operation, OperationDefinitionNode)
            for field in operation.selection_set.selections:
                assert isinstance(field, FieldNode)
                asked[operation.operation.value].add(field.name.value)
    graph = build_schema(schema.as_str())
    there = {
        kind: set(root.fields)
        for kind, root in (
            ("query", graph.query_type),
            ("mutation", graph.mutation_type),
            ("subscription", graph.subscription_type),
        )
        if root is not None
    }
    assert asked == there


def test_every_command_of_the_socket_is_asked() -> None:
    asked = {ask.how.fields.get("command") for ask in Ws.asks} - {None}
    assert asked == set(COMMANDS)
    messages = {ask.how.fields["type"] for ask in Ws.asks}
    assert messages == {"command", "subscribe", "say"}


async def test_every_tool_and_resource_of_mcp_is_asked(
    world: World, surfaces: dict[str, Surface]
) -> None:
    (admin,) = [c for c in world.callers if c.role is Role.ADMIN and c.reach is Reach.WHOLE]
    tools = json.loads((await surfaces["mcp"].ask(admin, Method("tools/list", {}))).text)
    own = {
        t["name"] for t in tools["result"]["tools"] if "assay/workflow" not in t.get("_meta", {})
    }
    asked = {ask.how.params.get("name") for ask in Mcp.asks} - {None, "{workflow}"}
    assert asked == own
    told = await surfaces["mcp"].ask(admin, Method("resources/templates/list", {}))
    templates = json.loads(told.text)["result"]["resourceTemplates"]
    there = {_bare(each["uriTemplate"]) for each in templates}
    assert {_bare(a.how.params["uri"]) for a in Mcp.asks if "uri" in a.how.params} == there


def _bare(uri: str) -> str:
    """A URI or a template of one, without what it names."""
    return re.sub(r"{[?][^}]*}|/plan$", "", re.sub(r"{[a-z]+}", "{}", uri)).replace("/{}/{}", "/{}")


_NOTHING_THERE = (Operation.INVALIDATE_CACHE, Operation.REVOKE_KEY, Operation.FORGET_MEMORY)
"""What changes nothing where there is nothing of it."""


class Wrong:
    """Everything that was not as the table says, told at once."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def check(
        self,
        caller: Caller,
        ask: Ask,
        told: Told,
        kind: str,
        fits: bool | None = None,
        what: str = "",
    ) -> None:
        if fits is None:
            fits = told.kind == kind
        if not fits:
            said = f"{ask}\n    wanted {kind}, got {told.kind}; {what}\n    {told.text[:300]}"
            self._found.append((str(caller), said))

    def report(self) -> None:
        lines = []
        for caller, found in groupby(self._found, lambda each: each[0]):
            lines += [f"{caller}:", *(f"  {said}" for _, said in found)]
        assert not lines, "\n".join(lines)


def _of(world: World, who: Role | None) -> list[Caller]:
    return [caller for caller in world.callers if caller.role is who]


async def _like_nothing(
    world: World, surface: Surface, caller: Caller, ask: Ask, told: Told, wrong: Wrong
) -> None:
    """What is not for the caller is answered, to the byte, as what is nowhere."""
    if told.kind != "absent":
        return
    things = world.things(caller)
    twin = {name: _NOWHERE.get(name, NOTHING["execution"]) for name in things}
    nothing = await surface.ask(caller, filled(ask.how, twin))
    same = masked(told.text, things) == masked(nothing.text, twin)
    wrong.check(caller, ask, told, "absent", same, f"and of nothing: {nothing.text[:300]}")


_NOWHERE = {**NOTHING, "new": "team-new", "new_trigger": "new", "key": "no-key"}


def _audited(
    world: World, surface: Surface, ask: Ask, caller: Caller, told: Told, wrong: Wrong
) -> None:
    """One entry in the caller's tenant for what was decided, none for what is not there."""
    own, others = world.books(caller)
    wanted = []
    if told.kind in ("done", "forbidden"):
        allowed = int(told.kind == "done")
        wanted = [(caller.id, str(ask.operation), allowed, rule(ask, caller), surface.name)]
    found = [
        (*entry[:3], entry[3][: len(wanted[0][3])] if wanted else entry[3], entry[4])
        for entry in own.audited()
    ]
    fits = found == wanted and not others.audited()
    wrong.check(caller, ask, told, told.kind, fits, f"audit: {json.dumps(found)}")
