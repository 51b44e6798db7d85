"""Cards as Slack shows them: sections, fields, and buttons, within the lengths it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from ..adapter import Button, Card, shortened
from .mrkdwn import FENCE, escaped, mrkdwn

SECTION = 3_000
"""Characters of a section."""
WHOLE = 12_000
"""Characters of all sections of a message; Slack refuses somewhat more."""
NOTICE = 3_000
"""Characters of what a notification shows in place of the blocks."""
FIELDS, FIELD = 10, 2_000
LABEL, BUTTONS = 75, 25
CUT = "…"

Block: TypeAlias = dict[str, Any]


def message(card: Card) -> Mapping[str, Any]:
    """`text` and `blocks` of a message; `verbatim`, so that Slack finds no names in it."""
    return {"text": _notice(card), "blocks": [*_text(card), *_fields(card), *_buttons(card)]}


def below(card: Card) -> list[Block]:
    """What stands under a text that is there already."""
    return [*_fields(card), *_buttons(card)]


def _notice(card: Card) -> str:
    told = card.text.strip() or ", ".join(f"{name}: {value}" for name, value in card.fields)
    return _cut(escaped(told), NOTICE) or CUT


def _text(card: Card) -> Iterator[Block]:
    for section in _sections(card.text):
        if section.strip():
            yield {"type": "section", "text": _mrkdwn(section), "expand": True}


def _fields(card: Card) -> Iterator[Block]:
    pairs = [_pair(name, value) for name, value in card.fields]
    for at in range(0, min(len(pairs), 3 * FIELDS), FIELDS):
        fields = [_mrkdwn(pair) for pair in pairs[at : at + FIELDS]]
        yield {"type": "section", "fields": fields}


def _pair(name: str, value: str) -> str:
    name = escaped(shortened(name, 200)).replace("*", "")
    return _cut(f"*{name}*\n{escaped(value)}", FIELD)


def _buttons(card: Card) -> Iterator[Block]:
    if card.buttons:
        elements = [_button(n, button) for n, button in enumerate(card.buttons[:BUTTONS], 1)]
        yield {"type": "actions", "elements": elements}


def _button(number: int, button: Button) -> Block:
    label = shortened(button.text, LABEL) or button.value
    shown: Block = {
        "type": "button",
        "action_id": f"assay-{number}",
        "text": {"type": "plain_text", "text": label, "emoji": False},
        "value": button.value,
    }
    style = {"good": "primary", "bad": "danger"}.get(button.style)
    return shown | {"style": style} if style else shown


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _sections(markdown: str) -> Iterator[str]:
    """The text in sections, cut between lines; code that is cut goes on as code."""
    section, room, fenced = "", WHOLE, False
    for line in _short_lines(markdown):
        full = len(line) >= room
        told = CUT if full else line
        if len(section) + len(told) + len(FENCE) + 2 > SECTION:
            yield f"{section}\n{FENCE}" if fenced else section
            section = FENCE if fenced else ""
        section = f"{section}\n{told}" if section else told
        fenced ^= told == FENCE
        room -= len(told) + 1
        if full:
            break
    yield f"{section}\n{FENCE}" if fenced else section


def _short_lines(markdown: str) -> Iterator[str]:
    longest = SECTION // 2
    for line in mrkdwn(markdown.strip("\n")):
        while len(line) > longest:
            piece = _cut(line, longest, "")
            yield piece
            line = line[len(piece) :]
        yield line


def _cut(text: str, most: int, mark: str = CUT) -> str:
    """At most so many characters, never half of an entity or a link."""
    if len(text) <= most:
        return text
    kept = text[: most - len(mark)]
    for opening, closing in (("&", ";"), ("<", ">")):
        at = kept.rfind(opening)
        if at > 0 and closing not in kept[at:] and (opening == "<" or len(kept) - at < 6):
            kept = kept[:at]
    return kept + mark
