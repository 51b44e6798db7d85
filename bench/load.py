"""How long a definition of 1,000 steps takes to load, and the command line to say what it can do.

Beside it, as references: PyYAML reading the same text, and a bare Python that imports typer.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from assay.api.app import loader

STEPS = 1000
ROUNDS = 7
PYTHON = sys.executable
ASSAY = str(Path(PYTHON).with_name("assay"))


def definition() -> str:
    """1,000 steps, a third each of skill, set and assert, two expressions in most."""
    steps: list[dict[str, object]] = []
    for n in range(STEPS):
        match n % 3:
            case 0:
                inputs = {"message": f"{{{{ inputs.n + {n} }}}}"}
                steps.append({"id": f"s{n}", "type": "skill", "skill": "echo", "inputs": inputs})
            case 1:
                values = {"x": f"{{{{ s{n - 1}.output }}}}"}
                steps.append({"id": f"s{n}", "type": "set", "values": values})
            case _:
                condition = f"context.x == inputs.n + {n - 2}"
                steps.append({"id": f"s{n}", "type": "assert", "condition": condition})
    document = {
        "name": "thousand",
        "inputs": {"n": {"type": "integer", "default": 1}},
        "context": {"mutable": {"x": 0}},
        "steps": steps,
    }
    return yaml.safe_dump(document, sort_keys=False)


def median(work: Callable[[], object]) -> float:
    """Milliseconds, the median of some rounds after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def process(*argv: str) -> Callable[[], object]:
    return lambda: subprocess.run(argv, check=True, capture_output=True)


def main() -> None:
    text, load = definition(), loader()
    rows = [
        ("load 1,000 steps", median(lambda: load.text(text, "thousand.yaml"))),
        ("  reference: yaml.CSafeLoader", median(lambda: yaml.load(text, yaml.CSafeLoader))),
        ("assay --help", median(process(ASSAY, "--help"))),
        ("  reference: python -c 'import typer'", median(process(PYTHON, "-c", "import typer"))),
        ("  reference: python -c pass", median(process(PYTHON, "-c", "pass"))),
    ]
    for name, milliseconds in rows:
        print(f"{name:40} {milliseconds:8.1f} ms")


if __name__ == "__main__":
    main()
