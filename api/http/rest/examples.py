"""What things look like, for OpenAPI: one small story, of a letter that somebody has to send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_DIGEST: Final = "22eca99bb72ea65fb2ac130f5aaa6b2c1b5ecb27e25c8c95307bd340eb407253"
_FILE: Final = "0ed63e11e348af87d67181b536bd546aa71d9f6298cd885401b4d4e9a36e0ca7"
_ID: Final = "01a1fef1-1d0c-7836-aa5b-576d54c508e5"
_FIRING: Final = "f52b050d0e39392474cc7f00ae47d90b"
_BEFORE: Final = "2026-11-21T16:29:36.908957Z"
_AT: Final = "2026-11-21T16:29:36.929364Z"
_AFTER: Final = "2026-11-21T16:30:02.113084Z"
_NAMED: Final = {"name": "greet", "version": "1", "digest": _DIGEST}

DEFINITION: Final[Mapping[str, Any]] = {
    "name": "greet",
    "inputs": {"who": {"type": "string", "default": "world"}},
    "steps": [
        {
            "id": "hi",
            "type": "shell",
            "command": "echo Hello {{ inputs.who }} | tee hello.txt",
            "artifacts": {"letter": "hello.txt"},
        },
        {"id": "send", "type": "approval", "message": "Send it?"},
    ],
}

_STEP: Final[Mapping[str, Any]] = {
    "step": "hi",
    "kind": "shell",
    "status": "completed",
    "output": "Hello Ada",
    "outputs": {"stdout": "Hello Ada", "stderr": "", "exit_code": 0},
    "artifacts": {"letter": {"path": "hello.txt", "sha256": _FILE, "size": 10}},
    "error": None,
    "attempts": 1,
    "started_at": _BEFORE,
    "completed_at": _AT,
    "cost": None,
    "cached": False,
    "cache_key": None,
    "reason": None,
}
_ROW: Final[Mapping[str, Any]] = {
    "execution_id": _ID,
    "workflow_id": "greet@1",
    "workflow_name": "greet",
    "workflow_version": "1",
    "digest": _DIGEST,
    "status": "waiting",
    "current_step": "send",
    "inputs": {"who": "Ada"},
    "outputs": {},
    "artifacts": {},
    "error": None,
    "cost": {"input_tokens": 0, "output_tokens": 0, "calls": 0, "usd": None},
    "notices": [],
    "origin": None,
    "firing": _FIRING,
    "priority": 0,
    "restarts": 0,
    "created_at": _BEFORE,
    "updated_at": _AT,
    "started_at": _BEFORE,
    "completed_at": None,
}
_VOTE: Final[Mapping[str, Any]] = {
    "value": None,
    "by": "Grace",
    "comment": "she will like it",
    "at": _AFTER,
    "approved": True,
}
_HOLDER: Final[Mapping[str, Any]] = {
    "id": "3f9c2a7b",
    "name": "ci",
    "role": "operator",
    "scopes": ["build-*"],
    "profile": "restricted",
    "created_at": _BEFORE,
    "expires_at": "2027-02-19T16:29:36.908957Z",
}
_DIFF: Final = """\
--- greet@1
+++ greet@2
@@ -15,4 +15,4 @@
   type: shell
 - id: send
-  message: Send it?
+  message: Send it now?
   type: approval
