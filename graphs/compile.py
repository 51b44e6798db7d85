"""Plan to LangGraph: every block becomes a StateGraph; the only place where steps are nodes.

Only a workflow's own list has a checkpointer; the blocks inside it have none: the journal is
what they resume from, and a child graph's checkpoint namespace would depend on the order of
calls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from langgraph.checkpoint.base import CheckpointMetadata, empty_checkpoint
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Interrupt

from .binding import BoundStep
from .engine import Frame, State
from .errors import StateCorrupted
from .plan import BlockPlan, Way
from .question import Question
from .strands import Parked

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

Node = Callable[[State, Frame], Awaitable[State]]

_CONTROL = ("writes", "exit", "runs", "feedback")


class CompiledBlock:
    """A block's graph, with the blocks inside it."""

    def __init__(self, plan: BlockPlan, *, direct: bool = True) -> None:
        self.plan = plan
        self.inner: Mapping[tuple[str, Way], tuple[CompiledBlock, ...]] = {
            key: tuple(CompiledBlock(p, direct=direct) for p in plans)
            for key, plans in plan.inner.items()
        }
        self.singles = {id: CompiledBlock(p, direct=direct) for id, p in plan.singles.items()}
        self._nodes = _nodes(plan)
        self._direct = direct and len(self._nodes) == 1
        self._graphs: dict[Any, Any] = {}

    def graph(self, checkpointer: Any = False) -> Any:
        """The compiled StateGraph, made when it is first needed."""
        if checkpointer not in self._graphs:
            self._graphs[checkpointer] = _graph(self.plan, self._nodes).compile(
                checkpointer=checkpointer, name=self.plan.name
            )
        return self._graphs[checkpointer]

    async def run(self, state: State, frame: Frame) -> State:
        """Run the block in this frame; returns its final state. Raises `Parked`.

        A block of one node has no superstep to order: its node is called as it is.
        """
        if self._direct:
            (node,) = self._nodes.values()
            return {**state, **await node(state, frame)}
        config = {"recursion_limit": frame.recursion_limit(len(self._nodes))}
        try:
            result: State = await self.graph().ainvoke(state, config, context=frame)
        except GraphInterrupt as interrupt:
            raise _parked(interrupt.args[0]) from None
        if "__interrupt__" in result:  # no graph of LangGraph's is around this one
            raise _parked(result["__interrupt__"])
        return result

    async def run_root(self, state: State, frame: Frame, checkpointer: Any) -> State:
        """Run the block as an execution's own, from its beginning; what has been done is in
        the journal and is not done again. Raises `Parked`.

        Its thread is the execution. A checkpoint is written when it parks and when it ends:
        for whoever looks at the thread, and nothing here depends on it. A block of one node
        needs LangGraph only for the one that it parks at.
        """
        execution = frame.run.execution
        config: RunnableConfig = {
            "recursion_limit": frame.recursion_limit(len(self._nodes)),
            "configurable": {"thread_id": execution.id},
            "metadata": {"workflow": execution.workflow, "version": execution.version},
        }
        within: Frame | Parked = frame
        if self._direct:
            (node,) = self._nodes.values()
            try:
                final = {**state, **await node(state, frame)}
            except Parked as parked:
                within = parked
            else:
                frame.run.save(_save(checkpointer, config, final))
                return final
        try:
            result = await self._invoke(state, within, config, checkpointer)
        except StateCorrupted as damaged:
            frame.run.notice(f"its checkpoint was damaged and is made anew: {damaged.message}")
            await checkpointer.adelete_thread(execution.id)
            result = await self._invoke(state, within, config, checkpointer)
        if "__interrupt__" in result:
            raise _parked(result["__interrupt__"])
        return result

    async def _invoke(
        self, state: State, within: Frame | Parked, config: RunnableConfig, checkpointer: Any
    ) -> State:
        graph = self.graph(checkpointer)
        result: State = await graph.ainvoke(state, config, context=within, durability="exit")
        return result

    def holding(self, id: str) -> CompiledBlock:
        """The block, this one or one inside it, whose list has the step of that id."""
        found = self._holding(id)
        if found is None:
            raise KeyError(id)
        return found

    def _holding(self, id: str) -> CompiledBlock | None:
        if id in self.singles:
            return self.singles[id]
        if any(s.id == id for s in self.plan.steps):
            return self
        inside = [*(b for blocks in self.inner.values() for b in blocks), *self.singles.values()]
        return next((found for b in inside if (found := b._holding(id)) is not None), None)


