"""Many executions on several workers that are killed, frozen, cut off and misinformed.

python -m tests.chaos.play [--executions N] [--workers N] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp

import assay
from assay.store.firestore.database import Database
from assay.store.pubsub.setup import setup

from ..durability.existence import Left
from ..durability.ledger import Account, Ledger
from ..emulators import VARIABLES, Missing, private
from ..scripted import Asked, Reply, ScriptedModel
from .commits import read
from .crowd import Case, Crowd, cases
from .effects import WORKFLOWS, ledger_of, registered
from .faults import Faults
from .fleet import Fleet
from .storm import PubSub, Storm
from .trial import judged, late_writers, left, left_behind

TTL = 3.0
"""Seconds after which a silent worker is dead."""

PATIENCE = 90.0
"""Seconds, once all is calm, after which what has not ended is stuck."""

INHERITED = ("PATH", "HOME", "PYTHONPATH")

ASKED = re.compile(r"\[(\S+) (\S+)\]")


@dataclass(frozen=True, slots=True)
class Plan:
    """`every`: seconds between two executions that begin."""

    executions: int
    workers: int
    seed: int
    every: float


@dataclass(slots=True)
class Report:
    """What was done, and what is wrong."""

    plan: Plan
    did: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        rows = [*self.did.items(), *((f"executions {k}", n) for k, n in self.ended.items())]
        rows += [("seconds", round(self.seconds)), ("seed", self.plan.seed)]
        rows += [("broken promises", len(self.wrong))]
        return "\n".join([f"{name:28} {n:>8}" for name, n in rows] + self.wrong[:40])


async def play(plan: Plan, folder: Path, firestore: str) -> Report:
    """All of it; `firestore` is the address of an emulator."""
    began, report, random = time.monotonic(), Report(plan), Random(plan.seed)
    project = f"chaos-{folder.name}".lower().replace("_", "-")[:30].strip("-")
    for name in ("workspace/effects", "commits"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pubsub = PubSub(folder, project)
    with pubsub.running(), _thinking(report.did) as model:
        environ = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "PYTHONPATH")
                if name in os.environ
            },
            VARIABLES["firestore"]: firestore,
            VARIABLES["pubsub"]: pubsub.address,
            "ASSAY_STORE": f"firestore://{project}?ttl={TTL:g}",
            "ASSAY_BUS": f"pubsub://{project}",
            "ASSAY_HOME": str(folder / "home"),
            "ASSAY_MODEL": "scripted",
            "ASSAY_BASE_URL": model,
        }
        plots = cases(plan.executions, random)
        calm = await _calm(environ, {(case.workflow, case.n) for case in plots}, folder)
        with _environment(environ):
            await setup(project)
            async with _front(environ, folder, random, report.did) as app:
                database = Database(project, "(default)")
                try:
                    crowd = Crowd(app, folder / "workspace", random)
                    async with Fleet(plan.workers, folder, environ, plan.seed) as fleet:
                        storm = Storm(fleet, pubsub, database, TTL, random)
                        await _act(plan, crowd, fleet, storm, plots, app, database)
                        report.did += storm.did + crowd.did
                        report.wrong += storm.wrong
                        store, work = app.manager.store, folder / "workspace"
                        told = crowd.told_to_stop
                        report.wrong += await judged(store, database, work, calm, told)
                        for ship in fleet.ships:
                            if (code := await ship.retire()) != 0:
                                report.wrong.append(f"worker {ship.number} ended with {code}")
                    rows = (await store.executions(limit=10_000)).items
                    report.ended = Counter(str(row.status) for row in rows)
                    written = read((folder / "commits").iterdir())
                    report.did["commits of workers"] = len(written)
                    report.wrong += late_writers(written, [row.id for row in rows])
                    _check_begun(report, [row.inputs["case"] for row in rows], plan.executions)
                finally:
                    await database.close()
    for line in Ledger(folder / "faults").lines():
        what, n = line.split()
        report.did[f"messages {what}"] += int(n)
    report.seconds = time.monotonic() - began
    return report


def _check_begun(report: Report, begun: list[str], wanted: int) -> None:
    if len(set(begun)) != wanted:
        report.wrong.append(f"{len(set(begun))} cases of {wanted} were begun")


async def _act(
    plan: Plan,
    crowd: Crowd,
    fleet: Fleet,
    storm: Storm,
    plots: list[Case],
    app: assay.App,
    database: Database,
) -> None:
    """Begin all while it storms; then let what is open end in peace."""
    over = asyncio.Event()
    living = asyncio.create_task(crowd.live())
    raging = asyncio.create_task(storm.rage(over))
    try:
        await crowd.begin(plots, fleet, plan.every)
        over.set()
        await raging
        await fleet.settled()
        async with asyncio.timeout(PATIENCE):
            # An execution has ended a moment before its worker lets go of it.
            while await crowd.open() or await left_behind(app.manager.store, database):
                await crowd.go_on()
                await asyncio.sleep(0.5)
    except TimeoutError:
        pass  # the trial says what is stuck
    finally:
        living.cancel()
        raging.cancel()
        await asyncio.gather(living, raging, return_exceptions=True)


@asynccontextmanager
async def _front(
    environ: Mapping[str, str], folder: Path, random: Random, did: Counter[str]
) -> AsyncIterator[assay.App]:
    """An app for the people, who are connected well but lose messages like everyone."""

    def count(what: str, n: int) -> None:
        did[f"messages {what}"] += n

    faults = Faults(Random(random.random()), count)
    faults.install()
    try:
        url = environ["ASSAY_STORE"]
        async with assay.open(url, workspace=folder / "workspace", environ=environ) as app:
            yield registered(app)
    finally:
        await faults.close()


async def _calm(
    environ: Mapping[str, str], kinds: set[tuple[str, int]], folder: Path
) -> dict[tuple[str, int], Left]:
    """What each workflow leaves when nothing happens to it, by workflow and number."""
    work, found = folder / "calm", {}
    (work / "effects").mkdir(parents=True)
    async with AsyncExitStack() as stack:
        local = {**environ, "ASSAY_BUS": "local"}
        app = await stack.enter_async_context(
            assay.open(home=folder / "calm-home", workspace=work, environ=local)
        )
        manager = registered(app).manager
        crowd = Crowd(app, work, Random(0))
        begun = {
            kind: await manager.start(
                WORKFLOWS / f"{kind[0]}.yaml", {"n": kind[1], "case": f"calm-{kind[0]}-{kind[1]}"}
            )
            for kind in sorted(kinds)
        }
        ended = asyncio.gather(*(app.wait(each.id) for each in begun.values()))
        while not ended.done():
            await crowd.answer(readily=True)
            await asyncio.wait({ended}, timeout=0.1)
        for kind, execution in begun.items():
            account = Account.of(ledger_of(work, execution.id).lines())
            row = await manager.store.execution(execution.id)
            found[kind] = await left(manager.store, row, account, folder / "calm-home" / "blobs")
            assert row.status.value == ("failed" if kind[0] == "undoes" else "completed"), row
    return found


@contextmanager
def _thinking(did: Counter[str]) -> Iterator[str]:
    """A model; its address."""

    def said(asked: Asked) -> Reply:
        prompt = "\n".join(str(m["content"]) for m in asked.messages)
        did["questions to the model"] += 1
        if ASKED.search(prompt) is None:
            return Reply("the prompt names no case", status=400)
        if "Pick exactly one" in prompt:
            return Reply.of_json({"option": "left", "confidence": 0.9, "reason": "it is near"})
        return Reply.of_json({"text": "a long answer" if "too short" in prompt else "short"})

    with ScriptedModel(said) as model:
        yield model.url


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Google's clients look for their emulators in the environment of the process."""
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    """0 when nothing was wrong, or when there are no emulators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=300)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two beginnings")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    plan = Plan(given.executions, given.workers, given.seed, given.every)
    folder = Path(mkdtemp(prefix="assay-chaos-"))
    (folder / "firestore").mkdir()
    try:
        with private(folder / "firestore", "firestore") as firestore:
            report = asyncio.run(play(plan, folder, firestore))
    except Missing as missing:
        say(f"no chaos on Firestore and Pub/Sub: {missing}")
        return 0
    say(str(report))
    if report.wrong:
        say(f"see {folder}")
        return 1
    rmtree(folder)
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
