"""Slack, over its own SDK (`pip install 'assay[slack]'`), which is imported here alone and late."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from ....graphs.errors import ConfigurationError
from ..adapter import ChatAdapter


def slack(environ: Mapping[str, str]) -> ChatAdapter:
    """The adapter that the variables describe; raises `ConfigurationError`.

    `ASSAY_SLACK_BOT_TOKEN` is needed always, and one of `ASSAY_SLACK_SIGNING_SECRET` (Slack
    comes to `POST /chat/slack`) and `ASSAY_SLACK_APP_TOKEN` (Socket Mode); both may be.
    """
    token, secret, app_token, url = (
        environ.get(f"ASSAY_SLACK_{name}", "").strip()
        for name in ("BOT_TOKEN", "SIGNING_SECRET", "APP_TOKEN", "URL")
    )
    if not token:
        raise ConfigurationError("Slack needs ASSAY_SLACK_BOT_TOKEN, the app's token (xoxb-…)")
    if not secret and not app_token:
        raise ConfigurationError(
            "Slack needs ASSAY_SLACK_SIGNING_SECRET, for its requests to POST /chat/slack, or "
            "ASSAY_SLACK_APP_TOKEN (xapp-…), for Socket Mode"
        )
    if find_spec("slack_bolt") is None or find_spec("aiohttp") is None:
        raise ConfigurationError(
            "Slack is an optional part; install it: pip install 'assay[slack]'"
        )
    from .adapter import Slack

    return Slack(token, secret=secret, app_token=app_token, url=url or None)
