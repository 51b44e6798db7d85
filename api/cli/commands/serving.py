"""`serve`: the command that answers others."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Quiet, run

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others need a key then.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0: a free one.")
    ] = 8000,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="What steps have to end in after a signal (ASSAY_GRACE, 25).",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Executions that run at once (ASSAY_MAX_EXECUTIONS, 100)."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Let so many processes of their own execute; this one only answers "
            "(ASSAY_WORKERS, 0).",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Write each request, as JSON.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Answer over HTTP, and drive whatever nobody drives."""
    from ..serve import serve as answer

    raise run(
        answer(
            host=host,
            port=port,
            grace=grace,
            concurrency=concurrency,
            workers=workers,
            verbose=verbose,
            quiet=quiet,
        )
    )
