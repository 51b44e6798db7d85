"""The commands and their options. What a command needs is imported inside it: help is quick."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from enum import StrEnum
from typing import Annotated, Any

import typer

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    name="assay",
    help="Run AI-agent workflows that prove their work.",
    epilog="Exit codes: 0 completed, 1 failed, 2 invalid definition or usage, 3 waiting, "
    "130 cancelled.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)


class Format(StrEnum):
    """How a graph is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"


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


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows no `…` shows `?`, instead of an error.
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="assay")
    except Exception as error:
        from .exits import report

        sys.exit(report(error))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """What holds for every command."""


@app.command()
def run(
    definition: Annotated[
        str, typer.Argument(metavar="FILE", help="A definition, or the name of a registered one.")
    ],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write each event as JSON, and the execution last.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only how it ended.")] = False,
) -> None:
    """Run a workflow to its end."""
    from .run import Request
    from .run import run as run_request

    request = Request(definition, tuple(inputs or ()), inputs_file, json, quiet)
    raise typer.Exit(_await(run_request(request)))


@app.command()
def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Definitions, in YAML or JSON.")
    ],
    json: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
) -> None:
    """Say everything that is wrong with definitions."""
    from .definitions import validate as validate_files

    raise typer.Exit(validate_files(files, json=json, strict=strict))


@app.command()
def plan(
    file: File, inputs: Inputs = None, inputs_file: InputsFile = None, json: Json = False
) -> None:
    """Show what would run, in which order, and what it may touch."""
    from .definitions import plan as plan_file

    raise typer.Exit(plan_file(file, tuple(inputs or ()), inputs_file, json=json))


@app.command()
def graph(
    file: File,
    form: Annotated[
        Format, typer.Option("--format", help="How it is drawn.", case_sensitive=False)
    ] = Format.TEXT,
    no_fuse: Annotated[
        bool, typer.Option("--no-fuse", help="A node for each step, none for several.")
    ] = False,
) -> None:
    """Draw the graph of a workflow."""
    from .definitions import graph as graph_file

    raise typer.Exit(graph_file(file, mermaid=form is Format.MERMAID, fuse=not no_fuse))


@app.command()
def schema() -> None:
    """Write the JSON Schema of definitions, for editors."""
    from .definitions import schema as write_schema

    raise typer.Exit(write_schema())


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
    from .records import listing

    raise typer.Exit(_await(listing(workflow, status, limit, json=json)))


@app.command()
def status(execution_id: Id, json: Json = False) -> None:
    """Show an execution, its steps and what came of it."""
    from .records import status as show_status

    raise typer.Exit(_await(show_status(execution_id, json=json)))


@app.command()
def logs(
    execution_id: Id,
    json: Annotated[bool, typer.Option("--json", help="Write each event as JSON.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the execution ends.")
    ] = False,
) -> None:
    """Show the events of an execution."""
    from .records import logs as show_logs

    raise typer.Exit(_await(show_logs(execution_id, json=json, follow=follow)))


def _await(command: Coroutine[Any, Any, int]) -> int:
    """The one event loop of the process, for commands that need one."""
    import asyncio

    return asyncio.run(command)
