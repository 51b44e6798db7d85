"""Reads YAML text in one walk over PyYAML's events, with the core types of YAML 1.2.

No node tree is composed: PyYAML's composer recurses in C, where depth is a crash.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from .places import Builder, Json, integer, quoted
from .yaml_errors import explain

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_TAG_DIRECTIVES = 1000

_EMPTY = "the document is empty; write 'name:' and 'steps:'"

_CORE = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinite>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_RADIX = {"int": 10, "oct": 8, "hex": 16}


def walk_yaml(text: str, builder: Builder) -> None:
    """Reports the value in `text` to `builder`. Raises `Stop` at the first syntax error."""
    _check_text(text, builder)
    events = _Loader(text)
    end = 0
    try:
        while True:
            event = events.get_event()
            end = event.end_mark.index
            if isinstance(event, yaml.StreamEndEvent):
                break
            _report(event, text, builder)
    except yaml.MarkedYAMLError as error:
        at, sentence = explain(error, text)
        builder.stop(at, sentence)
    except (yaml.YAMLError, ValueError, OverflowError):
        # An escape that names no character passes through the pure loader as a ValueError.
        builder.stop(end, "this is not valid YAML; put the text that follows in quotes")
    finally:
        events.dispose()
    if not builder.started:
        builder.stop(0, _EMPTY)


def core_value(text: str) -> Json:
    """What an unquoted scalar means in YAML 1.2: `yes` and `12:30` are text, `010` is ten."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "0123456789+-." and (number := _NUMBER.fullmatch(text)):
        form = str(number.lastgroup)
        if form in _RADIX:
            return integer(number[form], _RADIX[form])
        return float(text.replace(".", "") if form == "infinite" else text)
    return text


def _report(event: yaml.Event, text: str, builder: Builder) -> None:
    assert event.start_mark is not None
    at = event.start_mark.index
    if isinstance(event, yaml.ScalarEvent):
        _scalar(event, at, builder)
    elif isinstance(event, yaml.CollectionStartEvent):
        mapping = isinstance(event, yaml.MappingStartEvent)
        _check_tag(event.tag, "map" if mapping else "seq", at, builder)
        if builder.wants_key:
            hint = "write the key as text"
            if text.startswith("{{", at - 1) or text.startswith("{{", at):
                hint = "put a text that begins with '{{' in quotes"
            builder.problem(at, f"a key must be text, this is a list or mapping; {hint}")
        builder.open({} if mapping else [], at, event.anchor)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.close()
    elif isinstance(event, yaml.AliasEvent):
        builder.alias(str(event.anchor), at)
    elif isinstance(event, yaml.DocumentStartEvent):
        if builder.started:
            builder.stop(at, "a second document begins here; write it into a file of its own")
        if event.tags:
            builder.problem(at, "%TAG directives are not supported; remove them")


def _scalar(event: yaml.ScalarEvent, at: int, builder: Builder) -> None:
    source: str = event.value
    plain = not event.style
    if event.tag is None:
        value = core_value(source) if plain else source
    else:
        value = _tagged(event.tag, source, at, builder)
    if builder.wants_key:
        _key(source, plain, event.anchor, at, builder)
        return
    if plain and not source and event.tag is None and not builder.started:
        builder.stop(at, _EMPTY)
    builder.scalar(value, source, at, event.anchor)


def _key(source: str, plain: bool, anchor: str | None, at: int, builder: Builder) -> None:
    if anchor is not None:
        builder.problem(at, f"an anchor on a key is not supported; put '&{anchor}' on a value")
    if plain and source == "<<":
        message = "the merge key '<<' is not part of YAML 1.2; write the keys out"
        builder.problem(at, f"{message}, or repeat a whole value by alias")
        builder.unusable_key()
    elif plain and not source:
        builder.problem(at, "a key is missing before ':'; write one, or \"\" for an empty one")
        builder.unusable_key()
    else:
        builder.key(source, at)


def _tagged(tag: str, source: str, at: int, builder: Builder) -> Json:
    """The value of a scalar that says what it is: `!!str 90`."""
    value = core_value(source)
    kind = tag.removeprefix(_CORE)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(source) if source.lstrip("+-").isdigit() else value
    fits = {
        "null": value is None,
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, float),
    }
    if tag == f"{_CORE}{kind}" and kind in fits:
        if not fits[kind]:
            builder.problem(at, f"{quoted(source)} is no '!!{kind}'; remove the tag")
        return value
    _check_tag(tag, "str", at, builder)
    return source


def _check_tag(tag: str | None, core: str, at: int, builder: Builder) -> None:
    if tag is not None and tag != _CORE + core:
        shown = tag.replace(_CORE, "!!", 1) if tag.startswith(_CORE) else tag
        builder.problem(at, f"the tag {quoted(shown)} is not supported here; remove it")


def _check_text(text: str, builder: Builder) -> None:
    """Refuses what the parser would place by bytes, or take seconds over."""
    if unreadable := _UNREADABLE.search(text):
        shown = f"U+{ord(unreadable.group()):04X}"
        message = f"the character {shown} may not stand in YAML; remove it"
        builder.stop(unreadable.start(), f"{message}, or escape it in double quotes")
    if text.count("%TAG") > _MAX_TAG_DIRECTIVES:
        builder.stop(text.index("%TAG"), "%TAG directives are not supported; remove them")
