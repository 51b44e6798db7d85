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
    following = (*fork.again[1:], None)
    innermost = [s for s, after in zip(fork.again, following, strict=False) if not _holds(s, after)]
    again = [step for step in innermost if step.was is not None]
    rest = [step for step in innermost if step.was is None]
    twice = [step for step in fork.again if step.repeats]
    asked = [step for step in twice if step.path in fork.kept.intents]
    said = [_begins(fork), f"{_results(fork.kept_count)} kept."]
    if again:
        said.append(f"{_steps(again, 'runs', 'run')} again: {_paths(again)}.")
    if rest:
        said.append(f"{_steps(rest, 'is', 'are')} still to run: {_paths(rest)}.")
    if soft := [step for step in twice if step.effects == "idempotent"]:
        said.append(
            f"{_paths(soft)} may act a second time, with a new idempotency key; "
            "`effects: idempotent` says that this does no harm."
        )
    if asked:
        said.append(f"{_paths(asked)} may have happened: you will be asked before it does again.")
    hard = [step for step in twice if step.effects == "once" and step not in asked]
    said += [_warning(step) for step in hard]
    return tuple(said)


def _holds(step: Again, after: Again | None) -> bool:
    """Whether it only holds others: what is inside follows at once."""
    if after is None:
        return False
    return after.path.startswith(step.path) and after.path[len(step.path)] in ".#["


def _begins(fork: Fork) -> str:
    if not fork.begins:
        return "The execution goes on where it was left."
    return f"Begins again at {_listed(fork.begins)}."


def _warning(step: Again) -> str:
    match step.was:
        case Status.COMPLETED:
            past = "has happened"
        case Status.COMPENSATED:
            past = "has happened, was undone"
        case _:
            past = "may have happened"
    return (
        f"WARNING: {step.path} must happen only once (`effects: once`), {past}, "
        "and will happen again."
    )


def _results(count: int) -> str:
    return "1 result is" if count == 1 else f"{count} results are" if count else "Nothing is"


def _steps(steps: Sequence[Again], does: str, do: str) -> str:
    return f"1 step {does}" if len(steps) == 1 else f"{len(steps)} steps {do}"


def _paths(steps: Sequence[Again]) -> str:
    return _listed([step.path for step in steps])


def _listed(paths: Sequence[str]) -> str:
    if len(paths) > SHOWN:
        return f"{', '.join(paths[:SHOWN])} and {len(paths) - SHOWN} more"
    *most, last = paths
    return f"{', '.join(most)} and {last}" if most else last
