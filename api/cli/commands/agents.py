"""`mcp`, which programs with a model of their own start, and `doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, run

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


@app.command()
def doctor(json: Json = False) -> None:
    """Say whether what is configured works, and how strongly programs can be held here."""
    from ..doctor import doctor as look

    raise run(look(json=json))
