"""`assay chat …`: who may ask bots for what."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Expires, Json, Profile, Role, Scopes, run

app = typer.Typer(help="Let people on chat platforms do things.", no_args_is_help=True)

Platform = Annotated[str, typer.Argument(metavar="PLATFORM", help="slack, telegram, json …")]
User = Annotated[str, typer.Argument(metavar="TEAM/USER", help="As the bot tells a stranger.")]


@app.callback()
def chat() -> None:
    """What holds for every command about people."""


@app.command()
def allow(
    platform: Platform,
    user: User,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="By which approvers are named; TEAM/USER if none.")
    ] = "",
    role: Role = "operator",
    scopes: Scopes = None,
    expires: Expires = None,
    profile: Profile = "",
) -> None:
    """Let somebody do what a role may."""
    from ..chat import allow as allow_person

    raise run(allow_person(platform, user, name, role, scopes or [], expires, profile))


@app.command("list")
def list_people(json: Json = False) -> None:
    """Everybody who was allowed anything."""
    from ..chat import show

    raise run(show(json=json))


@app.command()
def forbid(platform: Platform, user: User) -> None:
    """Take back what somebody was allowed."""
    from ..chat import forbid as forbid_person

    raise run(forbid_person(platform, user))
