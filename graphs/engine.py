"""One list of steps at one place of an execution, and how it is run."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .binding import BoundStep
from .call import Call, Yield
from .errors import AssertionFailed
from .execution import Exit, Failure, Status, StepResult
from .group import run_graph
from .inputs import accept_inputs, declared_outputs
from .journal import Journal
from .plan import BlockPlan
from .repairs import repair_attempts, repair_target
from .revival import go_through, over
from .run import Definition, Outcome, Run
from .runner import run_step
from .scope import NOT_RUN, Scope
from .strands import Strand

if TYPE_CHECKING:
    from .compile import CompiledBlock

State = dict[str, Any]
"""LangGraph's state of one block: `result.<id>`, `writes`, `exit`, `runs`, `feedback`."""


Named = tuple[str, str | None]
"""What a `workflow` step names: a workflow, and perhaps its version."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One list of steps at one place: `scope` is what it sees of what lies around it.

    `strand` is the line of control that it runs in; `within_workflows` are the names that
    led from the execution's own workflow to this one.
    """

    run: Run
    definition: Definition
    block: CompiledBlock
    prefix: str
    scope: Scope
    strand: Strand
    within_workflows: tuple[Named, ...] = ()

    async def drive(self) -> Outcome:
        """Run the list to its end. Raises `Parked`."""
        return self.outcome(await self.block.run({"writes": {}, "runs": {}, "feedback": {}}, self))

    async def drive_root(self, checkpointer: Any) -> Outcome:
        """Run the execution's own list to its end. Raises `Parked`."""
        begin: State = {"writes": {}, "runs": {}, "feedback": {}, "exit": None}
        return self.outcome(await self.block.run_root(begin, self, checkpointer))

    def outcome(self, state: State) -> Outcome:
        """What a final state of the list's graph says."""
        plan = self.block.plan
        seen = _States(state, self.run.journal)
        results = {i: seen[i] for i in plan.visible if i in seen}
        exit = state.get("exit")
        last = [
            results[s.id]["output"]
            for s in plan.steps
            if s.id in results and results[s.id]["status"] == Status.COMPLETED.value
        ]
        return Outcome(
            results,
            state["writes"],
            Exit(exit["kind"]) if exit is not None and exit["kind"] in ("stop", "skip") else None,
            Failure(**exit["failure"]) if exit is not None and exit["kind"] == "failed" else None,
            last[-1] if last else None,
        )

    def recursion_limit(self, nodes: int) -> int:
        """Supersteps that the block may take: its nodes, as often as repairs can repeat them."""
        repairs = sum(repair_attempts(s.step) for s in self.block.plan.steps)
        return nodes * (1 + repairs) + 5

    async def segment(self, segment: Sequence[BoundStep], state: State) -> State:
        """Run fused steps one after another; what they leave for the block's state."""
        updates: dict[str, Any] = {}
        writes = dict(state["writes"])
        runs: Mapping[str, int] = state["runs"]
        out: State = {"exit": None}
        states = _States(state, self.run.journal)
        results = ChainMap(updates, states, self.scope.results)  # type: ignore[arg-type]
        for bound in segment:
            count = runs.get(bound.id, 1)
            path = f"{self.prefix}{bound.id}" + (f"~{count}" if count > 1 else "")
            scope = self.scope.at(results, {**self.scope.context, **writes})
            if self._repairs(bound, runs) is not None:
                bound = replace(bound, policy=replace(bound.policy, repairing=True))
            ran = await run_step(bound, path, scope, self, state["feedback"].get(bound.id, ()))
            # A repair may take another branch: what it leaves out did not run this time.
            left_out = dict.fromkeys(bound.hoisted, NOT_RUN) if count > 1 else {}
            updates |= {bound.id: ran.result.state(), **left_out, **ran.visible}
            writes |= ran.result.context
            out["exit"] = self._exit(bound, ran.result, runs)
            if out["exit"] is not None:
                if out["exit"]["kind"] == "repair":
                    out |= self._repair(out["exit"], bound, state)
                break
        light = self.run.journal.light
        out |= {f"result.{id}": light(result) for id, result in updates.items()}
        out["writes"] = writes
        return out

    def _exit(
        self, bound: BoundStep, result: StepResult, runs: Mapping[str, int]
    ) -> dict[str, Any] | None:
        if result.error is not None and result.error.code == AssertionFailed.code:
            target = self._repairs(bound, runs)
            if target is not None:
                return {"kind": "repair", "to": target, "message": result.error.message}
        if result.status is Status.FAILED:
            assert result.error is not None
            error = result.error
            return {
                "kind": "failed",
                "failure": {**error.to_dict(), "rollback": error.rollback},
            }
        if result.exit is Exit.SKIP:
            ids = [s.id for s in self.block.plan.steps]
            rest = self.block.plan.steps[ids.index(bound.id) + 1 :]
            self.run.skip([s.step for s in rest], self.prefix, f"{bound.id}: {result.reason}")
            return {"kind": "skip"}
        return {"kind": "stop"} if result.exit is Exit.STOP else None

    def _repairs(self, bound: BoundStep, runs: Mapping[str, int]) -> str | None:
        """The step that an assertion sends back when it is false, while it still may."""
        if bound.kind != "assert":
            return None
        target = repair_target(bound, self.block.plan.steps)
        allowed = target is not None and runs.get(target, 1) < repair_attempts(bound.step)
        return target if allowed else None

    def _repair(self, exit: Mapping[str, Any], bound: BoundStep, state: State) -> State:
        """Everything from the repaired step to the assertion runs once more, at new paths."""
        ids = [s.id for s in self.block.plan.steps]
        again = ids[ids.index(exit["to"]) : ids.index(bound.id) + 1]
        runs = {**state["runs"], **{i: state["runs"].get(i, 1) + 1 for i in again}}
        heard = [*state["feedback"].get(exit["to"], ()), exit["message"]]
        return {"runs": runs, "feedback": {**state["feedback"], exit["to"]: heard}}

    async def graph(self, plan: BlockPlan, state: State) -> State:
        """Run a list that is a graph; each step is a block of its own."""
        ended: dict[str, Outcome] = {}
        behind = _closure(plan.before)

        async def drive(id: str, strand: Strand) -> Outcome:
            earlier = [ended[s.id] for s in plan.steps if s.id in behind[id]]
            scope = self.scope
            for outcome in earlier:
                scope = scope.extended(results=outcome.results, context=outcome.writes)
            frame = replace(self, block=self.block.singles[id], scope=scope, strand=strand)
            ended[id] = await frame.drive()
            return ended[id]

        ids = [s.id for s in plan.steps]
        begun = {i for i in ids if f"{self.prefix}{i}" in self.run.journal.history.begun}
        order = (self.run, self.strand, ids, plan.before, plan.after, drive, begun)
        started = await run_graph(*order)
        outcomes = [ended[i] for i in ids if i in ended]
        stopped = any(o.exit is Exit.STOP for o in outcomes)
        if stopped and not over.get():
            await go_through(self.run, run_graph(*order))
        out: State = {"exit": None, "writes": {}}
        for outcome in outcomes:
            light = self.run.journal.light
            out |= {f"result.{i}": light(r) for i, r in outcome.results.items()}
            out["writes"] |= outcome.writes
        failures = [o.failure for o in outcomes if o.failure is not None]
        if stopped:
            out["exit"] = {"kind": "stop"}
        elif failures:
            wanted = any(f.rollback for f in failures)
            out["exit"] = {
                "kind": "failed",
                "failure": {**failures[0].to_dict(), "rollback": wanted},
            }
        elif started != set(ids):
            rest = [s.step for s in plan.steps if s.id not in started]
            self.run.skip(rest, self.prefix, "the rest of the list was skipped")
        return out

    def within(self, call: Call, label: str = "") -> str:
        """The path that steps inside a step begin with."""
        again = f"#{call.attempt}" if call.attempt > 1 else ""
        return f"{call.path}{again}{label}."

    async def inner(
        self,
        call: Call,
        way: tuple[str, ...],
        label: str,
        position: int | None,
        local: Mapping[str, Any],
        context: Mapping[str, Any] | None,
        strand: Strand | None,
    ) -> Outcome:
        """Run a list inside a step of this frame."""
        block = self.block.inner[call.step.id, way][position or 0]
        scope = call.scope.extended(local=local)
        if context is not None:
            scope = scope.at(scope.results, context)
        prefix = self.within(call, label)
        on = strand or self.strand
        frame = Frame(self.run, self.definition, block, prefix, scope, on, self.within_workflows)
        return await frame.drive()

    async def child(self, call: Call, inputs: Mapping[str, Any]) -> Yield:
        """Run the workflow that a `workflow` step names, inside this execution."""
        step: Any = call.step
        definition = self.definition.children[step.workflow, step.version]
        given = accept_inputs(definition.program.workflow, inputs)
        within = (*self.within_workflows, (step.workflow, step.version))
        frame = root(self.run, definition, given, self.within(call), within, self.strand)
        outcome = await frame.drive()
        if outcome.failure is not None:
            return Yield(failure=outcome.failure)
        outputs = declared_outputs(
            definition.program, frame.scope, outcome, self.run.journal, frame.prefix
        )
        return Yield(outputs, outputs)


