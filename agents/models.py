"""Which language model answers: from `ASSAY_MODEL` or a step's `model`, to LangChain's object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..graphs.errors import ConfigurationError

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from langchain_core.language_models import BaseChatModel

    from .answers import AnswerForm

DEMO = "demo"
OPENAI_URL = "https://api.openai.com/v1"
TIMEOUT = 120.0

DEMO_NOTICE = (
    "answered by the built-in demo model: it follows fixed rules and understands nothing; "
    "set OPENAI_API_KEY and ASSAY_MODEL=openai:NAME, or ASSAY_BASE_URL for a local server"
)

_WAYS = (
    "`openai:NAME` (needs OPENAI_API_KEY), NAME with ASSAY_BASE_URL (any OpenAI-compatible "
    "server), or `demo`"
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is configured for all steps.

    `model` is the default (`openai:NAME`, NAME with a `base_url`, `demo`), `base_url` an
    OpenAI-compatible server, `timeout` seconds for one request and for the pause between
    two pieces of a stream.
    """

    model: str = DEMO
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    max_retries: int = 2

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ModelSettings:
        """`ASSAY_MODEL`, `ASSAY_BASE_URL` or `OPENAI_BASE_URL`, `OPENAI_API_KEY`,
        `ASSAY_MODEL_TIMEOUT`, `ASSAY_MODEL_RETRIES`; raises `ConfigurationError`."""
        base_url = environ.get("ASSAY_BASE_URL") or environ.get("OPENAI_BASE_URL") or None
        if base_url is not None and not base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"ASSAY_BASE_URL is {base_url!r}; write an address such as http://localhost:8080/v1"
            )
        return cls(
            model=environ.get("ASSAY_MODEL") or DEMO,
            base_url=base_url,
            api_key=environ.get("OPENAI_API_KEY") or None,
            timeout=_number(environ, "ASSAY_MODEL_TIMEOUT", TIMEOUT),
            max_retries=int(_number(environ, "ASSAY_MODEL_RETRIES", 2)),
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to be asked; `where` says what it is and where, for messages."""

    name: str
    chat: BaseChatModel
    where: str
    demo: bool = False
    openai: bool = False

    def constraint(self, form: AnswerForm, *, tools: bool) -> dict[str, Any]:
        """Settings that bind the answer to its form, as far as the server can.

        Many servers cannot offer tools and constrain the answer at once; with tools the
        form is asked for in words only. For OpenAI it goes into the body as it stands:
        langchain-openai would also demand strict tools and parse the stream by itself.
        """
        if not (self.demo or self.openai) or (tools and not self.demo):
            return {}
        from .answers import strict

        wanted: dict[str, Any] = {"name": "answer", "schema": form.schema}
        if strict(form.schema):
            wanted["strict"] = True
        response_format = {"type": "json_schema", "json_schema": wanted}
        if self.demo:
            return {"response_format": response_format}
        return {"extra_body": {"response_format": response_format}}


def build_model(
    spec: str | None, settings: ModelSettings, *, client: AsyncClient | None = None
) -> Model:
    """The model a step names, else the configured one. `client` carries OpenAI's requests.

    Raises `ConfigurationError` that says what to set.
    """
    name = (spec or settings.model).strip()
    if name == DEMO:
        from .demo.model import DemoModel

        return Model(DEMO, DemoModel(), "built-in demo model", demo=True)
    provider, colon, rest = name.partition(":")
    if colon and provider == "openai":
        if not rest:
            raise ConfigurationError(f"the model {name!r} has no name after the colon; try {_WAYS}")
        return _openai(name, rest, settings, client)
    other = _other(name, provider, rest, settings) if colon else None
    if other is not None:
        return other
    if settings.base_url is not None:
        return _openai(name, name, settings, client)
    raise ConfigurationError(
        f"the model {name!r} cannot be reached: "
        + (f"{provider!r} is no provider" if colon else "it names no provider")
        + f" and ASSAY_BASE_URL is not set; a model is {_WAYS}; other providers of LangChain "
        "work as PROVIDER:NAME once their package is installed"
    )


def _openai(name: str, model: str, settings: ModelSettings, client: AsyncClient | None) -> Model:
    if settings.api_key is None and settings.base_url is None:
        raise ConfigurationError(
            f"the model {name!r} needs a key: set OPENAI_API_KEY, or ASSAY_BASE_URL for a local "
            "server, or ASSAY_MODEL=demo to go on without a model"
        )
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    url = settings.base_url or OPENAI_URL
    chat = ChatOpenAI(
        model=model,
        base_url=url,
        api_key=SecretStr(settings.api_key or "none"),
        timeout=settings.timeout,
        stream_chunk_timeout=settings.timeout,
        max_retries=settings.max_retries,
        stream_usage=True,
        http_async_client=client,
    )
    return Model(name, chat, f"model {name!r} at {url}", openai=True)


def _other(name: str, provider: str, rest: str, settings: ModelSettings) -> Model | None:
    """A model of another LangChain package, or None when the prefix names no provider."""
    from langchain.chat_models import init_chat_model

    try:
        chat = init_chat_model(
            rest,
            model_provider=provider,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
        )
    except ImportError as error:
        raise ConfigurationError(
            f"the model {name!r} needs a package that is not installed ({error}); install it, "
            f"or use {_WAYS}"
        ) from error
    except ValueError as error:
        if "model_provider" in str(error) or "Unsupported provider" in str(error):
            return None
        raise ConfigurationError(f"the model {name!r} cannot be set up: {error}") from error
    except Exception as error:  # whatever a provider's package objects to: keys, options
        raise ConfigurationError(f"the model {name!r} cannot be set up: {error}") from error
    return Model(name, chat, f"model {name!r}")


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise ConfigurationError(f"{name} is {text!r}; write a number, such as {default:g}")
    return value
