"""`list status logs questions artifacts slots models`: commands that only look."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Id, Json, run

app = typer.Typer()


@app.command("list")
def list_executions(
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="Only of this workflow.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only with this status.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """List executions, newest first."""
    from ..records import listing

    raise run(listing(workflow, status, limit, json=json))


@app.command()
def status(execution_id: Id, json: Json = False) -> None:
    """Show an execution, its steps, and where it stands."""
    from ..records import status as show_status

    raise run(show_status(execution_id, json=json))


@app.command()
def logs(
    execution_id: Id,
    json: Annotated[bool, typer.Option("--json", help="Write each event as JSON.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the execution ends.")
    ] = False,
) -> None:
    """Show the events of an execution."""
    from ..records import logs as show_logs

    raise run(show_logs(execution_id, json=json, follow=follow))


@app.command()
def questions(
    execution_id: Annotated[
        str | None, typer.Option("--execution", metavar="ID", help="Only of this execution.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was answered, and what waits for a time.")
    ] = False,
    json: Json = False,
) -> None:
    """List what executions ask, oldest first."""
    from ..records import questions as list_questions

    raise run(list_questions(execution_id, every=every, json=json))


@app.command()
def artifacts(
    execution_id: Id,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FOLDER", help="Write them there, in a folder for each step."),
    ] = None,
    json: Json = False,
) -> None:
    """List the files that an execution's steps kept, or fetch them."""
    from ..artifacts import artifacts as list_artifacts

    raise run(list_artifacts(execution_id, to, json=json))


@app.command()
def slots(
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="Only of this concurrency key.")
    ] = None,
    json: Json = False,
) -> None:
    """Show which executions hold slots, and which wait for one."""
    from ..records import slots as list_slots

    raise run(list_slots(key, json=json))


@app.command()
def models(
    workflow: Annotated[
        str | None, typer.Argument(metavar="WORKFLOW", help="Only in that workflow.")
    ] = None,
    step: Annotated[
        str | None, typer.Argument(metavar="STEP", help="Only at that step of it.")
    ] = None,
    json: Json = False,
) -> None:
    """Show how models fare at steps, by what was said of their answers."""
    from ..models import models as list_models

    raise run(list_models(workflow, step, json=json))
