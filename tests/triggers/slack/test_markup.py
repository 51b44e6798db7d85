"""What models and strangers write is shown by Slack, and never obeyed by it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.triggers.chat.adapter import Button, Card
from assay.triggers.chat.slack.blocks import below, message
from assay.triggers.chat.slack.mrkdwn import mrkdwn, plain, streamed

from .limits import fault

LINK = re.compile(r"<(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>|]*)?>")

HOSTILE = st.lists(
    st.sampled_from(
        [
            *("<!channel>", "<@U1>", "<#C1|x>", "&lt;!here&gt;", "[a](https://b|<!here>)", "```"),
            *("**", "*", "~~", "\n", "# ", "- ", " ", "https://x.y/__init__.py?a=1&b=2", "\x01"),
            *("[<!here>](https://b.c)", "x" * 1700, "&", "_", "![i](https://b.c/d.png)", "`"),
            *("<https://", "é"),
        ]
    ),
    max_size=40,
).map("".join)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**bold** and *slanted*, ~~gone~~", "*bold* and _slanted_, ~gone~"),
        ("# A heading", "*A heading*"),
        ("- one\n  * two", "• one\n  • two"),
        ("[the log](https://a.b/c?d=1&e=2)", "<https://a.b/c?d=1&amp;e=2|the log>"),
        ("see https://a.b/c.", "see <https://a.b/c>."),
        ("https://a.b/__init__.py is `**code**`", "<https://a.b/__init__.py> is `**code**`"),
        ("**`name`** is bold", "*`name`* is bold"),
        ("2 * 3 * 4 < 5 && x", "2 * 3 * 4 &lt; 5 &amp;&amp; x"),
        ("```python\na = **b**\n# c\n```", "```\na = **b**\n# c\n```"),
        ("```\nnever closed", "```\nnever closed\n```"),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
    ],
)
def test_markdown_is_shown_as_slack_shows_things(markdown: str, shown: str) -> None:
    assert "\n".join(mrkdwn(markdown)) == shown


@given(HOSTILE | st.text())
@example("<" * 4000)
@example("&" * 3100)
@example("\n" * 4000)
def test_nothing_in_a_card_is_a_mention_or_too_long_for_slack(text: str) -> None:
    card = Card(text, [(text, text)] * 12, [Button(text, f"v{n}") for n in range(3)])

    posted = message(card)

    assert fault("chat.postMessage", {"token": "t", **posted}) is None
    shown = [b["text"] for b in posted["blocks"] if "text" in b]
    shown += [field for b in posted["blocks"] for field in b.get("fields", ())]
    assert all(one["verbatim"] for one in shown)
    for one in [posted["text"], *(one["text"] for one in shown)]:
        rest = LINK.sub("", one)
        assert "<" not in rest
        assert ">" not in rest
        assert not re.search(r"&(?!amp;|lt;|gt;)", rest)


@given(st.lists(HOSTILE, max_size=4))
@example(["hello <", "!channel>"])
def test_a_text_that_grows_mentions_nobody_wherever_it_is_cut(pieces: list[str]) -> None:
    assert not re.search(r"<[!@#]", "".join(streamed(piece) for piece in pieces))


def test_a_text_that_grows_is_otherwise_left_as_it_is() -> None:
    assert streamed("a < b, <c> & **d**") == "a < b, <c> & **d**"


def test_a_long_text_is_cut_between_lines_and_code_goes_on_as_code() -> None:
    lines = [f"line {n} of a listing" for n in range(600)]
    posted = message(Card("\n".join(["Look:", "```", *lines, "```"])))

    sections = [block["text"]["text"] for block in posted["blocks"]]
    assert 1 < len(sections) <= 6
    assert all(section.count("```") % 2 == 0 for section in sections)
    told = [line for section in sections for line in section.splitlines() if "listing" in line]
    assert told == lines[: len(told)]
    assert sections[-1].splitlines()[-2:] == ["…", "```"]


def test_buttons_stand_below_with_their_values_and_colours() -> None:
    buttons = [Button("Approve", "a:1", "good"), Button("Reject", "r:1", "bad"), Button("?", "q")]
    card = Card("Go on?", [("Workflow", "ship")], buttons)

    fields, actions = below(card)

    assert fields["fields"][0]["text"] == "*Workflow*\nship"
    assert [e.get("style") for e in actions["elements"]] == ["primary", "danger", None]
    assert [e["value"] for e in actions["elements"]] == ["a:1", "r:1", "q"]


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("<@UBOT> cover <http://main.py|main.py>", "cover main.py"),
        ("<@UBOT|assay>  run it", "run it"),
        ("read <https://a.b/c|the page> &amp; go", "read https://a.b/c & go"),
        (
            "ask <@U2> in <#C9|general>, <!here> <!subteam^S1|@team>",
            "ask @U2 in #general, @here @team",
        ),
        ("1 &lt; 2 &amp;amp; <mailto:a@b.c|a@b.c>", "1 < 2 &amp; a@b.c"),
    ],
)
def test_what_slack_made_of_a_text_is_undone(sent: str, typed: str) -> None:
    assert plain(sent, "UBOT") == typed


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_back_as_it_was_typed(typed: str) -> None:
    sent = typed.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert plain(sent, "UBOT") == unescape(sent).strip()
