"""Triggers that a request fires, and how it proves that it may."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from ...graphs.firing import Trigger
from ...graphs.step import LAX, Duration, Model, Size
from ...graphs.trigger import Fire, TriggerSpec

LARGEST = 512_000
"""Bytes of a body, at most."""

_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
_SECRET = r"^secret://[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$"


def _secret(text: str) -> str:
    if not re.match(_SECRET, text):
        raise ValueError("a secret stands here as `secret://NAME`, never itself")
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Secret = Annotated[
    str, AfterValidator(_secret), WithJsonSchema({"type": "string", "pattern": _SECRET})
]
SomeSecrets = Annotated[
    tuple[Secret, ...],
    LAX,
    Field(min_length=1, max_length=10),
    BeforeValidator(_listed, json_schema_input_type=Secret | list[Secret]),
]
HeaderName = Annotated[str, Field(pattern=_NAME)]
Scheme = Literal["standard", "github", "gitlab", "slack", "hmac", "bearer", "none"]

_OF_HMAC = ("algorithm", "encoding", "timestamp_header", "signed")
_TIMED = ("standard", "slack")


class WebhookVerify(Model):
    """How a request proves that it comes from whom it should; `none` must be written out."""

    scheme: Scheme = Field(
        description="standard: Standard Webhooks. github, gitlab, slack: as those sign. hmac: as "
        "the fields beside say. bearer: a token. none: anybody may."
    )
    secret: SomeSecrets | None = Field(
        default=None, description="`secret://name`, or several: each of them fits."
    )
    header: HeaderName | None = Field(
        default=None, description="With `hmac`: where the signature is. `bearer`: the token."
    )
    prefix: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="What stands before the signature, or token, in the header."
    )
    algorithm: Literal["sha256", "sha512", "sha1"] = Field(
        default="sha256", description="With `hmac`."
    )
    encoding: Literal["hex", "base64"] = Field(default="hex", description="With `hmac`.")
    timestamp_header: HeaderName | None = Field(
        default=None, description="With `hmac`: when it was signed; seconds since 1970."
    )
    signed: Annotated[str, Field(max_length=200)] | None = Field(
        default=None,
        description="With `hmac`: what is signed, of `{body}`, `{timestamp}` and `{id}`. Absent: "
        "`{body}`, and with a `timestamp_header` `{timestamp}.{body}`.",
    )
    id_header: HeaderName | None = Field(
        default=None, description="What names a delivery, when the scheme does not say."
    )
    tolerance: Annotated[Duration, Field(gt=0, le=86_400)] = Field(
        default=300.0, description="How old or new a signature may be."
    )

    @property
    def secrets(self) -> Sequence[str]:
        """The names of the secrets."""
        return tuple(each.removeprefix("secret://") for each in self.secret or ())

    @property
    def content(self) -> str:
        """With `hmac`: what is signed."""
        return self.signed or ("{timestamp}.{body}" if self.timestamp_header else "{body}")

    @model_validator(mode="after")
    def _fits(self) -> WebhookVerify:
        if wrong := self._wrong():
            raise ValueError(wrong)
        return self

    def _wrong(self) -> str | None:
        scheme, given = self.scheme, self.model_fields_set
        if scheme == "none" and self.secret is not None:
            return "with scheme `none` nothing is verified; take `secret` away, or another scheme"
        if scheme != "none" and self.secret is None:
            return f"scheme {scheme!r} needs `secret: secret://NAME`"
        if scheme == "hmac" and self.header is None:
            return "scheme 'hmac' needs `header`, where the signature is"
        for name in given.intersection(_OF_HMAC):
            if scheme != "hmac":
                return f"`{name}` is for scheme 'hmac', not for {scheme!r}"
        for name in given.intersection(("header", "prefix")):
            if scheme not in ("hmac", "bearer"):
                return f"`{name}` is for the schemes 'hmac' and 'bearer', not for {scheme!r}"
        if self.id_header is not None and scheme in _TIMED:
            return f"scheme {scheme!r} names its deliveries itself; take `id_header` away"
        return self._unsigned()

    def _unsigned(self) -> str | None:
        """What the content that is signed lacks, or has without a place."""
        parts = {"timestamp": self.timestamp_header, "id": self.id_header}
        if self.content.count("{body}") != 1:
            return "`signed` has `{body}` in it once"
        for name, header in parts.items():
            if f"{{{name}}}" in self.content and header is None:
                return f"`signed` has {{{name}}} in it; say in `{name}_header` where that is"
        if self.timestamp_header is not None and "{timestamp}" not in self.content:
            return "a time that is not signed proves nothing; put {timestamp} into `signed`"
        return None


class WebhookReply(Model):
    """An answer that waits for what came of it."""

    wait: Annotated[Duration, Field(gt=0, le=60)] = Field(
        description="The result is answered within so long; after that where it will be."
    )


class WebhookTrigger(TriggerSpec):
    """Fired by requests to `POST /hooks/WORKFLOW.ID`."""

    type: Literal["webhook"]
    verify: WebhookVerify = Field(description="How a request proves where it comes from.")
    reply: WebhookReply | None = Field(
        default=None, description="Answer with the result; absent: as soon as it is durable."
    )
    max_size: Annotated[Size, Field(gt=0, le=LARGEST)] = Field(
        default=256_000, description="Of the body; 512kB at most."
    )


class Webhook:
    model = WebhookTrigger

    async def listen(self, trigger: Trigger, spec: TriggerSpec, fire: Fire) -> None:
        """Nothing: requests fire it."""
        del trigger, spec, fire