def root(
    run: Run,
    definition: Definition,
    inputs: Mapping[str, Any],
    prefix: str = "",
    within: tuple[Named, ...] = (),
    strand: Strand | None = None,
) -> Frame:
    """The frame of a workflow's own list of steps."""
    workflow = definition.program.workflow
    scope = Scope(
        inputs=inputs,
        env=run.execution.env,
        readonly=workflow.context.readonly,
        context=workflow.context.mutable,
    )
    return Frame(run, definition, definition.block, prefix, scope, strand or run.strand, within)


def frame_within(run: Run, within: Sequence[Named], inputs: Mapping[str, Any] | None) -> Frame:
    """The frame of the workflow that the chain of `workflow` steps leads to."""
    definition = run.definition
    for name in within:
        definition = definition.children[name]
    given = run.execution.inputs if inputs is None else inputs
    return root(run, definition, given, within=tuple(within))


class _States(Mapping[str, Mapping[str, Any]]):
    """The step results in LangGraph's state, by id; large ones are in the journal only."""

    def __init__(self, state: State, journal: Journal) -> None:
        self._state = state
        self._journal = journal

    def __getitem__(self, id: str) -> Mapping[str, Any]:
        result: Mapping[str, Any] | None = self._state.get(f"result.{id}")
        if result is None:
            raise KeyError(id)
        return self._journal.whole(result)

    def __iter__(self) -> Iterator[str]:
        return (k[7:] for k, v in self._state.items() if k.startswith("result.") and v is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _closure(edges: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """Everything behind each step, not only what it waits for itself. There are no circles."""
    found: dict[str, frozenset[str]] = {}
    while len(found) < len(edges):
        for id, direct in edges.items():
            if id not in found and direct <= found.keys():
                found[id] = direct.union(*(found[e] for e in direct))
    return found
