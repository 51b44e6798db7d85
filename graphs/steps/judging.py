"""Which model is asked, who answered, and what is said of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..call import Call
from ..choosing import pick
from ..event import EventType
from ..execution import timestamp
from ..ledger import MODEL
from ..repairs import repair_target
from ..verdicts import ANSWERED, Source, Verdict, prompt_digest, verdict_on


async def picked(call: Call, models: Sequence[str], floor: float) -> Sequence[str]:
    """The models in the order in which they are asked, decided once for each attempt."""
    if len(models) < 2:
        return models
    name, run = f"{call.attempt}.picked", call.run
    kept = run.journal.decided(call.path, name)
    if kept is None:
        read = partial(run.services.store.verdicts, workflow=workflow_of(call), step=call.step.id)
        page = await run.journal.patiently(read)
        digest = _prompt(call)
        prices = {m: run.services.agents.price(m) for m in models}
        chosen = pick(
            models,
            {m: None if p is None else p.usual for m, p in prices.items()},
            [v for v in page.items if v.prompt == digest],
            floor=floor,
            seed=f"{run.execution.id}/{call.path}#{call.attempt}",
        )
        kept = {"order": list(chosen.order), "why": chosen.why, "trial": chosen.trial}
        run.journal.decide(call.path, name, lambda: kept)
        told = {"model": chosen.order[0], "why": chosen.why, "trial": chosen.trial}
        run.journal.note(EventType.MODEL_PICKED, call.path, attempt=call.attempt, **told)
    order: Sequence[str] = kept["order"]
    return order


def answered(call: Call, round: int, model: str) -> Mapping[str, Any]:
    """Who answered in that round, to what prompt, and what it took."""
    took: dict[str, Any] = {"tokens": 0, "usd": None, "seconds": 0.0}
    begin = f"{call.attempt}.{round}.{MODEL}"
    for (path, name), value in call.run.journal.decisions.items():
        if path == call.path and name.startswith(begin):
            cost = value["cost"]
            took["tokens"] += cost["input_tokens"] + cost["output_tokens"]
            took["seconds"] = took["seconds"] + value.get("seconds", 0.0)
            if cost["usd"] is not None:
                took["usd"] = (took["usd"] or 0.0) + cost["usd"]
    who = {"workflow": workflow_of(call), "step": call.step.id, "model": model}
    return {**who, "prompt": _prompt(call), **took}


def accepted(call: Call, round: int, model: str, values: Mapping[str, str] | None = None) -> None:
    """Keep who gave the step's answer (to which `values`, of a decision), so that others can say
    something of it later."""
    name = f"{call.attempt}.{ANSWERED}"
    of = {"values": dict(values)} if values else {}
    call.run.journal.decide(call.path, name, lambda: {**answered(call, round, model), **of})


def verified(call: Call, round: int, model: str, *, passed: bool) -> None:
    """`verify` has said something of an answer."""
    id = f"{call.idempotency_key}/{call.attempt}.{round}"
    who = answered(call, round, model)
    call.run.journal.judge(_verdict(call, who, id, call.path, passed, Source.VERIFY))


def chosen(call: Call, option: str, *, passed: bool) -> None:
    """A person has picked the option, the model's or another one."""
    who = call.run.journal.decided(call.path, f"{call.attempt}.{ANSWERED}")
    id = f"{call.idempotency_key}/{call.attempt}.chosen"
    call.run.journal.judge(_verdict(call, who, id, call.path, passed, Source.APPROVAL, option))


def asserted(call: Call, *, passed: bool) -> None:
    """An assertion has said something of the one agent that it repairs, or else reads.

    Of several agents it cannot be told which of them is to blame.
    """
    journal = call.run.journal
    target = repair_target(call.bound, call.frame.block.plan.steps)
    ids = call.bound.mentions if target is None else {target}
    found = {}
    for step in ids & call.scope.results.keys():
        state = call.scope.results[step]
        who = journal.decided(state["path"], f"{state['attempts']}.{ANSWERED}")
        if who is not None:
            found[state["path"]] = who, state["output"]
    if len(found) == 1:
        ((path, (who, output)),) = found.items()
        id = f"{call.run.execution.id}/{path}/{call.path}"
        right = output if passed else None
        journal.judge(_verdict(call, who, id, path, passed, Source.ASSERTION, right))


def _verdict(
    call: Call,
    who: Mapping[str, Any],
    id: str,
    path: str,
    passed: bool,
    source: Source,
    option: Any = None,
) -> Verdict:
    return verdict_on(
        *(who, id, call.run.execution.id, path),
        passed=passed,
        source=source,
        at=timestamp(),
        option=option,
    )


def workflow_of(call: Call) -> str:
    return call.frame.definition.program.workflow.name


def _prompt(call: Call) -> str:
    step: Any = call.step
    agent, system = getattr(step, "agent", None), getattr(step, "system", None)
    return prompt_digest(step.kind, agent, system, step.prompt)
