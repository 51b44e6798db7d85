"""Event triggers as a definition writes them: what they wait for, and what is wrong with them."""

from __future__ import annotations

import re

import pytest
from tests.running import problems, warnings

from assay.triggers.events import fits, subscription_of


def workflow(trigger: str, *, emits: str = "done") -> str:
    return f"""
    name: w
    triggers:
      - {trigger}
    steps:
      - {{id: say, type: emit, event: {emits}}}
    """


@pytest.mark.parametrize(
    ("pattern", "name", "fitting"),
    [
        ("order.placed", "order.placed", True),
        ("order.placed", "order.placed.twice", False),
        ("order.*", "order.placed", True),
        ("order.*", "order.", True),
        ("order.*", "orders", False),
        ("*", "anything", True),
        ("*", "assay.execution.failed", False),
        ("ass*", "assay.execution.failed", False),
        ("assay.execution.*", "assay.execution.failed", True),
        ("assay.execution.failed", "assay.execution.failed", True),
        ("assay.*", "assay.execution.failed", True),
    ],
)
def test_a_star_at_the_end_stands_for_any_rest(pattern: str, name: str, fitting: bool) -> None:
    """Assay's own events are for those who name them as such."""
    assert fits(pattern, name) is fitting


@pytest.mark.parametrize(
    "trigger",
    [
        "{type: event, event: order.placed}",
        "{type: event, event: order.*, if: payload.total > 3, with: {}}",
        "{type: event, event: assay.execution.failed}",
        "{type: event, topic: orders}",
        "{type: event, topic: orders, subscription: mine, event: order.placed}",
    ],
)
def test_what_may_be_waited_for(trigger: str) -> None:
    assert warnings(workflow(trigger)) == []


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("{type: event}", "needs `event`, or `topic`"),
        ("{type: event, event: a*b}", "at its end only"),
        ("{type: event, event: assay.execution.ended}", "assay.execution.completed"),
        ("{type: event, event: a, subscription: mine}", "`subscription` is of a `topic`"),
        ("{type: event, topic: orders, event: a*}", "events of one name"),
        ("{type: event, topic: orders, event: assay.execution.failed}", "not for others to send"),
        ("{type: event, topic: a/b}", "the name of a topic"),
        ("{type: event, topic: google-topic}", "the name of a topic"),
    ],
)
def test_what_may_not_be_waited_for_is_said_with_its_place(trigger: str, message: str) -> None:
    (problem,) = problems(workflow(trigger))
    assert message in problem.message
    assert problem.path[:2] == ("triggers", 0)


def test_a_workflow_that_begins_itself_again_and_again_is_warned_of() -> None:
    (message,) = warnings(workflow("{type: event, event: d*}"))
    assert "the workflow emits 'done'" in message
    assert warnings(workflow("{type: event, event: d*, if: payload != null}")) == []
    assert warnings(workflow("{type: event, event: other}")) == []


def test_a_subscription_of_a_triggers_own_has_a_name_that_pubsub_takes() -> None:
    names = [subscription_of(id) for id in ("shop.event", "a b.c", "a-b.c", "ü.event", "x" * 500)]
    assert len(set(names)) == len(names)
    assert names[0] == "assay-shop.event"
    for name in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}", name)
