"""Who may answer a question, with what, and when it is answered."""

from __future__ import annotations

from dataclasses import replace

from .errors import QuestionClosed
from .question import Answer, Question, QuestionStatus


def voted(question: Question, answer: Answer, *, now: float) -> Question | None:
    """The question with the answer in it; None when it has that answer already.

    `now` is seconds since 1970.
    """
    if question.status is not QuestionStatus.OPEN:
        if question.answer is not None and question.answer.value == answer.value:
            return None
        raise QuestionClosed(f"question {question.id} is {question.status} already")
    votes = (*question.votes, answer)
    changed = replace(question, votes=votes, revision=question.revision + 1)
    return changed.answered(answer)
