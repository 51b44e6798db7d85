"""A random workflow killed at random moments, held against the reference interpreter."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from shutil import rmtree

from ..engine.reference import Reference
from ..engine.test_engine_against_reference import Run, Work, differences
from ..engine.workflows import Case, case
from .existence import Existence, Killed, Left
from .forkserver import ForkServer
from .verdict import broken

MOMENTS = 3
"""Kills of one execution, at most."""


def existence(server: ForkServer, folder: Path, seed: int, *, fuse: bool = True) -> Existence:
    """The random workflow of that seed, not begun yet."""
    written = case(seed)
    documents = {"random.json": written.document, **written.children}
    definitions = {name: json.dumps(document) for name, document in documents.items()}
    return Existence(server, folder, definitions, written.inputs, {}, fuse=fuse)


def kill_at_moments(server: ForkServer, folder: Path, seed: int) -> Killed:
    """Live it once undisturbed, then again with kills; what came of both."""
    whole = existence(server, folder / "whole", seed)
    lasted = lives_for(whole)
    cut = existence(server, folder / "cut", seed, fuse=seed % 3 > 0)
    random = Random(seed)
    for _ in range(MOMENTS):
        if not die_within(cut, random.uniform(0, 0.8 * lasted)):
            break
    cut.live_on()
    written = case(seed)
    left = cut.left()
    wrong = [f"undisturbed: {each}" for each in wrong_with(written, whole.left(), 0)]
    wrong += wrong_with(written, left, cut.kills)
    if not wrong:
        rmtree(folder)
    return Killed(cut.kills, left.account.repeated, wrong)


def lives_for(whole: Existence) -> float:
    """Seconds that an undisturbed life takes, once it drives."""
    child = whole.begin()
    assert child.hear() == "driving", child.log
    began = time.monotonic()
    said = child.hear()
    lasted = time.monotonic() - began
    assert whole.buried(child, said) is not None
    return lasted


def die_within(cut: Existence, delay: float) -> bool:
    """A life that is killed so many seconds after it began to drive; False: it was too quick."""
    child = cut.begin()
    assert child.hear() == "driving", child.log
    time.sleep(delay)
    child.kill()
    said = child.hear()
    return cut.buried(child, said) is None


def wrong_with(written: Case, left: Left, kills: int) -> list[str]:
    """Everything that is not as the language says, or as is promised of every execution."""
    expected = Reference(written.children).run(written.document, written.inputs)
    work = Work()
    for path, attempt in left.account.begun:
        work.calls[path] = max(work.calls[path], attempt)
    work.log = left.account.order
    run = Run(replace(left.execution, steps=left.history.results), list(left.events), work)
    return [*differences(expected, run), *broken(left, kills)]
