"""A workflow that is called as a tool: started, waited for, its questions put to the caller."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types

from ...graphs.errors import AssayError, ExecutionNotFound, InvalidInput, QuestionClosed
from .forms import form, reply
from .telling import outcome
from .waiting import Standing, Waiting, askable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphs.execution import Execution
    from ...graphs.question import Question
    from ..control import Control
    from .callers import Callers, Context
    from .progress import Progress
    from .workflows import Shelf

Told = types.CallToolResult | types.InputRequiredResult

TRIES = 3
"""How often one form is shown again when what was filled in does not fit."""

_LINKS = 20


class Calling:
    """One call of one tool by one caller."""

    def __init__(self, context: Context, callers: Callers, shelf: Shelf, patience: float) -> None:
        self._context = context
        self._callers = callers
        self._shelf = shelf
        self._until = time.monotonic() + patience
        self._control: Control = callers.control(context)
        capabilities = context.session.client_capabilities
        self._asks = capabilities is not None and _forms(capabilities.elicitation)

    async def run(self, workflow: str, params: types.CallToolRequestParams) -> Told:
        """Start the workflow, or go on with what an earlier answer to this call began."""
        if params.request_state is None:
            execution = await self._control.start(workflow, params.arguments or {})
            refused = ""
        else:
            execution = await self._begun(params.request_state, workflow)
            refused = await self._answered(execution, params.input_responses or {})
        waiting = await self.waiting(execution)
        while True:
            standing = await waiting.turn()
            question = askable(self._control, standing) if self._asks else None
            if question is None or time.monotonic() >= self._until:
                return await self.told(standing)
            if not self._context.session.can_send_request:
                return self._input_required(standing.execution, question, refused)
            if not await self._elicit(waiting, question):
                return await self.told(await waiting.standing())

    async def waiting(self, execution: Execution, patience: float | None = None) -> Waiting:
        """In front of that execution, for so many seconds, and no longer than a call may last."""
        until = self._until
        if patience is not None:
            until = min(until, time.monotonic() + patience)
        shape = await self._shelf.shape(
            self._control, execution.workflow, execution.version, execution.digest
        )

        async def report(progress: Progress) -> None:
            await self._context.session.report_progress(
                progress.done, progress.total or None, progress.message
            )

        async def still() -> None:
            await self._callers.still(self._context)

        return Waiting(
            self._control,
            execution.id,
            total=shape.steps,
            until=until,
            report=report,
            still=still,
        )

    async def told(self, standing: Standing) -> types.CallToolResult:
        execution = standing.execution
        artifacts = await self._control.artifacts(execution.id, limit=_LINKS)
        return outcome(execution, standing.waits, artifacts.items)

    async def _begun(self, id: str, workflow: str) -> Execution:
        """The state that a client sends back is nothing but an id: it gives no right."""
        execution = await self._control.execution(id)
        if execution.workflow != workflow:
            raise ExecutionNotFound(f"no execution {id!r} of {workflow!r}")
        return execution

    async def _answered(self, execution: Execution, responses: Mapping[str, Any]) -> str:
        """Give the answers that came with the call; why one does not fit, if one does not."""
        for id, response in responses.items():
            question = await self._control.question(id)
            if question.execution_id != execution.id or not isinstance(
                response, types.ElicitResult
            ):
                raise InvalidInput(f"{id!r} is no question of execution {execution.id}")
            if response.action != "accept":
                self._asks = False  # who does not want to say is not asked again
                continue
            try:
                await self._answer(question, response.content)
            except InvalidInput as error:
                return error.message
        return ""

    async def _answer(self, question: Question, content: Mapping[str, Any] | None) -> None:
        said = reply(question, content or {})
        try:
            await self._control.answer(
                question.id, said.value, approved=said.approved, comment=said.comment
            )
        except QuestionClosed:
            return  # somebody else was sooner: the execution goes on either way

    def _input_required(
        self, execution: Execution, question: Question, refused: str
    ) -> types.InputRequiredResult:
        """Clients of 2026 are not asked: they are told what to send along with the same call."""
        asked = types.ElicitRequest(params=_params(question, refused))
        return types.InputRequiredResult(
            input_requests={question.id: asked}, request_state=execution.id
        )

    async def _elicit(self, waiting: Waiting, question: Question) -> bool:
        """Ask over the open connection; whether the execution can go on from here.

        Takes the form away when somebody else has answered, or the time is up.
        """
        refused = ""
        for _ in range(TRIES):
            given: types.ElicitResult | None = None
            fault: AssayError | None = None
            async with anyio.create_task_group() as group:

                async def watch(scope: anyio.CancelScope = group.cancel_scope) -> None:
                    nonlocal fault
                    try:
                        await waiting.closed(question)
                    except AssayError as error:
                        fault = error
                    scope.cancel()

                group.start_soon(watch)
                given = await self._show(question, refused)
                group.cancel_scope.cancel()
            if fault is not None:
                raise fault
            if given is None:
                return time.monotonic() < self._until
            if given.action != "accept":
                return False
            try:
                await self._answer(question, given.content)
                return True
            except InvalidInput as error:
                refused = error.message
        return False

    async def _show(self, question: Question, refused: str) -> types.ElicitResult:
        params = _params(question, refused)
        try:
            return await self._context.session.elicit_form(
                params.message, params.requested_schema, self._context.request_id
            )
        except Exception:
            # A client that says it can and then cannot is one that does not answer.
            return types.ElicitResult(action="cancel")


def _params(question: Question, refused: str) -> types.ElicitRequestFormParams:
    message = question.message or f"Step {question.path!r} asks."
    if refused:
        message = f"{refused}\n\n{message}"
    return types.ElicitRequestFormParams(message=message, requested_schema=form(question))


def _forms(elicitation: types.ElicitationCapability | None) -> bool:
    """Whether a client shows forms; one that says no mode means forms."""
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
