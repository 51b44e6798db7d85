"""How the programs of a step are held: said by the execution, and kept in the audit."""

from __future__ import annotations

import asyncio

from ..call import Call
from ..execution import timestamp
from ..profiles import Profile
from ..sandbox import Rung
from ..stored import AuditEntry

ACTION = "programs.held"
"""What the audit calls it; nobody asks for it."""


async def held(call: Call, bounds: Profile) -> str:
    """One sentence on how programs run under the profile here, which the execution says. That
    they do is in the audit before the first of them begins, with the profile and the rung.
    Raises `NotAllowed`."""
    said = await asyncio.to_thread(bounds.said)  # the first to ask tries what the machine has
    rung, run = bounds.rung(), call.run
    call.notice(said)
    if rung is Rung.NONE or (bounds.name, rung) in run.held_as:
        return said
    run.held_as.add((bounds.name, rung))
    data = {"path": call.path, "profile": bounds.name, "rung": rung.label}
    entry = AuditEntry(
        timestamp(), run.execution.id, ACTION, run.execution.id, rule=said, data=data
    )
    await run.journal.patiently(lambda: run.services.store.record(entry))
    return said