"""

_MORNINGS: Final = {"type": "manual", "id": "mornings", "with": {"who": "{{ payload.name }}"}}
_STARTER: Final[Mapping[str, Any]] = {
    "id": "greet.mornings",
    "workflow": "greet",
    "version": None,
    "type": "manual",
    "document": _MORNINGS,
    "declared": False,
    "enabled": True,
    "by": "3f9c2a7b",
    "profile": "restricted",
    "created_at": _AT,
    "next_at": None,
    "reason": "",
}
_CLOCK: Final[Mapping[str, Any]] = {
    "type": "cron",
    "document": {"type": "cron", "id": "mornings", "schedule": "0 9 * * MON-FRI"},
    "next_at": "2026-11-23T09:00:00.000000Z",
}

SHAPES: Final[Mapping[str, Any]] = {
    "Version": {**_NAMED, "description": None, "registered_at": _BEFORE},
    "Definition": {**_NAMED, "document": DEFINITION},
    "Registered": _NAMED,
    "Verdict": {
        "valid": False,
        "problems": [
            {
                "at": "steps",
                "message": "the field 'steps' is missing; add it",
                "line": 1,
                "column": 1,
                "warning": False,
            }
        ],
    },
    "Difference": {"name": "greet", "before": "1", "after": "2", "same": False, "diff": _DIFF},
    "Deleted": {"deleted": 1},
    "Start": {"workflow": "greet", "inputs": {"who": "Ada"}},
    "Row": _ROW,
    "State": {**_ROW, "steps": {"hi": _STEP}},
    "StepState": _STEP,
    "Happened": {
        "execution_id": _ID,
        "seq": 3,
        "type": "StepStarted",
        "path": "hi",
        "at": _BEFORE,
        "data": {"step": "hi", "kind": "shell"},
    },
    "Feedback": {"path": "fix", "passed": False, "comment": "it forgot the tests"},
    "Said": {
        "execution_id": _ID,
        "path": "fix",
        "workflow": "repair",
        "step": "fix",
        "model": "openai:gpt-5-mini",
        "passed": False,
        "by": "Ada",
        "comment": "it forgot the tests",
        "at": _AT,
    },
    "ModelFigures": {
        "workflow": "repair",
        "step": "fix",
        "model": "openai:gpt-5-mini",
        "prompt": "a3bf4f1b2b0b822c",
        "verdicts": 120,
        "rate": 0.85,
        "lately": 0.9,
        "tokens": 5210.5,
        "usd": 0.0031,
        "seconds": 8.4,
        "since": _BEFORE,
        "until": _AT,
    },
    "Stop": {"reason": "nobody reads letters"},
    "Retry": {"path": None},
    "Fork": {"path": "hi", "inputs": {"who": "Charles"}},
    "ForkPlan": {
        "kept": 0,
        "begins": ["hi"],
        "again": [
            {
                "path": "hi",
                "step": "hi",
                "kind": "shell",
                "effects": "idempotent",
                "repeats": True,
                "was": "completed",
            }
        ],
        "says": ["Begins again at hi.", "Nothing is kept.", "1 step runs again: hi."],
    },
    "Asked": {
        "id": "q44dad9fc534d072f2ab",
        "execution_id": _ID,
        "path": "send",
        "kind": "approval",
        "message": "Send it?",
        "schema": None,
        "due": None,
        "approvers": [],
        "wanted": 1,
        "event": None,
        "key": None,
        "asked_at": _AT,
        "status": "answered",
        "votes": [_VOTE],
        "answer": _VOTE,
        "choices": {},
    },
    "Answering": {"approved": True, "comment": "she will like it"},
    "Sending": {"name": "paid", "key": "order-7", "payload": {"euros": 12}, "id": "payment-31"},
    "Sent": {"told": [_ID]},
    "Starter": _STARTER,
    "Schedule": {
        **_STARTER,
        **_CLOCK,
        "next": ["2026-11-23T09:00:00.000000Z", "2026-11-24T09:00:00.000000Z"],
        "says": "At 09:00 on Monday through Friday, UTC",
    },
    "NewTrigger": {"workflow": "greet", "trigger": _MORNINGS},
    "Switch": {"enabled": True},
    "Firings": {"payload": {"name": "Ada"}},
    "Fired": {
        "id": _FIRING,
        "trigger": "greet.mornings",
        "workflow": "greet",
        "at": _BEFORE,
        "status": "started",
        "execution_id": _ID,
        "reason": "",
        "into": "",
        "payload": {"name": "Ada"},
        "attributes": {},
        "by": "3f9c2a7b",
    },
    "Due": {"start": "2026-11-16T00:00:00Z", "end": "2026-11-21T00:00:00Z"},
    "Artifact": {
        "execution_id": _ID,
        "path": "hi",
        "name": "letter",
        "file": "hello.txt",
        "sha256": _FILE,
        "size": 10,
        "kept_at": _AT,
    },
    "Memory": {"workflow": "helpdesk", "key": "ada", "at": _AT},
    "Invalidate": {"prefix": "build"},
    "Holding": {
        "key": "Ada",
        "execution_id": _ID,
        "workflow": "greet",
        "held": True,
        "since": _BEFORE,
        "priority": 0,
    },
    "Holder": _HOLDER,
    "NewKey": {"name": "ci", "role": "operator", "scopes": ["build-*"], "expires_in": 7776000},
    "Issued": {**_HOLDER, "secret": "assay_3f9c2a7b_…"},
    "Audited": {
        "id": 2,
        "at": _BEFORE,
        "principal": "3f9c2a7b",
        "action": "executions.start",
        "target": "greet",
        "allowed": True,
        "rule": "operator may executions.start",
        "data": {"version": None, "priority": 0, "surface": "rest"},
    },
    "Figures": {"worker": "30205-31dc0f4bdb0f", "running": 0, "taken": 1, "draining": False},
}
"""By the name of a shape."""

DETAILS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("too_deep", "JSON may be nested 64 levels deep at most."),
    401: (
        "not_authenticated",
        "An API key is needed: send it as `Authorization: Bearer assay_…`",
    ),
    403: (
        "not_authorized",
        "executions.start needs the role operator; this is 'viewer'; "
        "ask whoever runs this server for more",
    ),
    404: ("execution_not_found", f"no execution {_ID!r}"),
    406: ("not_acceptable", "This is a stream: accept text/event-stream"),
    408: ("too_slow", "The body did not arrive within 10 s."),
    409: ("not_possible", f"execution {_ID} has ended: it is completed"),
    413: ("too_large", "A body has 1,048,576 bytes at most (ASSAY_MAX_BODY)."),
    415: ("http", "text/plain is no definition; send application/json or application/yaml"),
    416: ("no_such_part", "The file has 10 bytes."),
    422: ("invalid_request", "body.workflow: Field required"),
    429: ("rate_limited", "One principal may ask 6000 times in 60 s here; ask again in 12 s"),
    503: ("store_unavailable", "the store does not answer"),
}
"""The code and the detail of a problem, by its status."""
