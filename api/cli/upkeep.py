"""`assay store migrate check sweep`: a store that is looked after."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from ...graphs.firing import KEPT
from ...graphs.units import format_time
from ...store.checking import check as find_faults
from ...store.migrating import index_commands, layout_of
from ...store.migrating import migrate as bring_up_to_date
from ...store.sweeping import unreferred
from ..settings import read_settings
from .archives import open_kept
from .exits import FAILED, OK
from .output import Output
from .text import clean, plural

if TYPE_CHECKING:
    from ...store.upkeep import KeptBlobs


async def migrate(*, check: bool, json: bool) -> int:
    """1 when something is left to be done, which only `check` leaves so. Raises `StoreError`."""
    url, out = read_settings().store, Output()
    layout = await layout_of(url) if check else await bring_up_to_date(url)
    behind = layout is not None and layout.version < layout.known
    commands = index_commands(url)
    if json:
        about = None if layout is None else asdict(layout)
        out.json({"store": url, "layout": about, "indexes": commands})
        return FAILED if behind else OK
    if layout is None:
        out.line(f"{url}: there is nothing yet")
    else:
        left = "; run: assay store migrate" if behind else ""
        out.line(f"{url}: layout {layout.version} of {layout.known}{left}")
    if commands:
        out.line("Indexes, to be deployed once (doing it again does no harm):")
    for command in commands:
        out.line(f"  {command}")
    return FAILED if behind else OK


async def check(*, deep: bool, json: bool) -> int:
    """1 when anything is wrong. Raises `StoreError` when the store cannot be read."""
    out, found = Output(), []
    async with open_kept() as (store, blobs):
        async for finding in find_faults(store, blobs, deep=deep):
            found.append(asdict(finding))
            if not json:
                out.line(clean(str(finding)))
    if json:
        out.json(found)
    elif not found:
        out.line("nothing is wrong")
    return FAILED if found else OK


async def sweep(*, grace: float, check: bool, json: bool) -> int:
    """Blobs that were last written `grace` seconds ago or earlier, and what is old of firings.

    Raises `StoreError`.
    """
    before, forgotten = time.time() - grace, 0
    async with open_kept() as (store, plain):
        blobs = cast("KeptBlobs", plain)
        if not check:
            forgotten = await store.prune_firings(format_time(time.time() - KEPT))
        found = sorted(await unreferred(store, blobs, before))
        if not check:
            found = [sha256 for sha256 in found if await blobs.remove(sha256, before)]
    out, did = Output(), "nobody refers to" if check else "removed"
    if json:
        out.json(found)
        return OK
    if forgotten:
        out.line(f"forgot {plural(forgotten, 'old firing')} of triggers")
    for sha256 in found:
        out.line(f"{did} {sha256}")
    out.line(f"{did} {plural(len(found), 'file')}")
    return OK
