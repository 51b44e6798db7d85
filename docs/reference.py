"""Writes `docs/fields.md`, the table of every kind and field, from the models themselves.

Run `python docs/reference.py` after a change to a model; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.api.triggering import trigger_kinds
from assay.graphs.language import Language
from assay.graphs.steps import kinds

TARGET = Path(__file__).with_name("fields.md")

HEAD = """# Every kind and every field

Generated from the models by `python docs/reference.py`. What the fields mean to each other is
told in [language.md](language.md). A field marked *later* is understood and refused by name.
"""

LATER: dict[str, set[str]] = {}


def page() -> str:
    """The page as Markdown."""
    language = Language(kinds(), trigger_kinds)
    schema = language.schema()
    definitions = schema["$defs"]
    common = set(_common(definitions))
    mapping = definitions["AnyStep"]["discriminator"]["mapping"]
    parts = [HEAD, _section("Workflow", schema)]
    shell = definitions["ShellStep"]["properties"]
    shared = {"properties": {n: p for n, p in shell.items() if n in common}, "required": ["id"]}
    parts.append(_section("Every step", shared))
    for kind, reference in mapping.items():
        name = reference.rsplit("/", 1)[-1]
        own = definitions[name]
        properties = {n: p for n, p in own["properties"].items() if n not in common | {"type"}}
        body = {**own, "properties": properties}
        parts.append(_section(f"`{kind}`", body, later=LATER.get(name, set())))
    parts += _triggers(definitions)
    used = (
        "Input",
        "Output",
        "Context",
        "Defaults",
        "ErrorHandling",
        "Retry",
        "OnError",
        "Cache",
        "Concurrency",
        "Workspace",
        "ResourceLimits",
        "StepLimits",
        "Panic",
        "Guardrails",
        "McpServer",
        "Memory",
        "Verify",
        "Check",
        "Repair",
        "Escalate",
        "Throttle",
        "WebhookVerify",
        "WebhookReply",
    )
    parts += [_section(name, definitions[name]) for name in used]
    return "\n".join(parts)


def _triggers(definitions: dict[str, Any]) -> list[str]:
    mapping = definitions["AnyTrigger"]["discriminator"]["mapping"]
    kinds = {kind: definitions[ref.rsplit("/", 1)[-1]] for kind, ref in mapping.items()}
    common = {n: p for n, p in kinds["manual"]["properties"].items() if n != "type"}
    parts = [_section("Every trigger", {"properties": common})]
    for name, kind in kinds.items():
        fields = kind["properties"].items()
        own = {n: p for n, p in fields if n != "type" and p != common.get(n)}
        parts.append(_section(f"`{name}` trigger", {**kind, "properties": own}))
    parts.append(_section("Every notification", definitions["NotificationTrigger"]))
    return parts


def _common(definitions: dict[str, Any]) -> list[str]:
    kinds = [d for n, d in definitions.items() if n.endswith("Step") and n != "AnyStep"]
    every = [kind["properties"] for kind in kinds]
    return [name for name in every[0] if all(name in p for p in every) and name != "type"]


def _section(title: str, schema: dict[str, Any], later: set[str] | None = None) -> str:
    later = LATER.get(title, set()) if later is None else later
    required = set(schema.get("required", ()))
    lines = [f"## {title}\n"]
    if schema.get("description") and title.startswith("`"):
        lines.append(schema["description"].split("\n")[0] + "\n")
    if schema["properties"]:
        lines += ["| field | type | default | |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        note = " *(later)*" if name in later else ""
        about = field.get("description", "")
        lines.append(f"| `{name}`{note} | {_type(field)} | {default} | {about} |")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return "" if value is None or value == {} or value == [] else f"`{value}`"


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return "step" if name == "AnyStep" else name
    if "anyOf" in field:
        kinds = [_type(f) for f in field["anyOf"] if f.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object":
        values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
        if isinstance(values[0], dict):
            return f"mapping to {_type(values[0])}"
    names = {"string": "text", "boolean": "true or false", "object": "mapping", None: "any"}
    return str(names.get(field.get("type"), field.get("type")))


if __name__ == "__main__":
    TARGET.write_text(page())
