"""The three ways in which an execution is shown while it goes on: JSON, plain lines, a tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from ...graphs.event import Event
from ...graphs.question import Question
from .lines import Lines
from .output import Output
from .prompt import approve, ask_below
from .standing import Standing, hints
from .summary import Place, summary
from .text import clean
from .tree import Tree

if TYPE_CHECKING:
    from .view import View


class Screen:
    """Where an execution is shown; this one shows nothing. Entered, it shows what happens."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def recall(self, event: Event) -> None:
        """Something that happened before anybody looked."""

    def hear(self, event: Event) -> None:
        """Something that happens now."""

    def wait_for(self, questions: Iterable[Question]) -> None:
        """All that is waited for."""

    async def approve(self, question: Question) -> bool | None:
        """Ask whoever sits there; None: not now."""
        return None

    def end(self, standing: Standing) -> None:
        """Where it stands when nobody looks any longer."""


def screen(tree: Tree, kept: Place, *, json: bool, quiet: bool) -> Screen:
    """What the options and the surroundings want. `kept`: where artifacts are."""
    out = Output()
    if json:
        return JsonScreen(out, quiet)
    return TreeScreen(tree, kept, quiet) if out.terminal else LinesScreen(out, kept, quiet)


class JsonScreen(Screen):
    """Each event on a line, and where the execution stands on the last."""

    def __init__(self, out: Output, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet

    def hear(self, event: Event) -> None:
        if not self._quiet:
            self._out.json(event.to_dict(), indent=False)

    def end(self, standing: Standing) -> None:
        self._out.json(standing.to_dict(), indent=False)


class LinesScreen(Screen):
    """Plain lines."""

    def __init__(self, out: Output, kept: Place, quiet: bool) -> None:
        self._out = out
        self._kept = kept
        self._quiet = quiet
        self._lines = Lines()
        self._told: set[str] = set()

    def hear(self, event: Event) -> None:
        for line in () if self._quiet else self._lines.of(event):
            self._out.line(line)

    def wait_for(self, questions: Iterable[Question]) -> None:
        for question in questions:
            if question.timed and not self._quiet and question.id not in self._told:
                self._told.add(question.id)
                self._out.line(self._lines.waiting(question))

    async def approve(self, question: Question) -> bool | None:
        return await approve(_asked(question), ask_below)

    def end(self, standing: Standing) -> None:
        for said in summary(standing.execution, self._kept, tuple(hints(standing))):
            self._out.line(said.text)


class TreeScreen(Screen):
    """A tree that is drawn again and again, and once more when nobody looks any longer."""

    def __init__(self, tree: Tree, kept: Place, quiet: bool) -> None:
        self._tree = tree
        self._kept = kept
        self._quiet = quiet
        self._view: View | None = None

    async def __aenter__(self) -> Self:
        if not self._quiet:
            from .view import View

            self._view = View(self._tree)
            self._view.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._view is not None:
            await self._view.stop()

    def recall(self, event: Event) -> None:
        self._tree.fold(event)

    def hear(self, event: Event) -> None:
        self._tree.fold(event)

    def wait_for(self, questions: Iterable[Question]) -> None:
        self._tree.wait_for(questions)

    async def approve(self, question: Question) -> bool | None:
        assert self._view is not None
        self._tree.look_at(question)
        return await approve(_asked(question), self._view.ask)

    def end(self, standing: Standing) -> None:
        from .view import draw

        self._tree.wait_for(standing.questions)
        draw(standing, self._tree, self._kept)


def _asked(question: Question) -> str:
    return clean(question.message).strip() or f"{question.path}: go on?"
