"""A fork in plain sentences, for whoever has to say yes to it."""

from __future__ import annotations

from collections.abc import Sequence

from ..execution import Status
from .fork import Again, Fork

SHOWN = 8
"""How many paths a sentence names."""


def describe(fork: Fork) -> tuple[str, ...]:
    """What runs again, what is kept and which side effects may repeat, a sentence each.

    Effects that must not happen twice come last, and aloud.
    """
    again = [step for step in fork.again if step.was is not None]
    first = [step for step in fork.again if step.was is None]
    twice = [step for step in fork.again if step.repeats]
    asked = [step for step in twice if step.path in fork.kept.intents]
    said = [_begins(fork), f"{_results(fork.kept_count)} kept."]
    if again:
        said.append(f"{_steps(again)} again: {_paths(again)}.")
    if first:
        said.append(f"{_steps(first)} for the first time, or to the end: {_paths(first)}.")
    if soft := [step for step in twice if step.effects == "idempotent"]:
        said.append(
            f"{_paths(soft)} may act a second time; that should change nothing, for "
            f"{'its' if len(soft) == 1 else 'their'} `effects` are idempotent."
        )
    if asked:
        said.append(f"{_paths(asked)} may have happened: you will be asked before it does again.")
    hard = [step for step in twice if step.effects == "once" and step not in asked]
    said += [_warning(step) for step in hard]
    return tuple(said)


def _begins(fork: Fork) -> str:
    if not fork.begins:
        return "The execution goes on where it was left."
    return f"Begins again at {_listed(fork.begins)}."


def _warning(step: Again) -> str:
    sure = step.was in (Status.COMPLETED, Status.COMPENSATED)
    has = "has happened" if sure else "may have happened"
    return (
        f"WARNING: {step.path} must happen only once (`effects: once`), {has} already, "
        "and will happen again."
    )


def _results(count: int) -> str:
    return "1 result is" if count == 1 else f"{count} results are" if count else "Nothing is"


def _steps(steps: Sequence[Again]) -> str:
    return "1 step runs" if len(steps) == 1 else f"{len(steps)} steps run"


def _paths(steps: Sequence[Again]) -> str:
    return _listed([step.path for step in steps])


def _listed(paths: Sequence[str]) -> str:
    if len(paths) > SHOWN:
        return f"{', '.join(paths[:SHOWN])} and {len(paths) - SHOWN} more"
    *most, last = paths
    return f"{', '.join(most)} and {last}" if most else last
