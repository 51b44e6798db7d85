"""What checks say of agents' answers is kept, and decides which model is asked next time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.graphs.event import EventType
from assay.graphs.scoring import model_stats
from assay.graphs.verdicts import Source, Verdict, prompt_digest

from ..running import House, open_house
from ..scripted import Asked, Reply, ScriptedModel
from .asking import answered

pytestmark = pytest.mark.anyio

SAY: Mapping[str, Any] = {
    "id": "say",
    "type": "agent",
    "prompt": "Say it.",
    "model": ["dear", "cheap"],
    "verify": {
        "attempts": 2,
        "checks": [{"condition": "output == 'good'", "message": "it is not good"}],
    },
}


def settings(folder: Path, server: ScriptedModel) -> dict[str, str]:
    prices = folder / "prices.toml"
    prices.write_text(
        "[models]\ncheap = { input = 1.0, output = 1.0 }\ndear = { input = 9.0, output = 9.0 }\n"
    )
    return {
        "PATH": os.environ["PATH"],
        "ASSAY_MODEL": "dear",
        "ASSAY_BASE_URL": server.url,
        "ASSAY_PRICES": str(prices),
    }


def workflow(*steps: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "w", "steps": list(steps)}


async def verdicts(house: House) -> list[Verdict]:
    """Oldest first."""
    return list((await house.app.manager.store.verdicts(workflow="w")).items)[::-1]


def said(found: Sequence[Verdict]) -> list[tuple[str, str, bool, Source]]:
    return [(v.step, v.model, v.passed, v.source) for v in found]


async def test_each_round_of_verify_is_a_verdict_on_the_model_that_answered(
    tmp_path: Path,
) -> None:
    with ScriptedModel([Reply("bad"), Reply("good")]) as server:
        async with open_house(tmp_path, settings(tmp_path, server)) as house:
            ended = await house.run(workflow({**SAY, "model": "cheap"}))
            first, second = await verdicts(house)

    assert said([first, second]) == [
        ("say", "cheap", False, Source.VERIFY),
        ("say", "cheap", True, Source.VERIFY),
    ]
    assert (first.execution_id, first.path, first.prompt) == (ended.id, "say", second.prompt)
    assert first.tokens == second.tokens == 18
    assert first.usd == pytest.approx(18 / 1e6)
    assert 0 < first.seconds < 60


async def test_an_assertion_speaks_of_the_agent_that_it_reads_or_repairs(tmp_path: Path) -> None:
    agent = {"id": "say", "type": "agent", "prompt": "Say it.", "model": "cheap"}
    other = {**agent, "id": "other"}
    reads = {"id": "reads", "type": "assert", "condition": "say.output.size() > 2"}
    both = {"id": "both", "type": "assert", "condition": "say.output == other.output"}
    steers = {"id": "steers", "type": "assert", "condition": "other.output == 'no'"}
    repairs = {"id": "repairs", "type": "assert", "condition": "say.output == 'good'"}
    repaired = {**repairs, "on_false": "repair", "repair": {"step": "say"}}
    script = [Reply("bad"), Reply("good"), Reply("good")]
    with ScriptedModel(script) as server:
        async with open_house(tmp_path, settings(tmp_path, server)) as house:
            steps: list[Mapping[str, Any]] = [
                agent,
                reads,
                repaired,
                other,
                both,
                {**steers, "on_false": "stop"},
            ]
            ended = await house.run(workflow(*steps))
            found = await verdicts(house)

    assert ended.status == "completed"
    assert [(v.path, v.passed) for v in found] == [
        ("say", True),
        ("say", False),
        ("say~2", True),
        ("say~2", True),
    ]
    assert {v.source for v in found} == {Source.ASSERTION}
    assert len({v.id for v in found}) == 4


async def test_a_person_who_picks_for_a_model_that_is_unsure_says_whether_it_was_right(
    tmp_path: Path,
) -> None:
    where = {"id": "where", "type": "decide", "prompt": "Where?", "options": ["a", "b"]}
    unsure = Reply.of_json({"option": "a", "confidence": 0.3, "reason": "a guess"})
    with ScriptedModel([unsure, unsure]) as server:
        async with open_house(tmp_path, settings(tmp_path, server)) as house:
            for option in ("b", "a"):
                started = await house.app.start(workflow({**where, "threshold": 0.5}))
                await answered(house, started, "where", option)
                await house.app.wait(started.id)
            found = await verdicts(house)

    assert said(found) == [
        ("where", "dear", False, Source.APPROVAL),
        ("where", "dear", True, Source.APPROVAL),
    ]


async def test_the_cheapest_model_that_is_good_enough_is_learned_and_the_pick_explained(
    tmp_path: Path,
) -> None:
    """First the author's order; then the cheaper one, until it is found wanting."""
    bad: set[str] = set()

    def script(asked: Asked) -> Reply:
        wanting = asked.body["model"] in bad and len(asked.messages) == 1
        return Reply("bad" if wanting else "good")

    with ScriptedModel(script) as server:
        async with open_house(tmp_path, settings(tmp_path, server)) as house:
            first = await house.run(workflow(SAY))
            for _ in range(3):
                await house.run(workflow(SAY))
            now_cheap = [r.body["model"] for r in server.requests]
            bad.add("cheap")
            for _ in range(12):
                last = await house.run(workflow(SAY))
            again = await house.run(workflow({**SAY, "prompt": "Say it anew."}))
            picks = [
                event.data
                for of in (first, last, again)
                async for event in house.app.manager.events(of.id)
                if event.type is EventType.MODEL_PICKED
            ]

    assert now_cheap == ["dear", "cheap", "cheap", "cheap"]
    began = [r.body["model"] for r in server.requests if len(r.messages) == 1][4:16]
    assert began[0] == "cheap"
    assert "dear" in began[6:]
    unknown = "dear is the first named, and nothing is known of any yet"
    assert [pick["why"] for pick in (picks[0], picks[2])] == [unknown, unknown]
    assert "cheap: " in picks[1]["why"]
    assert {type(pick["trial"]) for pick in picks} == {bool}


