"""The commands and their options. What a command needs is imported inside it: help is quick."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from . import (
    agents,
    bus,
    chat,
    control,
    definitions,
    keeping,
    keys,
    memory,
    records,
    running,
    serving,
    store,
    triggers,
)

app = typer.Typer(
    name="assay",
    help="Run AI-agent workflows that prove their work.",
    epilog="Exit codes: 0 completed, 1 failed, 2 invalid definition or usage, 3 waiting, "
    "130 cancelled.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for subject in (running, control, records, definitions, keeping, serving, agents):
    app.registered_commands += subject.app.registered_commands
app.add_typer(bus.app, name="bus")
app.add_typer(store.app, name="store")
app.add_typer(keys.app, name="keys")
app.add_typer(memory.app, name="memory")
app.add_typer(chat.app, name="chat")
app.add_typer(triggers.app, name="trigger")
app.add_typer(triggers.schedules, name="schedules")


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    # Importing makes much that stays: to look through all of it for garbage, again and again
    # as it grows, takes a tenth of the start.
    gc.set_threshold(*gc.get_threshold()[:2], 100)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows no `…` shows `?`, instead of an error.
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="assay")
    except Exception as error:
        from ..exits import report

        sys.exit(report(error))
    finally:
        gc.freeze()  # what is left goes with the process: no last look for garbage in it


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
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The server to ask, as http://127.0.0.1:8000 (ASSAY_URL)."
        ),
    ] = None,
) -> None:
    """What holds for every command."""
    del version
    if url is not None:
        os.environ["ASSAY_URL"] = url
