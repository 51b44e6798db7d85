"""An execution that comes from another store, taken in by one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphs.errors import ConcurrencyLimit
from ...graphs.lease import Command, Message
from ..records import decode, encode
from ..upkeep import needs_slot
from . import artifacts, inbox, leases, questions, slots

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ..upkeep import Arrival


class Arriving:
    """Encoded when this is made. Raises `StoreError` for what is not JSON."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._begun = leases.Beginning(arrival.execution, arrival.entries, "")
        self._questions = [(q, questions.encoded(q)) for q in arrival.questions]
        self._mail = [(m.command, encode(m.data, "A message")) for m in arrival.messages]

    def __call__(self, connection: sqlite3.Connection) -> None:
        execution, begun = self._arrival.execution, self._begun
        begun.check_new(connection)
        wanted = needs_slot(execution)
        if wanted and wanted.strict and not slots.free(connection, wanted.of, begun.priority):
            raise ConcurrencyLimit(wanted.taken(execution))
        key, _ = begun.begin(connection, "")
        if wanted:
            slots.enter(connection, key, wanted.of, begun.priority)
        for question, document in self._questions:
            questions.keep(connection, key, question, document)
        artifacts.keep(connection, key, self._arrival.artifacts)
        for command, data in self._mail:
            inbox.put(connection, key, command, data)


def mail(connection: sqlite3.Connection, execution_id: str) -> Sequence[Message]:
    rows = connection.execute(
        "SELECT i.command, i.data, i.id FROM inbox i JOIN executions e ON e.key = i.execution"
        " WHERE e.id = ? ORDER BY i.id",
        (execution_id,),
    )
    what = f"A message of execution {execution_id}"
    return [Message(execution_id, Command(c), decode(data, what), id) for c, data, id in rows]
