"""What LangChain and the model's server raise, said in our errors."""

from __future__ import annotations

import asyncio

from langchain_core import exceptions as langchain

from ..graphs.errors import AssayError, ConfigurationError, LimitReached, ModelFailed
from .models import Model

_TEXT_LIMIT = 600
_INVALID = (400, 422)


def translated(error: Exception, model: Model) -> AssayError:
    """The error to raise instead; one of ours stays as it is."""
    if isinstance(error, AssayError):
        return error
    said = _said(error)
    match error:
        case langchain.ContextOverflowError():
            return LimitReached(
                f"the prompt is too long for the {model.where}: {said}; "
                "shorten the prompt or its inputs"
            )
        case langchain.ModelAuthenticationError() | langchain.ModelPermissionDeniedError():
            return ConfigurationError(
                f"the {model.where} refused the key: {said}; check OPENAI_API_KEY"
            )
        case langchain.ModelNotFoundError():
            return ConfigurationError(
                f"the {model.where} was not found: {said}; check the name of the model and the "
                "address, which usually ends in /v1"
            )
        case langchain.ModelRateLimitError():
            return ModelFailed(
                f"the {model.where} refused for now: {said}; try later, lower the concurrency, "
                "or raise the quota"
            )
        case langchain.ModelTimeoutError() | asyncio.TimeoutError():
            return ModelFailed(
                f"the {model.where} did not answer in time; raise ASSAY_MODEL_TIMEOUT (seconds), "
                "or choose a faster model"
            )
        case langchain.ModelConnectionError():
            return ModelFailed(
                f"the {model.where} could not be reached, or stopped in the middle: {said}; "
                "check the address and that the server runs"
            )
        case langchain.ModelAPIError():
            return ModelFailed(f"the {model.where} failed: {said}; try later or look at its log")
    if getattr(error, "status_code", None) in _INVALID:
        return ConfigurationError(f"the {model.where} refused the request: {said}")
    return ModelFailed(
        f"the {model.where} gave what cannot be used: {type(error).__name__}: {said}"
    )


def refuses_form(error: Exception) -> bool:
    """Whether a server objects to a request that constrains the answer's form."""
    if isinstance(error, langchain.ContextOverflowError):
        return False
    status = getattr(error, "status_code", None)
    if status in _INVALID:
        return True
    words = ("response_format", "json_schema", "grammar")
    return status is not None and any(word in str(error).lower() for word in words)


def _said(error: Exception) -> str:
    """The server's own words where it gave some."""
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    cause = error.__cause__.__cause__ if error.__cause__ is not None else None
    told = str(text or error).strip() or type(error).__name__
    if cause is not None and str(cause) and told == "Connection error.":
        told = str(cause)
    status = getattr(error, "status_code", None)
    shown = told if len(told) <= _TEXT_LIMIT else told[:_TEXT_LIMIT] + "…"
    return f"HTTP {status}, {shown}" if status and str(status) not in shown else shown
