"""The journal that an execution begins with: nothing but that it is queued, or a fork's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .event import Event, EventType
from .execution import Execution
from .fold import events
from .history import Decision, History, Tried
from .records import Encoder
from .stored import Entry


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is written, what is said of it, and what it folds to.

    `blobs` are its large values by SHA-256, which must be kept before it is written; the
    forked execution has kept most of them already.
    """

    entries: Sequence[Entry]
    events: Sequence[Event]
    history: History
    blobs: Mapping[str, bytes] = field(default_factory=dict)


def beginning(execution: Execution, inherited: History | None = None) -> Beginning:
    """The first entry of an execution's journal, with what a fork inherits."""
    encoder = Encoder(execution.created_at)
    at = execution.created_at
    seq = 1
    records = [encoder.event(EventType.EXECUTION_QUEUED, seq, at, "", {})]
    if inherited is None:
        entry = encoder.entry(1, 1, records)
        return Beginning([entry], list(events(entry, execution.id)), History(seq=1))
    for (path, name), value in inherited.decisions.items():
        records.append(encoder.decision(Decision(path, name, value)))
    records += [encoder.intent(path) for path in sorted(inherited.intents)]
    results = {}
    for result in inherited.results.values():
        seq += 1
        results[result.path] = numbered = result.with_seq(seq)
        records.append(encoder.result(numbered, result.completed_at or at))
    tries = {}
    for path, tried in inherited.tried.items():
        seq += 1
        tries[path] = replace(tried, seq=seq)
        records.append(encoder.event(EventType.STEP_RETRYING, seq, at, path, _again(tried)))
    entry = encoder.entry(1, seq, records)
    known = replace(inherited, results=results, tried=tries, seq=seq)
    return Beginning([entry], list(events(entry, execution.id)), known, encoder.blobs)


def _again(tried: Tried) -> dict[str, Any]:
    attempt = tried.attempts + 1
    error = tried.error.to_dict()
    return {
        "attempt": attempt,
        "of": attempt,
        "delay": 0.0,
        "next_at": tried.next_at,
        "error": error,
        "files": tried.files,
    }
