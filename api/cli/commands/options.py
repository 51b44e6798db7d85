"""The arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Annotated, Any

import typer

File = Annotated[str, typer.Argument(metavar="FILE", help="A definition, in YAML or JSON.")]
Id = Annotated[
    str, typer.Argument(metavar="ID", help="An execution: its id, a beginning of it, or `latest`.")
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="An input; NAME=@FILE takes the text of a file. May be repeated.",
    ),
]
InputsFile = Annotated[
    str | None,
    typer.Option("--inputs", metavar="FILE", help="Inputs, in YAML or JSON; - is standard input."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
EventsJson = Annotated[
    bool, typer.Option("--json", help="Write each event as JSON, and the execution last.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only how it ended.")]
NoAsk = Annotated[
    bool, typer.Option("--no-ask", help="Ask nothing at the terminal; say how to answer instead.")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Leave it to others to go on with the execution.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whatever happens again.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]
Role = Annotated[str, typer.Option(metavar="ROLE", help="viewer, operator, editor or admin.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="PATTERN", help="Only workflows named so, as build-*. Repeatable."
    ),
]
Expires = Annotated[
    str | None, typer.Option(metavar="DURATION", help="As 30d, or 12h; without it, never.")
]
Profile = Annotated[
    str,
    typer.Option(
        metavar="PROFILE",
        help="What no step exceeds of what is begun so: restricted, standard or trusted. "
        "Without it: trusted for an admin, else restricted.",
    ),
]


def run(command: Coroutine[Any, Any, int]) -> typer.Exit:
    """The one event loop of the process, for commands that need one; how the command ends."""
    import asyncio

    return typer.Exit(asyncio.run(command))
