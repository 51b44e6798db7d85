"""`validate create plan graph schema test`: commands about definitions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .options import File, Inputs, InputsFile, Json, run

app = typer.Typer()


class Format(StrEnum):
    """How a graph is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"


@app.command()
def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Definitions, in YAML or JSON.")
    ],
    json: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
) -> None:
    """Say everything that is wrong with definitions."""
    from ..definitions import validate as validate_files

    raise typer.Exit(validate_files(files, json=json, strict=strict))


@app.command()
def create(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Where to save it; NAME.yaml.")
    ] = None,
) -> None:
    """Make a definition by answering questions."""
    from ..create import create as create_file

    raise run(create_file(file))


@app.command()
def plan(
    file: File, inputs: Inputs = None, inputs_file: InputsFile = None, json: Json = False
) -> None:
    """Show what would run, in which order, and what it may touch."""
    from ..definitions import plan as plan_file

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
    from ..definitions import graph as graph_file

    raise typer.Exit(graph_file(file, mermaid=form is Format.MERMAID, fuse=not no_fuse))


@app.command()
def schema() -> None:
    """Write the JSON Schema of definitions, for editors."""
    from ..definitions import schema as write_schema

    raise typer.Exit(write_schema())


@app.command("test")
def check(
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="CASE...", help="Files of cases, or folders of them (tests)."),
    ] = None,
    json: Json = False,
) -> None:
    """Run workflows with models that play a script, and see that they come to what they should."""
    from ..cases import check as check_cases

    raise run(check_cases(cases or ["tests"], json=json))
