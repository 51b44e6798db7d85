"""`secret://name`: put in at the last moment, and masked in everything that is kept or told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from .binding import BoundField, Filled, Fixed, Tree
from .document import Document
from .errors import ConfigurationError, Problem
from .fields import Where, placed_steps
from .scope import Scope
from .workflow import Workflow

if TYPE_CHECKING:
    from .call import Yield

SCHEME = "secret://"
FOLDER = "ASSAY_SECRETS"
VARIABLE = "ASSAY_SECRET_"

SHORTEST = 8
"""Characters of a secret; a shorter one could not be told from other text."""

PLACES: Mapping[str, tuple[str, ...]] = {"shell": ("env",), "http": ("headers", "body")}
"""The fields of each kind in which a definition may name secrets; and those of MCP servers."""

_OF_SERVER = re.compile(r"ASSAY_\w+_(?:TOKEN|SECRET)")
_OF_SERVERS = ("env", "headers")
_OF_TRIGGERS = (
    ("triggers", ("verify", "secret")),
    *(("notifications", (field,)) for field in ("url", "secret", "headers")),
)

_REFERENCE = re.compile(r"secret://([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)?")
_PROSE = ("name", "description")


class Secrets:
    """What the surroundings keep: `ASSAY_SECRET_GITHUB` and the file `github` of the folder
    ASSAY_SECRETS are both `secret://github`; the file comes first, and is read again each time.

    Values are masked where they stand as they are, and as JSON, base64 or part of an address
    would write them; of a value of several lines, each longer line too.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Raises `ConfigurationError` when the folder cannot be read."""
        given = environ or {}
        self._variables = {
            name.removeprefix(VARIABLE): value
            for name, value in given.items()
            if name.startswith(VARIABLE) and value
        }
        self._folder = Path(given[FOLDER]) if given.get(FOLDER) else None
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._know({name.lower(): value for name, value in self._variables.items()})
        self._know(dict(self._files()))

    def resolve(self, name: str) -> str:
        """The secret's value. Raises `ConfigurationError` when there is none, or a short one."""
        variable = VARIABLE + re.sub(r"\W", "_", name, flags=re.ASCII).upper()
        value = self._file(name)
        if value is None:
            value = self._variables.get(variable.removeprefix(VARIABLE))
        if not value:
            folder = f"a file {name!r} in {self._folder}" if self._folder else f"{FOLDER}=FOLDER"
            raise ConfigurationError(f"there is no secret {name!r}; set {variable}, or {folder}")
        if len(value) < SHORTEST:
            raise ConfigurationError(
                f"the secret {name!r} has fewer than {SHORTEST} characters: it could not be kept "
                "out of what is written; take a longer one"
            )
        self._know({name: value})
        return value

    def filled(self, text: str) -> str:
        """A text of the definition with its secrets in it."""
        return _REFERENCE.sub(lambda found: self.resolve(found[1] or ""), text)

    def lacking(self, value: Any) -> list[str]:
        """Why secrets that the texts of a value name cannot be had; empty when all can."""
        lacking = []
        for _, text in _texts(value, (), set()):
            try:
                self.filled(text)
            except ConfigurationError as error:
                lacking.append(error.message)
        return lacking

    def revealed(self, field: BoundField | None, scope: Scope) -> Any:
        """A field rendered, with the secrets that the definition itself names.

        What a value brings is data: `secret://` in it stays what it is.
        """
        match field:
            case None:
                return None
            case Fixed(value):
                return self._inside(value)
            case Filled(pieces) if not field.whole:
                return "".join(
                    self.filled(p) if isinstance(p, str) else p.text(scope) for p in pieces
                )
            case Tree(entries):
                if isinstance(entries, Mapping):
                    return {key: self.revealed(entry, scope) for key, entry in entries.items()}
                return [self.revealed(entry, scope) for entry in entries]
        return field.render(scope)

    def masked(self, value: Any) -> Any:
        """The value with every secret in it as `[secret NAME]`."""
        pattern = self._pattern
        return value if pattern is None else self._masked(value, pattern)

    def veiled(self, yielded: Yield) -> Yield:
        """What a step gave, as it may be kept."""
        if self._pattern is None:
            return yielded
        return replace(
            yielded,
            output=self.masked(yielded.output),
            outputs=self.masked(yielded.outputs),
            context=self.masked(yielded.context),
            reason=self.masked(yielded.reason),
        )

    def begun(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a secret."""
        longest = max(map(len, self._names), default=1)
        for count in range(min(longest - 1, len(text)), 0, -1):
            if any(form.startswith(text[-count:]) for form in self._names):
                return count
        return 0

    def _masked(self, value: Any, pattern: re.Pattern[str]) -> Any:
        match value:
            case str():
                return pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", value)
            case Mapping():
                return {
                    self._masked(k, pattern): self._masked(v, pattern) for k, v in value.items()
                }
            case list() | tuple():
                return [self._masked(entry, pattern) for entry in value]
        return value

    def _inside(self, value: Any) -> Any:
        match value:
            case str():
                return self.filled(value)
            case Mapping():
                return {key: self._inside(entry) for key, entry in value.items()}
            case list() | tuple():
                return [self._inside(entry) for entry in value]
        return value

    def _know(self, values: Mapping[str, str]) -> None:
        """From now on these are masked; what was known stays so."""
        new = {form: name for name, value in values.items() for form in _forms(value)}
        if new.keys() <= self._names.keys():
            return
        self._names = {**new, **self._names}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def _files(self) -> Iterator[tuple[str, str]]:
        if self._folder is None:
            return
        try:
            names = [path.name for path in self._folder.iterdir() if path.is_file()]
        except OSError as error:
            raise ConfigurationError(f"{FOLDER}: {self._folder} cannot be read: {error}") from error
        for name in names:
            if (value := self._file(name)) is not None:
                yield name, value

    def _file(self, name: str) -> str | None:
        if self._folder is None:
            return None
        try:
            return (self._folder / name).read_text(encoding="utf-8").removesuffix("\n")
        except (FileNotFoundError, IsADirectoryError):
            return None
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(f"the secret {name!r} cannot be read: {error}") from error


class Veil:
    """Masks a text that comes in pieces: what may be the beginning of a secret is held back."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = ""

    def pass_on(self, piece: str, *, last: bool = False) -> str:
        """What may be told now."""
        text: str = self._secrets.masked(self._held + piece)
        told = len(text) - (0 if last else self._secrets.begun(text))
        self._held = text[told:]
        return text[:told]


def public(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that steps and programs may see: all but the secrets, where they lie, and
    what chat platforms know us by (`ASSAY_SLACK_BOT_TOKEN`, `ASSAY_JSON_SECRET`)."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(VARIABLE) and name != FOLDER and not _OF_SERVER.fullmatch(name)
    }


def of_tenant(environ: Mapping[str, str], tenant: str) -> dict[str, str]:
    """A tenant's variables: its secrets are the files of a folder of its own, `tenants/NAME`."""
    if not tenant:
        return dict(environ)
    folder = Path(environ[FOLDER]) / "tenants" / tenant if environ.get(FOLDER) else None
    theirs = {FOLDER: str(folder)} if folder is not None and folder.is_dir() else {}
    return {**public(environ), **theirs}


def misplaced_secrets(workflow: Workflow, document: Document) -> Iterator[Problem]:
    """A secret where it would be written down, or without a name."""
    may = {
        (*where, field)
        for where, step in placed_steps(workflow.steps, ("steps",))
        for field in PLACES.get(step.kind, ())
    }
    for where, step in placed_steps(workflow.steps, ("steps",)):
        for index in range(len(getattr(step, "mcp", None) or ())):
            may |= {(*where, "mcp", index, field) for field in _OF_SERVERS}
    for name, field_of_one in _OF_TRIGGERS:
        may |= {(name, index, *field_of_one) for index in range(len(getattr(workflow, name)))}
    for where, text in _texts(document.value, (), set()):
        if SCHEME not in text or where[-1:] in [(word,) for word in _PROSE]:
            continue
        allowed = any(where[: len(place)] == place for place in may)
        if not allowed:
            message = (
                "a secret can stand in `env` of a shell step, in `headers` and `body` of an http "
                "step, in `env` and `headers` of an MCP server, in `verify` of a webhook, and in "
                "`url`, `secret` and `headers` of a notification; anywhere else it would be "
                "written down"
            )
        elif all(name for name in _REFERENCE.findall(text)):
            continue
        else:
            message = "`secret://` is followed by a name of letters, digits, `_`, `-` and dots"
        yield Problem(document.name, document.position(where), message, where)


def _texts(value: Any, where: Where, seen: set[int]) -> Iterator[tuple[Where, str]]:
    """Every text with its place; what an alias repeats, once."""
    if isinstance(value, str):
        yield where, value
        return
    if not isinstance(value, Mapping | list | tuple) or id(value) in seen:
        return
    seen.add(id(value))
    entries = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, entry in entries:
        yield from _texts(entry, (*where, key), seen)


def _forms(value: str) -> Iterator[str]:
    """Ways in which programs and protocols write the value; none of what is too short."""
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    for text in (value, *(line for line in lines if len(line) >= 2 * SHORTEST)):
        if len(text) < SHORTEST:
            continue
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text, safe="")
        yield quote_plus(text)
        yield base64.b64encode(text.encode()).decode()
        yield base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
