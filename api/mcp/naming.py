"""What a workflow is called as a tool: what every client takes, and no other workflow has."""

from __future__ import annotations

import hashlib
import re

OWN = "assay_"
"""How the names of the server's own tools begin."""

_LONGEST = 64
_TAIL = 9
_MARKED = re.compile(r"-[0-9a-f]{8}\Z")


def tool_name(workflow: str) -> str:
    """The workflow's name where it can be a tool's; else like it, with a mark of its own.

    Models take letters, digits, `_` and `-`, at most 64: `a.b` and `a-b` must not become one.
    """
    if is_plain(workflow):
        return workflow
    mark = hashlib.sha256(workflow.encode()).hexdigest()[: _TAIL - 1]
    return f"{workflow.replace('.', '-')[: _LONGEST - _TAIL]}-{mark}"


def is_plain(name: str) -> bool:
    """Whether a tool of that name is the workflow of that name."""
    return (
        "." not in name
        and len(name) <= _LONGEST
        and not name.startswith(OWN)
        and _MARKED.search(name) is None
    )