async def test_what_is_picked_is_picked_once_for_an_attempt(tmp_path: Path) -> None:
    """Also when an execution is interrupted, and others are judged meanwhile."""
    step = {**SAY, "guardrails": {"ask_before": ["read_file"]}, "tools": ["read_file"]}
    calls = Reply.calling("read_file", path="a.txt")

    def script(asked: Asked) -> Reply:
        return Reply("good") if asked.messages[-1]["role"] == "tool" else calls

    with ScriptedModel(script) as server:
        environ = settings(tmp_path, server)
        async with open_house(tmp_path, environ) as house:
            started = await house.app.start(workflow(step))
            question = (await house.app.manager.store.questions()).items
            while not question:
                event = await anext(house.app.manager.follow(started.id))
                assert event.type is not EventType.STEP_FAILED
                question = (await house.app.manager.store.questions()).items
            digest = prompt_digest("agent", None, None, SAY["prompt"])
            for number in range(30):
                await house.app.manager.store.judge(
                    Verdict(
                        *(str(number), "w", "say", "cheap", digest, True, Source.VERIFY),
                        *("x", "say", "2026-11-21T09:30:00Z"),
                    )
                )
        async with open_house(tmp_path, environ) as house:
            await house.app.resume(started.id)
            await house.app.manager.answer(question[0].id, approved=True)
            ended = await house.app.wait(started.id)
            events = [e async for e in house.app.manager.events(ended.id)]

    assert ended.status == "completed"
    assert {r.body["model"] for r in server.requests} == {"dear"}
    assert [e.type for e in events].count(EventType.MODEL_PICKED) == 1


async def test_figures_show_that_a_model_drifts(tmp_path: Path) -> None:
    """The share of the newest 20 stands beside that of all; a changed prompt stands by itself."""
    async with open_house(tmp_path, {}) as house:
        store = house.app.manager.store
        for number in range(60):
            prompt, good = ("old", True) if number < 10 else ("new", number < 40)
            await store.judge(
                Verdict(
                    *(str(number), "w", "say", "cheap", prompt, good, Source.VERIFY),
                    *("x", "say", f"2026-11-21T09:30:{number:02}Z", 100),
                    usd=0.5 if number == 59 else None,
                )
            )
        new, old = await model_stats(store, "w", "say")
        assert await model_stats(store, "w", "other") == []
        assert await model_stats(store, visible=lambda workflow: workflow != "w") == []

    assert (new.prompt, new.verdicts, new.rate, new.lately) == ("new", 50, 0.6, 0.0)
    assert (new.tokens, new.usd) == (100, 0.5)
    assert (new.since[-3:], new.until[-3:]) == ("10Z", "59Z")
    assert (old.prompt, old.verdicts, old.rate, old.usd) == ("old", 10, 1.0, None)
