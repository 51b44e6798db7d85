"""What the surroundings say: read once at start, from the environment and `assay.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..graphs.errors import ConfigurationError
from ..graphs.execution import HERE
from ..graphs.profiles import PROFILES, TRUSTED
from ..graphs.registry import nearest
from ..graphs.units import parse_size
from ..graphs.workspace.bounds import Bounds

KNOWN = {
    "ASSAY_HOME": "the folder of local state (default: .assay in the current folder)",
    "ASSAY_STORE": "where executions are kept (default: sqlite:///<home>/assay.db)",
    "ASSAY_BUS": "how processes hear of each other: local (the default), or pubsub://PROJECT",
    "ASSAY_MODEL": "the model of agents that name none: openai:NAME, or demo (the default)",
    "ASSAY_BASE_URL": "an OpenAI-compatible server for models",
    "ASSAY_CEILING": "the most that any step's security profile may be (trusted)",
    "ASSAY_SHARED": "a folder that every machine sees, for `workspace: {mode: shared}`",
    "ASSAY_SNAPSHOT_FILE": "the largest file that follows an execution (64MiB)",
    "ASSAY_SNAPSHOT_FILES": "how many files and folders may follow an execution (10000)",
    "ASSAY_SNAPSHOT_TOTAL": "what all files that follow an execution may have together (1GiB)",
    "ASSAY_MAX_EXECUTIONS": "how many executions one process runs at once (100); others wait",
    "ASSAY_WORKERS": "how many worker processes a server has beside itself (0)",
    "ASSAY_GRACE": "seconds that steps have to end when a worker is told to (25)",
    "ASSAY_HEALTH": "HOST:PORT where a worker says how it is (nowhere)",
    "ASSAY_PUSH_AUDIENCE": "the audience of Pub/Sub's pushes to POST /work; with it, rings come so",
    "ASSAY_PUSH_SENDER": "the e-mail address of the service account that pushes",
    "ASSAY_ISSUER": "the identity provider whose tokens a server takes: https://… (none)",
    "ASSAY_AUDIENCE": "what its tokens are made out for",
    "ASSAY_ROLE_CLAIM": "the claim that holds a token's role, or roles (assay_role)",
    "ASSAY_SCOPES_CLAIM": "the claim that holds patterns of workflows (assay_scopes)",
    "ASSAY_TENANT_CLAIM": "the claim that holds the name of a tenant (assay_tenant)",
    "ASSAY_PROFILE_CLAIM": "the claim that bounds what a token begins (assay_profile)",
    "ASSAY_NAME_CLAIM": "the claim by which approvers are named (a verified email, or else sub)",
    "ASSAY_TENANTS": "names of tenants that a server has beside its own store, with commas (none)",
    "ASSAY_ORIGINS": "origins of other sites whose pages may ask a server, with commas (none)",
    "ASSAY_RATE": "how often one principal may ask a process (6000/minute), or off",
    "ASSAY_ADDRESS_RATE": "how often one address may ask a process (12000/minute), or off",
    "ASSAY_HOOK_RATE": "how often one webhook may be fired at a process (6000/minute), or off",
    "ASSAY_NOTIFY_PRIVATE": "1: notifications may also go to addresses that are not public",
    "ASSAY_MAX_BODY": "the largest body of a request (1MiB)",
    "ASSAY_SECRETS": "a folder with a secret in each file; ASSAY_SECRET_NAME is one of its own",
    "ASSAY_URL": "the server that commands and `assay.Client` ask (none: the store here)",
    "ASSAY_KEY": "the key that they show it",
    "ASSAY_CHAT": "chat platforms that a server serves, with commas: slack,telegram,json (none)",
    "ASSAY_CHAT_ROLE": "what everybody there may who was allowed nothing (nothing)",
    "ASSAY_JSON_SECRET": "what requests of the chat platform json, and to it, are signed with",
    "ASSAY_JSON_URL": "where the chat platform json takes what the bot says",
    "ASSAY_TELEGRAM_TOKEN": "the token of the bot on Telegram",
    "ASSAY_TELEGRAM_SECRET": "the secret_token that its webhook was set with",
    "ASSAY_TELEGRAM_NAME": "the bot's user name, by which it is mentioned in groups (none)",
    "ASSAY_TELEGRAM_URL": "another server of the Bot API (https://api.telegram.org)",
    "ASSAY_SLACK_BOT_TOKEN": "the token of a Slack app's bot (xoxb-…)",
    "ASSAY_SLACK_SIGNING_SECRET": "what Slack signs its requests to POST /chat/slack with",
    "ASSAY_SLACK_APP_TOKEN": "the app's token (xapp-…) for Socket Mode, which needs no address",
    "ASSAY_SLACK_URL": "what stands in for Slack's Web API (https://slack.com/api/)",
    "WORKFLOW_DEFAULT_PROVIDER": "what executes workflows (langgraph); mock only pretends",
}


AT_ONCE = 100
"""Executions that one process runs at once, unless it is set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`environ` holds every variable, ours and others; `home` is absolute."""

    home: Path
    store: str
    environ: Mapping[str, str] = field(default_factory=dict)
    provider: str = HERE
    at_once: int = AT_ONCE
    bus: str = "local"
    shared: Path | None = None
    bounds: Bounds = field(default_factory=Bounds)
    ceiling: str = TRUSTED


def read_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The environment's settings, over those of `assay.toml` in the folder.

    Raises `ConfigurationError` for a file that is not TOML, or an unknown key.
    """
    folder = (folder or Path.cwd()).resolve()
    given = {**_file(folder / "assay.toml"), **(os.environ if environ is None else environ)}
    home = (folder / given.get("ASSAY_HOME", ".assay")).resolve()
    provider = given.get("WORKFLOW_DEFAULT_PROVIDER") or HERE
    store = given.get("ASSAY_STORE") or f"sqlite:///{home / 'assay.db'}"
    at_once = _number(given, "ASSAY_MAX_EXECUTIONS", AT_ONCE)
    bus = given.get("ASSAY_BUS") or "local"
    mount = given.get("ASSAY_SHARED")
    shared = (folder / mount).resolve() if mount else None
    ceiling = given.get("ASSAY_CEILING") or TRUSTED
    if ceiling not in PROFILES:
        there = ", ".join(PROFILES)
        raise ConfigurationError(f"ASSAY_CEILING is {ceiling!r}; give one of {there}")
    return Settings(home, store, given, provider, at_once, bus, shared, _bounds(given), ceiling)


