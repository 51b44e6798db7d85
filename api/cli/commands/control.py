"""`stop pause delete`: commands that tell an execution something, wherever it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Id, Json, run

app = typer.Typer()


@app.command()
def stop(
    execution_id: Id,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Kept with the execution.")
    ] = "",
    json: Json = False,
) -> None:
    """Stop an execution, and wait until nothing of it runs."""
    from ..control import stop as stop_execution

    raise run(stop_execution(execution_id, reason, json=json))


@app.command()
def pause(execution_id: Id, json: Json = False) -> None:
    """Let the steps that run end, and begin no other."""
    from ..control import pause as pause_execution

    raise run(pause_execution(execution_id, json=json))


@app.command()
def delete(execution_id: Id, json: Json = False) -> None:
    """Forget an execution that has ended."""
    from ..control import delete as delete_execution

    raise run(delete_execution(execution_id, json=json))