async def _save(checkpointer: Any, config: RunnableConfig, final: State) -> None:
    """The checkpoint that LangGraph would write when the graph of one node has ended."""
    checkpoint = empty_checkpoint()
    version = checkpointer.get_next_version(None, None)
    versions = dict.fromkeys(final, version)
    checkpoint["channel_values"] = final
    checkpoint["channel_versions"] = versions
    config["configurable"]["checkpoint_ns"] = ""
    metadata: CheckpointMetadata = {"source": "loop", "step": 1, "parents": {}}
    await checkpointer.aput(config, checkpoint, metadata, versions)


PAUSED = "paused"
"""The id of an interrupt that asks nothing."""


def _parked(interrupts: Sequence[Interrupt]) -> Parked:
    return Parked(tuple(Question.from_dict(i.value) for i in interrupts if i.id != PAUSED))


def _nodes(plan: BlockPlan) -> dict[str, Node]:
    if plan.singles:
        return {"graph": _graph_node(plan)}
    return {_name(segment): _segment_node(segment) for segment in plan.segments}


def _name(segment: tuple[BoundStep, ...]) -> str:
    first, last = segment[0].id, segment[-1].id
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _segment_node(segment: tuple[BoundStep, ...]) -> Node:
    async def run(state: State, frame: Frame) -> State:
        return await frame.segment(segment, state)

    return run


def _graph_node(plan: BlockPlan) -> Node:
    async def run(state: State, frame: Frame) -> State:
        return await frame.graph(plan, state)

    return run


def _graph(plan: BlockPlan, nodes: Mapping[str, Node]) -> StateGraph[Any, Any, Any, Any]:
    channels = {f"result.{id}": dict for id in plan.visible}
    control = dict.fromkeys(_CONTROL, object)
    schema = TypedDict("State", {**channels, **control}, total=False)  # type: ignore[misc]
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(schema, context_schema=Frame)
    names = list(nodes)
    home = {s.id: n for n, segment in zip(names, plan.segments, strict=False) for s in segment}
    for name, segment in zip(names, plan.segments or ((),), strict=True):
        reads = channels if not segment else _reads(plan, segment)
        narrow = TypedDict(name, {**reads, **control}, total=False)  # type: ignore[misc]
        graph.add_node(name, _adapt(nodes[name]), input_schema=narrow)
    graph.add_edge(START, names[0])
    for name, following in zip(names, [*names[1:], END], strict=True):
        targets: dict[Hashable, str] = {**{n: n for n in names}, END: END}
        graph.add_conditional_edges(name, _route(following, home), targets)
    return graph


def _reads(plan: BlockPlan, segment: tuple[BoundStep, ...]) -> dict[str, Any]:
    """Only the channels that the segment's expressions name: wide states are slow to read."""
    mentioned = frozenset[str]().union(*(s.mentions for s in segment))
    return {f"result.{id}": dict for id in plan.visible if id in mentioned}


def _adapt(node: Node) -> Any:
    async def run(state: State, runtime: Runtime[Frame]) -> State:
        within: Frame | Parked = runtime.context
        try:
            if isinstance(within, Parked):  # the node has been called, and this came of it
                raise within
            return await node(state, within)
        except Parked as parked:
            # To LangGraph an execution that waits is a graph that was interrupted.
            questions = [Interrupt(q.to_dict(), id=q.id) for q in parked.questions]
            raise GraphInterrupt(tuple(questions or [Interrupt(None, id=PAUSED)])) from None

    return run


def _route(following: str, home: Mapping[str, str]) -> Any:
    def route(state: State) -> str:
        exit = state.get("exit")
        if exit is None:
            return following
        return home[exit["to"]] if exit["kind"] == "repair" else END

    return route


@dataclass(frozen=True, slots=True)
class _Key:
    digest: str
    fuse: bool


class CompileCache:
    """Compiled root blocks by digest; a digest's meaning never changes."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._blocks: OrderedDict[_Key, CompiledBlock] = OrderedDict()

    def get(self, digest: str, fuse: bool, make: Callable[[], BlockPlan]) -> CompiledBlock:
        """The block of that digest, compiled now if it is not there."""
        key = _Key(digest, fuse)
        if key not in self._blocks:
            self._blocks[key] = CompiledBlock(make(), direct=fuse)
            while len(self._blocks) > self._size:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]
