"""`stop pause delete feedback`: commands that tell an execution something, wherever it runs."""

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


@app.command()
def feedback(
    execution_id: Id,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The step's, as `status` shows it.")],
    good: Annotated[
        bool | None, typer.Option("--good/--bad", help="What the answer of its model was.")
    ] = None,
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why.")] = "",
    json: Json = False,
) -> None:
    """Say whether the answer of a step's model was good: it counts when models are chosen."""
    from ..models import feedback as say

    if good is None:
        raise typer.BadParameter("say --good or --bad")
    raise run(say(execution_id, path, passed=good, comment=comment, json=json))
