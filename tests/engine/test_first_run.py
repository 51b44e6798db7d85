"""What `make run` runs: two projects that fail differently get two reports, each its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
FAILING = {
    "shop": {"test_discount_is_a_percentage", "test_receipt_names_every_item"},
    "parser": {"test_leaves_out_empty_parts", "test_mean_of_nothing_is_zero"},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The examples as a newcomer has them, without anything that an earlier run left."""
    for path in sorted((HOUSE / "graphs" / "examples").rglob("*")):
        if path.suffix in (".yaml", ".py", ".ini"):
            place = tmp_path / path.relative_to(HOUSE)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return tmp_path


def test_each_failing_project_gets_a_report_of_its_own_failures(checkout: Path) -> None:
    programs = str(Path(sys.executable).parent)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ASSAY", "OPENAI"))}
    for project, own in FAILING.items():
        folder = f"graphs/examples/projects/{project}"
        run = subprocess.run(
            [
                Path(programs) / "assay",
                "run",
                "graphs/examples/explain-failures.yaml",
                "-i",
                f"project={folder}",
            ],
            cwd=checkout,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        report = (checkout / folder / "report.md").read_text()
        others = set().union(*FAILING.values()) - own
        assert run.returncode == 0, run.stderr
        assert all(name in report for name in own)
        assert not any(name in report for name in others)
        assert "2 of 3 tests fail" in report
        assert "# Failing tests in" in run.stdout
        assert "demo model" in run.stdout
