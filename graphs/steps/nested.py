"""`workflow` (a child in the same execution) and `graph` (a registered LangGraph graph)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..call import Call, Kind, Yield
from ..errors import InvalidInput, Retryable, StepError, Terminal
from ..step import Family, Step
from .deterministic import as_json


class WorkflowStep(Step):
    """Run another workflow inside this execution."""

    type: Literal["workflow"]
    workflow: Annotated[str, Field(min_length=1)] = Field(
        description="A registered name, or a file beside this one (`./child.yaml`)."
    )
    version: str | None = Field(default=None, description="Absent: the latest registered.")


class GraphStep(Step):
    """Run a LangGraph graph that was registered in Python."""

    type: Literal["graph"]
    graph: Annotated[str, Field(min_length=1)] = Field(description="Its registered name.")


async def _workflow(call: Call) -> Yield:
    inputs = call.value("inputs") or {}
    if not isinstance(inputs, dict):
        raise Terminal("`inputs` of a workflow step is a mapping by name")
    try:
        return await call.frame.child(call, inputs)
    except InvalidInput as error:
        raise Terminal(error.message) from error


async def _graph(call: Call) -> Yield:
    step: GraphStep = call.step
    graph = call.run.services.graphs.get(step.graph)
    config = {"configurable": {"thread_id": call.idempotency_key}}
    try:
        state = await graph.ainvoke(call.value("inputs") or {}, config)
    except StepError:
        raise
    except (Exception, SystemExit) as error:
        message = f"the graph {step.graph!r} raised {type(error).__name__}: {error}"
        raise Retryable(message) from error
    state = as_json(state, step.graph)
    return Yield(state, dict(state) if isinstance(state, dict) else {})


WORKFLOW = Kind(Family.CONTROL, WorkflowStep, _workflow)
GRAPH = Kind(Family.DETERMINISTIC, GraphStep, _graph)
