"""`assay store …`: moves executions between stores, and looks after one."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, run

app = typer.Typer(
    help="Move executions between stores; check and tidy up a store.", no_args_is_help=True
)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID...]", help="Executions; without any, the whole store."),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", min=0, help="Wait for executions that somebody drives."
    ),
]


@app.callback()
def store() -> None:
    """What holds for every command about the store."""
    from ..opened import here_only

    here_only("store")


@app.command()
def export(
    executions: Ids = None,
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="A file; - is standard output.")
    ] = "-",
    wait: Wait = 0,
) -> None:
    """Write executions, with their files, as an archive that any store reads."""
    from ..archives import export as write_archive

    raise run(write_archive(executions or [], to, wait=wait))


@app.command("import")
def import_file(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What export wrote; - is standard input.")
    ],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out executions whose id is there.")
    ] = False,
    json: Json = False,
) -> None:
    """Take in an archive; once again does no harm."""
    from ..archives import import_archive

    raise run(import_archive(file, skip_existing=skip_existing, json=json))


@app.command()
def move(
    executions: Annotated[list[str], typer.Argument(metavar="ID...", help="Executions.")],
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="sqlite:///FILE or firestore://PROJECT.")
    ],
    wait: Wait = 0,
    json: Json = False,
) -> None:
    """Move executions to another store, where they go on; they are never driven from both."""
    from ..archives import move as move_executions

    raise run(move_executions(executions, to, wait=wait, json=json))


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: only say what is to be done.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the store's layout up to date, and say which indexes are to be deployed."""
    from ..upkeep import migrate as migrate_store

    raise run(migrate_store(check=check, json=json))


@app.command()
def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every journal and every file as well.")
    ] = False,
    json: Json = False,
) -> None:
    """Look for damage; exit code 1 when there is any."""
    from ..upkeep import check as check_store

    raise run(check_store(deep=deep, json=json))


@app.command()
def sweep(
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="HOURS", min=1, help="Keep what was written in these last hours."
        ),
    ] = 24,
    check: Annotated[
        bool, typer.Option("--check", help="Remove nothing: only say what would be.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove files and large values that nothing refers to any more, and old firings."""
    from ..upkeep import sweep as sweep_store

    raise run(sweep_store(grace=grace * 3600, check=check, json=json))
