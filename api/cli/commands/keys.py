"""`assay keys …`: who may ask a server."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Expires, Json, Profile, Role, Scopes, run

app = typer.Typer(help="Make, list and revoke the keys of a server.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="A tenant of ASSAY_TENANTS.")]


@app.callback()
def keys() -> None:
    """What holds for every command about keys."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")],
    role: Role = "viewer",
    scopes: Scopes = None,
    expires: Expires = None,
    profile: Profile = "",
    tenant: Tenant = "",
    json: Json = False,
) -> None:
    """Make a key, and tell it this one time."""
    from ..keys import create as create_key

    raise run(create_key(name, role, scopes or [], expires, profile, tenant, json=json))


@app.command("list")
def list_keys(tenant: Tenant = "", json: Json = False) -> None:
    """Every key there is, without its secret."""
    from ..keys import show

    raise run(show(tenant, json=json))


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="As list shows it.")],
    tenant: Tenant = "",
) -> None:
    """Let nobody in with a key any more."""
    from ..keys import revoke as revoke_key

    raise run(revoke_key(id, tenant))
