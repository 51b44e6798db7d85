"""`mcp`: what programs with a model of their own start."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import run

app = typer.Typer()


@app.command()
def mcp(
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="How long a call waits for its execution (300)."
        ),
    ] = None,
) -> None:
    """Serve workflows as tools, over standard input and output (MCP)."""
    from ..mcp import mcp as serve

    raise run(serve(wait))
