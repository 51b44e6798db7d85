"""Would the engine's tests notice? Plants one bug at a time and runs them against the copy.

The bugs are one-line mistakes that somebody could make in `graphs/`, each found by its exact
text; when the text is gone the script says so and fails, and the bug is to be planted anew.
Ends with 1 when a bug is not caught.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
TEST = "tests/engine/test_engine_against_reference.py"
COPIED = ("graphs", "agents", "api", "store", "triggers", "src", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """A bug: in this file, `old` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "`any` takes the first branch to end, even a failed one",
        "group.py",
        'completed = outcome.results[id]["status"] == Status.COMPLETED',
        "completed = id in outcome.results",
    ),
    Mutant(
        "`all` cancels the siblings of a failed branch",
        "group.py",
        "stopped = any(o.exit is Exit.STOP for o in outcomes)",
        "stopped = any(o.exit is Exit.STOP or o.failure for o in outcomes)",
    ),
    Mutant(
        "`foreach` gives results in order of completion",
        "group.py",
        "            outcomes = [t.result() for t in done if not t.cancelled()]\n",
        "            tasks.sort(key=lambda t: not t.done())\n"
        "            outcomes = [t.result() for t in done if not t.cancelled()]\n",
    ),
    Mutant(
        "branches' context is merged in reverse order",
        "group.py",
        "    for outcome in outcomes:\n        merged |= outcome.writes",
        "    for outcome in reversed(outcomes):\n        merged |= outcome.writes",
    ),
    Mutant(
        "a list with `needs` ignores its edges",
        "group.py",
        "or not before[id] <= ended.keys():",
        "or (before[id] and not ended):",
    ),
    Mutant(
        "what depends on a failed step runs",
        "group.py",
        "if any(ended[p].failure is not None for p in after[id]):",
        "if not all(p in ended for p in after[id]):",
    ),
    Mutant(
        "a list's last output is that of its first step",
        "engine.py",
        "last[-1] if last else None",
        "last[0] if last else None",
    ),
    Mutant(
        "the rest of a list is not recorded as skipped",
        "engine.py",
        "rest = self.block.plan.steps[ids.index(bound.id) + 1 :]",
        "rest = self.block.plan.steps[ids.index(bound.id) + 2 :]",
    ),
    Mutant(
        "a repair does not run the assertion again",
        "engine.py",
        'again = ids[ids.index(exit["to"]) : ids.index(bound.id) + 1]',
        'again = ids[ids.index(exit["to"]) : ids.index(bound.id)]',
    ),
    Mutant(
        "a `stop` in a child workflow stops the parent",
        "engine.py",
        "        return Yield(outputs, outputs)\n",
        "        return Yield(outputs, outputs, exit=outcome.beyond)\n",
    ),
    Mutant(
        "compensation goes forward",
        "compensation.py",
        "key=lambda r: -r.seq",
        "key=lambda r: r.seq",
    ),
    Mutant(
        "one attempt too many",
        "runner.py",
        "attempt >= retry.total",
        "attempt > retry.total",
    ),
    Mutant(
        "`on_error: skip` halts",
        "runner.py",
        'soft = bound.policy.strategy == "skip" and not repaired',
        'soft = bound.policy.strategy == "skip" and repaired',
    ),
    Mutant(
        "a branch that is not taken leaves no record",
        "steps/control.py",
        "        if other != block:\n",
        "        if other != block and block is None:\n",
    ),
    Mutant(
        "the default of a switch is ignored",
        "steps/control.py",
        '("default",) if step.default is not None else None, "default")',
        'None, "default")',
    ),
    Mutant(
        "`until` is tested with the number of the next iteration",
        "steps/repeat.py",
        '        now = outer.extended(results=body, context=written, local={"iteration": done})\n'
        "        done += 1\n",
        "        done += 1\n"
        '        now = outer.extended(results=body, context=written, local={"iteration": done})\n',
    ),
    Mutant(
        "a loop stops one iteration early",
        "steps/repeat.py",
        "if done == step.max_iterations:",
        "if done == step.max_iterations - 1:",
    ),
    Mutant(
        "a loop forgets what earlier iterations wrote",
        "steps/repeat.py",
        "        written |= outcome.writes\n",
        "        written = {**outcome.writes}\n",
    ),
)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            _copy(HOUSE / name, copy / name)
        if not _passes(copy):
            print("The tests fail without any bug; mend that first.")
            return 1
        missed = [mutant.name for mutant in MUTANTS if not _caught(mutant, copy)]
    print(f"{len(MUTANTS) - len(missed)} of {len(MUTANTS)} caught")
    return 1 if missed else 0


def _caught(mutant: Mutant, copy: Path) -> bool:
    file = copy / "graphs" / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        sys.exit(f"graphs/{mutant.file} has {text.count(mutant.old)} times: {mutant.old!r}")
    file.write_text(text.replace(mutant.old, mutant.new))
    started = time.perf_counter()
    try:
        caught = not _passes(copy)
    finally:
        file.write_text(text)
    took = time.perf_counter() - started
    print(f"{'caught' if caught else 'MISSED'}  {took:5.1f} s  {mutant.name}", flush=True)
    return caught


def _passes(copy: Path) -> bool:
    """Whether the short form of the test passes on the copy; a test that cannot run ends it."""
    pytest = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")
    command = (*pytest, "-k", "ends_as_the_reference", TEST)
    environ = {**os.environ, "PYTHONPATH": str(copy / "src")}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "ASSAY_LONG": ""}
    done = subprocess.run(
        command, cwd=copy, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):  # not a verdict: nothing was collected, or it broke off
        sys.exit(done.stdout + done.stderr)
    return done.returncode == 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, symlinks=True, ignore=ignore)
    else:
        shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main())
