"""Every error of the product: one tree, each with a stable code.

A message says what happened, where (file:line:column or step path), and what to do.
Two verdicts matter to the engine: `Terminal` is never tried again, `Retryable` may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self


class AssayError(Exception):
    """The root of the tree; `code` is stable and machine-readable."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a source text. `line` and `column` start at 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or, as a warning, doubtful) in a definition.

    `message` is one sentence: what is wrong, the offending text, what to do.
    `path` leads to the value in the document: `("steps", 0, "command")`.
    """

    source: str
    position: Position
    message: str
    path: tuple[str | int, ...] = ()
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.source}:{self.position.line}:{self.position.column}: {kind}{self.message}"


class InvalidSpec(AssayError):
    """A definition is wrong; `problems` holds every one found, in order of place."""

    code = "invalid_spec"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.source, p.position)))
        super().__init__("\n".join(str(p) for p in self.problems))


class InvalidInput(AssayError):
    """The inputs given to an execution do not fit the workflow's declaration."""

    code = "invalid_input"


class TooLarge(InvalidInput):
    """What was sent has more bytes than its receiver takes."""

    code = "too_large"


class ConfigurationError(AssayError):
    """A setting is missing or wrong; the message says which, and how to set it."""

    code = "configuration"


class ProviderNotFound(AssayError):
    """No provider is registered by that name."""

    code = "provider_not_found"


class ProviderConflict(AssayError):
    """A provider of that name is registered already."""

    code = "provider_conflict"


class WorkflowNotFound(AssayError):
    """No workflow is registered by that name and version."""

    code = "workflow_not_found"

    @classmethod
    def named(cls, name: str) -> Self:
        """In the same words wherever it is missed: who may not see it is told no others."""
        return cls(f"No workflow {name!r} is registered; register it first.")


class WorkflowConflict(AssayError):
    """That name and version is registered with other content; versions never change."""

    code = "workflow_conflict"


class ExecutionNotFound(AssayError):
    """No execution has that id."""

    code = "execution_not_found"

    @classmethod
    def of(cls, id: str) -> Self:
        """In the same words wherever it is missed: who may not see it is told no others."""
        return cls(f"No execution has the id {id!r}; list the executions to see their ids.")


class ExecutionFailed(AssayError):
    """An execution ended `failed`; the message names the step and its error."""

    code = "execution_failed"


class StoreError(AssayError):
    """The store could not be opened, read or written."""

    code = "store"


class StoreUnavailable(StoreError):
    """The store cannot write now (disk full, locked, I/O error) and may be able to later."""

    code = "store_unavailable"


class StateCorrupted(StoreError):
    """What was stored is not what was written; the message names what is lost."""

    code = "state_corrupted"


class NewerFormat(StoreError):
    """A newer Assay wrote this; nothing is wrong with it, and it is left as it is."""

    code = "newer_format"


class LeaseLost(StoreError):
    """Another worker drives this execution now; nothing was written."""

    code = "lease_lost"


class QuestionNotFound(AssayError):
    """No question has that id."""

    code = "question_not_found"

    @classmethod
    def of(cls, id: str) -> Self:
        """In the same words wherever it is missed: who may not see it is told no others."""
        return cls(f"No question has the id {id!r}; list the questions to see their ids.")


class TriggerNotFound(AssayError):
    """No trigger has that id."""

    code = "trigger_not_found"

    @classmethod
    def of(cls, id: str) -> Self:
        """In the same words wherever it is missed: who may not see it is told no others."""
        return cls(f"No trigger has the id {id!r}; list the triggers to see their ids.")


class FiringNotFound(AssayError):
    """No firing of a trigger has that id."""

    code = "firing_not_found"

    @classmethod
    def of(cls, id: str) -> Self:
        """In the same words wherever it is missed: who may not see it is told no others."""
        return cls(f"No firing has the id {id!r}; list the firings of a trigger to see theirs.")


class ArtifactNotFound(AssayError):
    """The execution kept no such file."""

    code = "artifact_not_found"


class QuestionClosed(AssayError):
    """The question has another answer already, or nobody waits for one any more."""

    code = "question_closed"


class NotAuthenticated(AssayError):
    """Nobody knows who asks: no credential, or one that is not valid (any more)."""

    code = "not_authenticated"


class NotAuthorized(AssayError):
    """Whoever asks may not do this; the message names the rule."""

    code = "not_authorized"


class RateLimited(AssayError):
    """Somebody asks too often; `wait` is after how many seconds they may again."""

    code = "rate_limited"

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class PlatformUnavailable(AssayError):
    """A chat platform does not answer, or asks for patience; `wait`: for how many seconds."""

    code = "platform_unavailable"

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


class PlatformRefused(AssayError):
    """A chat platform will not do it, however often it is asked."""

    code = "platform_refused"


class ConcurrencyLimit(AssayError):
    """No slot is free for this key, and the workflow wants to be refused then."""

    code = "concurrency_limit"


class NotPossible(AssayError):
    """The execution is in a status in which this cannot be done."""

    code = "not_possible"


class ServerUnreachable(AssayError):
    """No server answers there, or not any more; the message says what to do."""

    code = "server_unreachable"


class ServerFailed(AssayError):
    """A server answered what cannot be used."""

    code = "server_failed"


class PanicError(AssayError):
    """The system failed, not the step: the execution is restarted within `panic`."""

    code = "panic"


class StepError(AssayError):
    """What a step's attempt may end with. Raised by kinds, caught by the runner.

    `context` is the mutable context that was written inside the step before it failed.
    """

    code = "step_failed"
    context: Mapping[str, Any] = MappingProxyType({})


class Retryable(StepError):
    """Another attempt may succeed; tried again as far as `retry` allows."""

    code = "step_failed"


class Terminal(StepError):
    """Another attempt would fail the same way; never tried again."""

    code = "terminal"


class WorkflowError(Terminal):
    """A permanent failure that the author of a step raises on purpose."""

    code = "workflow_error"


class ShellFailed(Retryable):
    """A command ended with a status other than zero."""

    code = "exit_status"


class HttpFailed(Retryable):
    """A request got no answer, or one with an unexpected status."""

    code = "http"


class StepTimeout(Retryable):
    """An attempt took longer than its `timeout`."""

    code = "timeout"


class ModelFailed(Retryable):
    """A language model did not answer, or answered what could not be used."""

    code = "model"


class ToolServerFailed(Retryable):
    """A server of an agent's tools could not be started or reached, or did not answer."""

    code = "tool_server"


class AssertionFailed(Terminal):
    """An assertion step (or a check of `verify`) was false."""

    code = "assertion_failed"


class ExpressionError(Terminal):
    """An expression failed while it was evaluated; the message quotes it."""

    code = "expression"


class Rejected(Terminal):
    """Somebody who may say so answered an approval with no."""

    code = "rejected"


class NotAllowed(Terminal):
    """A guardrail or security profile forbids what was tried."""

    code = "not_allowed"


class LimitReached(Terminal):
    """A bound was met: `max_iterations` of a loop or of an agent, a size."""

    code = "limit_reached"


class BudgetSpent(LimitReached):
    """The agents of the execution have spent what they may, and nobody allows more."""

    code = "budget_spent"


class NotRegistered(Terminal):
    """A skill, function, agent or graph is named that nobody registered."""

    code = "not_registered"


class OutputMissing(Terminal):
    """A declared output or artifact was not there at the end of the step."""

    code = "output_missing"


class WorkspaceRefused(Terminal):
    """What a step left in its folder cannot follow the execution: too much, or a link outside."""

    code = "workspace_refused"
