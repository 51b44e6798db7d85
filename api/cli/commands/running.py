"""`run resume answer send retry fork worker`: commands that drive executions."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import (
    Detach,
    DryRun,
    EventsJson,
    Id,
    Inputs,
    InputsFile,
    NoAsk,
    Quiet,
    Yes,
    run,
)

app = typer.Typer()


@app.command("run")
def run_workflow(
    definition: Annotated[
        str, typer.Argument(metavar="FILE", help="A definition, or the name of a registered one.")
    ],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Run a workflow to its end, or until it waits."""
    from ..run import Request
    from ..run import run as run_request

    request = Request(definition, tuple(inputs or ()), inputs_file, json, quiet, not no_ask)
    raise run(run_request(request))


@app.command()
def resume(
    execution_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="An execution; without it, every one that nobody drives."
        ),
    ] = None,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Go on with what was interrupted or paused."""
    from ..resume import resume as resume_one
    from ..resume import resume_all
    from ..sitting import Showing

    if execution_id is None:
        raise run(resume_all(json=json, quiet=quiet))
    raise run(resume_one(execution_id, Showing(json, quiet, not no_ask)))


@app.command()
def answer(
    question_id: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION",
            help="A question, or an execution that asks one; needless when only one is open.",
        ),
    ] = None,
    approve: Annotated[
        bool | None, typer.Option("--approve/--reject", help="The verdict of an approval.")
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", metavar="JSON", help="The value that is asked for.")
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("-v", metavar="NAME=VALUE", help="A member of the value. May be repeated."),
    ] = None,
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="Kept with the answer.")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who answers, if not you.")
    ] = None,
    detach: Detach = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Answer a question, and go on with its execution."""
    from ..answer import Reply
    from ..answer import answer as give_answer
    from ..sitting import Showing

    reply = Reply(approve, value, tuple(pairs or ()), comment, by)
    showing = Showing(json, quiet, not no_ask)
    raise run(give_answer(question_id, reply, showing, detach=detach))


@app.command()
def send(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's name.")],
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="For whom among those that wait.")
    ] = None,
    payload: Annotated[
        str | None, typer.Option("--payload", metavar="JSON", help="What the event carries.")
    ] = None,
    detach: Detach = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Send an event, and go on with what waited for it."""
    from ..answer import send as send_event
    from ..sitting import Showing

    showing = Showing(json, quiet, not no_ask)
    raise run(send_event(event, key, payload, showing, detach=detach))


@app.command()
def retry(
    execution_id: Id,
    path: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="Begin at this step, not where it failed."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Begin anew where an execution failed."""
    from ..again import Request
    from ..again import retry as retry_execution
    from ..sitting import Showing

    request = Request(execution_id, path, yes=yes, dry_run=dry_run)
    raise run(retry_execution(request, Showing(json, quiet, not no_ask)))


@app.command()
def fork(
    execution_id: Id,
    path: Annotated[
        str,
        typer.Option("--from", metavar="PATH", help="The step or iteration to begin at."),
    ],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: EventsJson = False,
    quiet: Quiet = False,
    no_ask: NoAsk = False,
) -> None:
    """Begin anew from a step, perhaps with other inputs."""
    from ..again import Request
    from ..again import fork as fork_execution
    from ..sitting import Showing

    request = Request(execution_id, path, tuple(inputs or ()), inputs_file, yes, dry_run)
    raise run(fork_execution(request, Showing(json, quiet, not no_ask)))


@app.command()
def worker(
    json: Annotated[bool, typer.Option("--json", help="Write what happens as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Executions that run at once (ASSAY_MAX_EXECUTIONS, 100)."
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="What steps have to end in after a signal (ASSAY_GRACE, 25).",
        ),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve /healthz and /readyz there (ASSAY_HEALTH)."),
    ] = None,
    idle_exit: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="End when nothing was to do for that long."),
    ] = None,
    tenant: Annotated[
        str, typer.Option(metavar="NAME", help="For a tenant of ASSAY_TENANTS.")
    ] = "",
    attached: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Drive whatever nobody drives."""
    from ..worker import worker as work

    raise run(
        work(
            json=json,
            quiet=quiet,
            concurrency=concurrency,
            grace=grace,
            health=health,
            idle_exit=idle_exit,
            tenant=tenant,
            attached=attached,
        )
    )
