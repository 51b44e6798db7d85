"""`assay trigger …` and `assay schedules`: what starts executions without a person."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import EventsJson, Json, NoAsk, Quiet, run

app = typer.Typer(
    help="List, make, switch, fire and follow what starts executions.", no_args_is_help=True
)
schedules = typer.Typer(help="Show what the clock fires, and when it is due.")

Trigger = Annotated[
    str, typer.Argument(metavar="ID", help="A trigger, as list shows it: WORKFLOW.NAME.")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Wait for nothing: whoever serves goes on with it.")
]


@app.callback()
def trigger() -> None:
    """What holds for every command about triggers."""


@app.command("list")
def list_triggers(
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="Only of this workflow.")
    ] = None,
    type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only of this type.")
    ] = None,
    json: Json = False,
) -> None:
    """List triggers, and when the clock fires them."""
    from ..triggers import listing

    raise run(listing(workflow, type, json=json))


@app.command()
def show(id: Trigger, json: Json = False) -> None:
    """Show a trigger, and what came of it last."""
    from ..triggers import show as show_one

    raise run(show_one(id, json=json))


@app.command()
def create(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="A registered one.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A trigger, in YAML or JSON, as in `triggers`; - is standard input.",
        ),
    ],
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="What it starts; without it, the newest."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a trigger beside those of the definition."""
    from ..triggers import create as create_one

    raise run(create_one(workflow, file, version, json=json))


@app.command()
def enable(id: Trigger, json: Json = False) -> None:
    """Switch a trigger on."""
    from ..triggers import switch

    raise run(switch(id, on=True, json=json))


@app.command()
def disable(id: Trigger, json: Json = False) -> None:
    """Switch a trigger off; what the clock misses meanwhile is not made up for."""
    from ..triggers import switch

    raise run(switch(id, on=False, json=json))


@app.command()
def delete(id: Trigger, json: Json = False) -> None:
    """Forget a trigger that is of no definition; its firings stay."""
    from ..triggers import delete as delete_one

    raise run(delete_one(id, json=json))


@app.command()
def fire(
    id: Trigger,
    payload: Annotated[
        str | None,
        typer.Option("--payload", "-p", metavar="JSON", help="What came; @FILE reads it."),
    ] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="A member of the payload; NAME=@FILE takes the text of a file. May be repeated.",
        ),
    ] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute", "-a", metavar="NAME=TEXT", help="As a header of a webhook. Repeatable."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="However often it is fired with it, it fires once."),
    ] = None,
    detach: Detach = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Fire a trigger, and watch what it begins to its end, or until it waits."""
    from ..firing import Request
    from ..firing import fire as fire_one
    from ..sitting import Showing

    request = Request(
        id, payload, tuple(members or ()), tuple(attributes or ()), key, detach=detach
    )
    raise run(fire_one(request, Showing(json, quiet, not no_ask)))


@app.command()
def firings(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only of this trigger.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="As dead; only those.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """List what came of each time that a trigger fired, newest first."""
    from ..triggers import firings as list_firings

    raise run(list_firings(id, status, limit, json=json))


@app.command()
def replay(
    id: Annotated[str, typer.Argument(metavar="FIRING", help="Its id, or a beginning of it.")],
    detach: Detach = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Try again a firing that is dead, or was dropped or skipped."""
    from ..firing import replay as replay_one
    from ..sitting import Showing

    raise run(replay_one(id, Showing(json, quiet, not no_ask), detach=detach))


@schedules.callback(invoke_without_command=True)
def list_schedules(
    context: typer.Context,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Due times of each.")] = 1,
    json: Json = False,
) -> None:
    """Show what the clock fires, and when it is due."""
    if context.invoked_subcommand is None:
        from ..schedules import listing

        raise run(listing(count, json=json))


@schedules.command()
def backfill(
    id: Trigger,
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="As 2026-11-01, or with time and zone.")
    ],
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Without it: now.")
    ] = None,
    json: Json = False,
) -> None:
    """Fire a trigger once for each time that it was due in a range that has passed."""
    from ..schedules import backfill as fill

    raise run(fill(id, start, end, json=json))


schedules.command("enable")(enable)
schedules.command("disable")(disable)
