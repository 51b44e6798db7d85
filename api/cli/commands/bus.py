"""`assay bus setup`: what an event bus needs that is not in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, run

app = typer.Typer(help="The event bus that several processes share.", no_args_is_help=True)


@app.callback()
def bus() -> None:
    """What holds for every command about the bus."""
    from ..opened import here_only

    here_only("bus")


@app.command()
def setup(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="pubsub://PROJECT; without it, ASSAY_BUS."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Make nothing: only say what is missing.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the topics and subscriptions of a bus; once again does no harm."""
    from ..bus import setup as setup_bus

    raise run(setup_bus(url, check=check, json=json))