def _bounds(given: Mapping[str, str]) -> Bounds:
    usual = Bounds()
    return Bounds(
        _size(given, "ASSAY_SNAPSHOT_FILE", usual.file),
        _number(given, "ASSAY_SNAPSHOT_FILES", usual.count),
        _size(given, "ASSAY_SNAPSHOT_TOTAL", usual.total),
    )


def _number(given: Mapping[str, str], name: str, usual: int) -> int:
    if (text := given.get(name)) is None:
        return usual
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigurationError(f"{name} is {text!r}; give a whole number from 1 on")
    return int(text)


def _size(given: Mapping[str, str], name: str, usual: int) -> int:
    if (text := given.get(name)) is None:
        return usual
    try:
        return parse_size(text)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from error


def _file(path: Path) -> dict[str, str]:
    """Settings as `assay.toml` spells them: `model = "…"` is ASSAY_MODEL."""
    if not path.is_file():
        return {}
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    names = {name.removeprefix("ASSAY_").lower(): name for name in KNOWN}
    settings = {}
    for key, value in table.items():
        if key not in names or not isinstance(value, str):
            raise ConfigurationError(
                f"{path}: {key!r} is not a setting{nearest(key, names)}"
                if key not in names
                else f"{path}: {key!r} must be text"
            )
        settings[names[key]] = value
    return settings
