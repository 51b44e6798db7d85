"""`register export import backup`: commands about what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, run

app = typer.Typer()


@app.command()
def register(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Definitions, in YAML or JSON.")
    ],
    json: Json = False,
) -> None:
    """Keep definitions under their names and versions, for good."""
    from ..keeping import register as register_files

    raise run(register_files(files, json=json))


@app.command()
def export(
    execution_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="An execution; without it, everything.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")
    ] = None,
) -> None:
    """Write executions as JSON, for another store."""
    from ..keeping import export as write_export

    raise run(write_export(execution_id, file))


@app.command("import")
def import_file(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What export wrote; - is standard input.")
    ],
    json: Json = False,
) -> None:
    """Put exported executions into this store."""
    from ..keeping import load_file

    raise run(load_file(file, json=json))


@app.command()
def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file.")], json: Json = False
) -> None:
    """Copy everything to a new file, while work goes on."""
    from ..keeping import backup as write_backup

    raise run(write_backup(file, json=json))
