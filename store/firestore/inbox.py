"""What others tell the driver of an execution. What is promised stands in the `Store` port.

A message says who held the lease when it was put, and is restamped by whoever takes it, so
that one query finds all that a worker has been told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphs.lease import Command, Message
from . import leases, names
from .database import Conflict, again, where
from .values import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .database import Batch, Database, Found
    from .leases import LeaseDocument
    from .names import Clock


async def post(database: Database, clock: Clock, message: Message) -> None:
    async with database.alone(names.name(message.execution_id)):
        await _post(database, clock, message)


async def _post(database: Database, clock: Clock, message: Message) -> None:
    what = f"A message to execution {message.execution_id}"
    attempt = 0
    while True:
        lease = await leases.load(database, message.execution_id)
        if lease.ended:
            return
        batch = database.batch()
        put(database, batch, clock, lease, message.command, message.data)
        lease.write(database, batch)
        try:
            await database.commit(batch, what)
            return
        except Conflict:
            await again(attempt, what)
            attempt += 1


def put(
    database: Database,
    batch: Batch,
    clock: Clock,
    lease: LeaseDocument,
    command: Command,
    data: Mapping[str, Any],
) -> None:
    """Add a message to the batch, and to the lease that it wakes; the caller writes that."""
    number = lease.told = clock.next(lease.told)
    lease.mail = True
    lease.stop = lease.stop or command is Command.STOP
    told = {"execution": lease.execution, "data": data}
    batch.create(
        _place(database, lease.name, number),
        {
            "execution": lease.name,
            "worker": lease.worker,
            "number": number,
            "command": command.value,
            "told": pack(told, f"A message to execution {lease.execution}"),
        },
    )


def consume(database: Database, batch: Batch, execution_id: str, numbers: Sequence[int]) -> None:
    """What lies in another inbox has another place."""
    for number in numbers:
        if number > 0:
            batch.delete(_place(database, names.name(execution_id), number))


def restamp(database: Database, batch: Batch, mail: Sequence[Found], worker: str) -> None:
    """Say that the worker holds the lease now."""
    for each in mail:
        if each["worker"] != worker:
            place = database.at(names.INBOX, each.id)
            batch.update(place, {"worker": worker}, each.time)


async def of_execution(database: Database, execution: str) -> list[Found]:
    """What lies in the inbox of that name."""
    return await database.find(where(database.all(names.INBOX), "execution", "==", execution))


async def of_worker(database: Database, worker: str) -> list[Found]:
    return await database.find(where(database.all(names.INBOX), "worker", "==", worker))


async def listing(database: Database, worker: str) -> Sequence[Message]:
    if not worker:
        return []
    found = await of_worker(database, names.name(worker))
    return [_parse(each) for each in sorted(found, key=lambda each: int(each["number"]))]


async def messages(database: Database, execution_id: str) -> Sequence[Message]:
    """What lies in one inbox, oldest first."""
    found = await of_execution(database, names.name(execution_id))
    return [_parse(each) for each in sorted(found, key=lambda each: int(each["number"]))]


def holds_stop(mail: Sequence[Found]) -> bool:
    return any(each["command"] == Command.STOP.value for each in mail)


def _place(database: Database, execution: str, number: int) -> Any:
    return database.at(names.INBOX, f"{execution}-{number}")


def _parse(found: Found) -> Message:
    told = unpack(found["told"], f"Message {found.id}")
    return Message(told["execution"], Command(found["command"]), told["data"], found["number"])
