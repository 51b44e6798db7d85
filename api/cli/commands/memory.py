"""`assay memory …`: what agents remember."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, run

app = typer.Typer(help="List and forget what agents remember.", no_args_is_help=True)


@app.callback()
def memory() -> None:
    """What holds for every command about memories."""


@app.command("list")
def list_memories(
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="Only of that workflow.")
    ] = None,
    json: Json = False,
) -> None:
    """Of which keys something is remembered, and when it was last added to."""
    from ..memory import show

    raise run(show(workflow, json=json))


@app.command()
def forget(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Whose, as list shows it.")],
    json: Json = False,
) -> None:
    """Forget the conversation and the facts under a key."""
    from ..memory import forget as forget_memory

    raise run(forget_memory(workflow, key, json=json))


@app.command()
def prune(
    unused: Annotated[
        float,
        typer.Option(
            "--unused", metavar="DAYS", min=1, max=36_500, help="Not added to for so many days."
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Forget nothing: only say what would be.")
    ] = False,
    json: Json = False,
) -> None:
    """Forget whatever was not added to for a while, and verdicts as old as that."""
    from ..memory import prune as prune_memories

    raise run(prune_memories(unused, check=check, json=json))
