"""`assay doctor`: whether what is configured works, and how strongly programs can be held here."""

from __future__ import annotations

import asyncio
import platform
import shlex
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ...graphs.errors import AssayError, ConfigurationError, NotAllowed
from ...graphs.profiles import PROFILES, Profile
from ...graphs.sandbox import Rung
from ...graphs.sandbox.claims import CLAIMS
from ...graphs.sandbox.probe import Footing, best, probe
from ...graphs.secrets import Secrets
from ...store.buses import connect_bus
from ...store.connect import connect
from ..settings import Settings, read_settings
from .exits import FAILED, OK
from .output import Output
from .soundness import check_triggers
from .text import clean, plural

SECONDS = 10.0
"""What the store, the bus and each server have to answer in."""

_REFUSED = (401, 403)

_SHOWN = 5
"""Triggers that are told of when they are broken."""

_CLI = frozenset({"ASSAY_CLI_CLAUDE", "ASSAY_CLI_CODEX"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `says` is one sentence."""

    name: str
    ok: bool
    says: str


async def doctor(*, json: bool) -> int:
    """Look at everything, and tell of it. Raises `ConfigurationError`."""
    settings = read_settings()
    findings = await asyncio.gather(
        _found("python", _python()),
        _found("store", _store(settings)),
        _found("bus", _bus(settings)),
        _found("model", _model(settings.environ)),
        *([_found("cli", _cli(settings.environ))] if _CLI & settings.environ.keys() else []),
        *([_found("server", _server(url))] if (url := settings.environ.get("ASSAY_URL")) else []),
        _found("sandbox", _sandbox(settings.ceiling)),
    )
    store = findings[1]
    if store.ok:
        findings.insert(2, await _found("triggers", _triggers(settings)))
    footings, out = probe(), Output()
    if json:
        out.json(_as_data(findings, footings))
    else:
        for finding in findings:
            verdict = "ok" if finding.ok else "FAILS"
            out.line(clean(f"{finding.name:<9}{verdict:<7}{finding.says}"))
        for line in [*_profiles(), *_rungs(footings), *table(footings)]:
            out.line(clean(line))
    return OK if all(finding.ok for finding in findings) else FAILED


async def _found(name: str, looking: Awaitable[str]) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            return Finding(name, True, await looking)
    except TimeoutError:
        return Finding(name, False, f"no answer within {SECONDS:g} s")
    except AssayError as error:
        return Finding(name, False, error.message)


async def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.release()}"


async def _store(settings: Settings) -> str:
    store = await connect(settings.store)
    try:
        await store.executions(limit=1)
    finally:
        await store.close()
    return settings.store


async def _triggers(settings: Settings) -> str:
    """Raises `ConfigurationError` for those that can never start anything."""
    store = await connect(settings.store)
    try:
        checked = await check_triggers(store, Secrets(settings.environ))
    finally:
        await store.close()
    if checked.broken:
        shown = "; ".join(checked.broken[:_SHOWN])
        more = len(checked.broken) - _SHOWN
        raise ConfigurationError(f"{shown}{f'; and {more:,} more' if more > 0 else ''}")
    return f"{plural(checked.total, 'trigger')}, {checked.off:,} switched off"


async def _bus(settings: Settings) -> str:
    async with connect_bus(settings.bus) as bus:
        if bus.away:
            raise ConfigurationError(bus.away)
    return settings.bus


async def _model(environ: Mapping[str, str]) -> str:
    from ...agents.models import OPENAI_URL, ModelSettings, build_model

    settings = ModelSettings.from_env(environ)
    model = await asyncio.to_thread(build_model, None, settings)
    if model.openai:
        key = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        await _answers(f"{(settings.base_url or OPENAI_URL).rstrip('/')}/models", key)
    return model.where


async def _cli(environ: Mapping[str, str]) -> str:
    from ...agents.coders import check_there, configured

    commands = configured(environ)
    for program, *_ in commands.values():
        check_there(program, Path.cwd(), environ)
    return "; ".join(f"{name} as `{shlex.join(argv)}`" for name, argv in commands.items())


async def _server(url: str) -> str:
    await _answers(f"{url.rstrip('/')}/healthz", {})
    return url


async def _answers(url: str, headers: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` unless somebody is there who would serve us."""
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            answer = await client.get(url, headers=dict(headers))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigurationError(f"{url} cannot be reached: {error}") from error
    if answer.status_code in _REFUSED or answer.is_server_error:
        raise ConfigurationError(f"{url} answers with {answer.status_code}")


async def _sandbox(ceiling: str) -> str:
    """Raises `NotAllowed` where no step could start a program within the ceiling."""
    rung = await asyncio.to_thread(best)
    PROFILES[ceiling].rung()
    return f"programs can be held on the rung {rung.label!r}; no step is more than {ceiling!r}"


def _profiles() -> list[str]:
    lines = ["", "profiles"]
    for profile in PROFILES.values():
        try:
            said = profile.said().partition(": ")[2]
        except NotAllowed:
            said = "programs are not started here: no rung is high enough"
        lines.append(f"  {profile.name:<11}{said}")
    return lines


def _rungs(footings: Mapping[Rung, Footing]) -> list[str]:
    lines = ["", "rungs"]
    for footing in footings.values():
        said = footing.why_not or "; ".join(["runs", *footing.lost])
        lines.append(f"  {footing.rung.label:<11}{said}")
    return lines


def table(footings: Mapping[Rung, Footing]) -> list[str]:
    """What a program cannot do, on each rung as it is here."""
    rungs = list(footings)
    lines = ["", f"  {'a program cannot':<62}" + "  ".join(rung.label for rung in rungs)]
    for claim in CLAIMS:
        marks = [
            ("yes" if claim in footings[rung].closes else "-").ljust(len(rung.label))
            for rung in rungs
        ]
        lines.append(f"  {claim.says:<62}" + "  ".join(marks).rstrip())
    return lines


def _as_data(findings: list[Finding], footings: Mapping[Rung, Footing]) -> dict[str, Any]:
    return {
        "checks": [{"name": f.name, "ok": f.ok, "says": f.says} for f in findings],
        "profiles": [_profile(profile) for profile in PROFILES.values()],
        "rungs": [
            {
                "rung": footing.rung.label,
                "runs": footing.runs,
                "why_not": footing.why_not,
                "closes": [claim.name for claim in footing.closes],
                "lost": list(footing.lost),
            }
            for footing in footings.values()
        ],
    }


def _profile(profile: Profile) -> dict[str, Any]:
    try:
        rung: str | None = profile.rung().label
    except NotAllowed:
        rung = None
    return {"profile": profile.name, "minimum": profile.minimum.label, "rung": rung}
