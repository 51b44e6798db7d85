"""Markdown and Slack's own markup, in both directions.

Slack reads `<!channel>`, `<@U1>` and links in angle brackets; nothing of what models or strangers
wrote becomes one of them, but for links that name http, https or mailto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

FENCE = "```"


def escaped(text: str) -> str:
    """Plain text, none of which Slack takes for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(markdown: str) -> Iterator[str]:
    """The lines of a Markdown text as Slack shows them; code stays as it is."""
    fenced = False
    for line in markdown.splitlines():
        if line.lstrip().startswith(FENCE):
            fenced = not fenced
            yield FENCE
        else:
            yield escaped(line) if fenced else _line(line)
    if fenced:
        yield FENCE


def streamed(markdown: str) -> str:
    """Markdown for a text that grows: there Slack reads Markdown, and its own mentions as well.

    A piece may end where a mention begins, so that end is taken for one.
    """
    return _MENTION.sub("<\u200b", markdown)


def plain(text: str, bot: str = "") -> str:
    """What a person typed, out of what Slack made of it; mentions of the bot are left out."""
    return unescape(_MARKUP.sub(lambda found: _typed(found, bot), text)).strip()


_MENTION = re.compile(r"<(?=[!@#]|\Z)")
_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(\S.*?)\s*#*\s*")
_BULLET = re.compile(r"^(\s*)[-*+]\s+")
_URL = r"(?:https?://|mailto:)(?:(?!&[lg]t;)[^\s<>|]){1,1000}"
_WHOLE = re.compile(
    rf"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)"
    rf"|!?\[(?P<label>[^\[\]]{{0,200}})\]\((?P<url>{_URL}?)\)"
    rf"|(?<![\w/])(?P<bare>{_URL}(?<![.,;:!?)\]'\"*_~]))"
)
_BOLD = re.compile(r"(\*\*|(?<!\w)__)(?=\S)(.+?)(?<=\S)(?:\*\*|__(?!\w))")
_ITALIC = re.compile(r"(?<![*\w])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![*\w])")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_KEPT, _STRONG = "\x01", "\x02"


def _line(line: str) -> str:
    line = line.replace(_KEPT, "").replace(_STRONG, "")
    if heading := _HEADING.fullmatch(line):
        return f"*{_span(heading[1]).replace('*', '')}*"
    return _span(_BULLET.sub(r"\1• ", line))


def _span(text: str) -> str:
    """One line. Code and links are set aside while the rest is marked."""
    aside: list[str] = []

    def keep(found: re.Match[str]) -> str:
        aside.append(_link(found) if found["code"] is None else found[0])
        return _KEPT

    text = _WHOLE.sub(keep, escaped(text))
    text = _BOLD.sub(rf"{_STRONG}\2{_STRONG}", text)
    text = _STRUCK.sub(r"~\1~", _ITALIC.sub(r"_\1_", text)).replace(_STRONG, "*")
    head, *tails = text.split(_KEPT)
    return head + "".join(kept + tail for kept, tail in zip(aside, tails, strict=True))


def _link(found: re.Match[str]) -> str:
    if found["bare"]:
        return f"<{found['bare']}>"
    label = found["label"].replace("|", "¦").strip()
    return f"<{found['url']}|{label}>" if label else f"<{found['url']}>"


def _typed(found: re.Match[str], bot: str) -> str:
    mark, target, label = found[1], found[2], found[3] or ""
    if mark == "@":
        return "" if bot and target == bot else f"@{(label or target).removeprefix('@')}"
    if mark == "#":
        return f"#{label or target}"
    if mark == "!":
        return label or f"@{target.partition('^')[0]}"
    # Slack makes links of names such as `main.py`, which nobody meant as one.
    return label if target in (f"http://{label}", f"mailto:{label}") else target
