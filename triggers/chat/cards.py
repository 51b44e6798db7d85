"""What the desk says, as cards that every platform can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ...graphs.question import QuestionStatus, Wait
from .adapter import Button, Card, Person, shortened
from .meaning import options

if TYPE_CHECKING:
    from ...graphs.execution import Execution
    from ...graphs.firing import Firing
    from ...graphs.question import Question
    from .meaning import Heard

LONGEST = 30_000
"""Characters of a result; an adapter may show fewer."""

COMMANDS = (
    "**Commands**\n"
    "`help` this · `list` what you can start · `status` and `stop` of what runs in this thread, "
    "or with an id · `approve`, `reject` and `answer …` for what is asked in it"
)


def help_card(heard: Sequence[Heard]) -> Card:
    if not heard:
        return Card(f"{COMMANDS}\n\nThere is nothing here that you can start.")
    return Card(f"{COMMANDS}\n\n**What you can start**\n{_lines(heard)}")


def list_card(heard: Sequence[Heard]) -> Card:
    return Card(_lines(heard) or "There is nothing here that you can start.")


def went_wrong(letter: str) -> Card:
    return Card(f"⚠️ Something went wrong; whoever runs this server finds why under `{letter}`.")


def not_understood(heard: Sequence[Heard]) -> Card:
    first = next((pattern.text for each in heard for pattern in each.spec.patterns), None)
    such = f", such as `{first}`" if first else ""
    return Card(f"I did not understand that. Say `help` to see what you can ask for{such}.")


def stranger(person: Person) -> Card:
    """For somebody who may do nothing here: whom to ask, and what they will need."""
    return Card(
        "I am not allowed to do anything for you yet. Ask whoever runs this server to let you:\n"
        f"`assay chat allow {person.platform} {person.team}/{person.id} --role operator`"
    )


def which(names: Sequence[tuple[str, str]], letter: str) -> Card:
    """Each with its button; `names` are names and what they are about."""
    lines = "\n".join(f"• **{name}**: {about}" for name, about in names)
    buttons = [
        Button(shortened(name, 40), f"pick:{letter}:{n}") for n, (name, _) in enumerate(names)
    ]
    return Card(f"Which of these do you mean?\n{lines}", buttons=buttons)


def picked(name: str, by: str) -> Card:
    return Card(f"**{name}** it is, says {by}.")


def state_card(executions: Sequence[Execution]) -> Card:
    if not executions:
        return Card("Nothing was begun here that you can see.")
    return Card("\n".join(_state(each) for each in executions))


def stopped(execution: Execution) -> Card:
    return Card(
        f"🛑 **{execution.workflow}** is {execution.status}.", (("execution", execution.id),)
    )


def queued(workflow: str) -> Card:
    return Card(f"🕒 **{workflow}** is queued behind what this conversation began before.")


def not_begun(workflow: str, firing: Firing) -> Card:
    """Its firing came to nothing, and says why."""
    return Card(f"**{workflow}** was not started: {firing.reason}")


def merged(workflow: str) -> Card:
    return Card(f"Taken along: the **{workflow}** that waits in this conversation will see it.")


def question_card(question: Question) -> Card:
    """With buttons while somebody can answer by them, and the verdict afterwards."""
    told = f"❓ {question.message or 'An answer is needed'}"
    if question.status is QuestionStatus.WITHDRAWN:
        return Card(f"{told}\nNobody waits for an answer any more.")
    if question.answer is not None:
        return Card(f"{told}\n{_verdict(question)}")
    fields = [("approvers", ", ".join(question.approvers))] if question.approvers else []
    if question.wanted > 1:
        yes = sum(vote.approved for vote in question.votes)
        fields.append(("agreed", f"{yes} of {question.wanted}"))
    said = "\n".join(f"• {name}: {means}" for name, means in question.choices.items())
    text = f"{told}\n{said}" if said else told
    no = Button("Reject", f"no:{question.id}", "bad")
    if chosen := options(question):
        buttons = [
            Button(shortened(str(o), 40), f"ch:{question.id}:{n}") for n, o in enumerate(chosen)
        ]
        return Card(text, fields, [*buttons, no] if question.kind is Wait.APPROVAL else buttons)
    if question.schema is not None:
        how = "Write the answer in this thread"
        return Card(f"{text}\n{how}{_wanted(question.schema)}.", fields, [no])
    return Card(text, fields, [Button("Approve", f"ok:{question.id}", "good"), no])


def answered(question: Question) -> Card:
    """To whoever answered by text."""
    if question.answer is None:
        return Card("Thank you; others have to agree, too.")
    return Card(_verdict(question))


def answerable(question: Question) -> bool:
    """Whether a person can answer it at all."""
    return not question.timed and question.kind is not Wait.EVENT


def result_card(execution: Execution) -> Card | None:
    """What came out of it; None when there is nothing to show."""
    outputs = {name: value for name, value in execution.outputs.items() if value is not None}
    if not outputs:
        return None
    if len(outputs) == 1:
        return Card(shortened(shown(next(iter(outputs.values()))), LONGEST))
    room = LONGEST // len(outputs)
    lines = [f"**{name}**: {shortened(shown(value), room)}" for name, value in outputs.items()]
    return Card("\n".join(lines))


def shown(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, str):
        return value
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return f"```\n{text}\n```" if isinstance(value, dict | list) else text


def _lines(heard: Sequence[Heard]) -> str:
    return "\n".join(_line(each) for each in heard)


def _line(heard: Heard) -> str:
    said = " or ".join(f"`{pattern.text}`" for pattern in heard.spec.patterns)
    return f"• **{heard.trigger.workflow}**: {heard.about}{' — say ' if said else ''}{said}"


def _state(execution: Execution) -> str:
    why = f": {shortened(execution.error.message, 200)}" if execution.error else ""
    return f"• **{execution.workflow}** is {execution.status}{why} (`{execution.id}`)"


def _verdict(question: Question) -> str:
    answer = question.answer
    assert answer is not None
    by = f" by {answer.by}" if answer.by else ""
    comment = f": {answer.comment}" if answer.comment else ""
    if not answer.approved:
        return f"❌ Rejected{by}{comment}"
    value = "" if answer.value is None else f": {shortened(shown(answer.value), 500)}"
    return f"✅ {'Answered' if question.schema else 'Approved'}{by}{value}{comment}"


def _wanted(schema: Any) -> str:
    told = schema.get("description") or schema.get("title")
    names = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
    if told:
        return f": {told}"
    return f" (JSON with {names})" if names else ""
