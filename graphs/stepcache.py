"""When a recorded result may stand in for running a step again."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from .binding import BoundStep
from .errors import StoreError, StoreUnavailable
from .execution import StepResult, timestamp
from .files import restore_file
from .scope import Scope

if TYPE_CHECKING:
    from .run import Run

_log = logging.getLogger("assay.cache")

CACHE_VERSION = 1
"""Part of every key: raised when what a result means changes."""

_APART = frozenset(
    {"id", "name", "description", "needs", "when", "cache", "cache_key", "use_cache", "on_error"}
)
"""Fields that do not change what a step does."""


def cache_key(bound: BoundStep, scope: Scope, ceiling: str = "") -> str | None:
    """SHA-256, lower-case hex, over what the result depends on; None: do not cache.

    That is the declared key, the rendered inputs, the step as it is written, and the
    version (REQUIREMENTS F103). Without a declared key every rendered field counts. Where no
    step may exceed a profile, that counts as well: who may less forges nothing for who may more.
    """
    step = bound.step
    if step.cache is False or step.use_cache is False:
        return None
    if step.cache is None and step.cache_key is None and not step.use_cache:
        return None
    declared = bound.fields.get(("cache_key",)) or bound.fields.get(("cache", "key"))
    inputs = bound.fields.get(("inputs",))
    depends: dict[str, object] = {
        "version": CACHE_VERSION,
        "step": step.model_dump(mode="json", exclude=set(_APART), exclude_unset=True),
        "inputs": inputs.render(scope) if inputs is not None else None,
    }
    if ceiling:
        depends["ceiling"] = ceiling
    if declared is not None:
        depends["key"] = declared.text(scope)
    else:
        depends["fields"] = {
            "/".join(map(str, where)): field.render(scope)
            for where, field in bound.fields.items()
            if where[0] not in _APART and where[0] not in ("verify", "rollback")
        }
    canonical = orjson.dumps(depends, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


async def look_up(key: str, run: Run) -> StepResult | None:
    """The result kept under the key; none while the store cannot be read."""
    try:
        return await run.services.store.cached(key)
    except StoreUnavailable as error:
        _log.warning("the cache cannot be read: %s", error.message)
        return None


async def keep(key: str, result: StepResult, ttl: float | None, run: Run) -> None:
    """Keep a result, if the store can be written to: it is a shelf, and no step fails by it."""
    try:
        await run.services.store.cache(key, result, ttl=ttl)
    except StoreUnavailable as error:
        _log.warning("a result is not kept in the cache: %s", error.message)


async def restored(
    kept: StepResult, bound: BoundStep, path: str, key: str, run: Run
) -> StepResult | None:
    """A kept result as this step's own, its files back in the workspace; None when one is lost."""
    try:
        for artifact in kept.artifacts.values():
            await restore_file(artifact, run)
    except (StoreError, OSError):
        return None
    return replace(
        kept,
        path=path,
        step=bound.id,
        cached=True,
        cache_key=key,
        cost=None,
        completed_at=timestamp(),
        seq=0,
    )
