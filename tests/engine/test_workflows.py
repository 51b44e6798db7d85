"""The random workflows reach every corner of the language often enough to be worth running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .outcome import Record, Result
from .reference import Reference
from .workflows import Case, case

EXAMPLES = 300
CORNERS = {
    *("parallel all", "parallel any", "parallel none", "any without a winner"),
    *("conditional", "switch", "loop while", "loop until", "foreach", "workflow", "set"),
    *("needs", "async", "when false", "skipped softly", "three levels"),
    *("assert fail", "assert stop", "assert skip", "repair round"),
    *(
        "retried",
        "gave up",
        "control retried",
        "on_error halt",
        "on_error skip",
        "on_error rollback",
    ),
    *("on_error retry", "default", "rolled back", "compensated"),
}
SHARE = 0.1
FAILING = 0.3


def test_each_corner_is_reached_in_a_tenth_of_the_workflows_and_a_third_fails_somewhere() -> None:
    reached: Counter[str] = Counter()

    for seed in range(EXAMPLES):
        written = case(seed)
        result = Reference(written.children).run(written.document, written.inputs)
        reached.update({corner for r in result.records.values() for corner in _corners(r)})
        reached.update(_of_execution(result, written))

    shares = {corner: reached[corner] / EXAMPLES for corner in {*CORNERS, "failure"}}
    assert {c: s for c, s in shares.items() if s < (FAILING if c == "failure" else SHARE)} == {}


def _corners(record: Record) -> Iterator[str]:
    """What this step, which did run (or was passed over), is an example of."""
    step, kind = record.step, record.step["type"]
    if record.status == "failed":
        yield "failure"
    if record.error is not None and record.status == "skipped":
        yield "skipped softly"
    if "when" in step and record.status == "skipped" and record.error is None:
        yield "when false"
    if record.status == "skipped":
        return
    match kind:
        case "parallel":
            yield f"parallel {step.get('wait_for', 'all')}"
            if step.get("wait_for") == "any" and record.status == "failed":
                yield "any without a winner"
        case "loop":
            yield "loop while" if "while" in step else "loop until"
        case "assert" if record.output is not True:
            yield f"assert {step.get('on_false', 'fail')}"
        case _:
            yield kind
    if record.again:
        yield "repair round"
    if "#" in record.place.prefix:
        yield "control retried"
    if (record.attempts or 1) > 1:
        yield "retried" if record.status == "completed" else "gave up"
    yield from (name for name in ("needs", "async") if name in step)
    on_error = step.get("on_error", {})
    yield f"on_error {on_error if isinstance(on_error, str) else on_error.get('strategy')}"
    if record.status == "compensated":
        yield "compensated"
    if record.place.prefix.count(".") >= 2:
        yield "three levels"


def _of_execution(result: Result, case: Case) -> Iterator[str]:
    if result.rolled_back:
        yield "rolled back"
    if case.document.get("error_handling", {}).get("default"):
        yield "default"
