"""What one agentic step may do at most."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..choosing import FLOOR
from ..step import Duration, Model


class Guardrails(Model):
    """Bounds of one agentic step."""

    max_iterations: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Turns of the model."
    )
    allowed_tools: list[str] | None = Field(
        default=None, description="No other tool is offered, and none is executed."
    )
    max_tool_calls: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Tool calls in total."
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(default=None, description="In and out.")
    max_usd: Annotated[float, Field(gt=0)] | None = Field(default=None, description="US dollars.")
    max_context: Annotated[int, Field(ge=1000)] | None = Field(
        default=None,
        description="Tokens of a conversation that the model is sent; earlier ones it summarises.",
    )
    timeout: Duration | None = Field(default=None, description="For one attempt, all in all.")
    min_pass_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=FLOOR,
        description="Of several models the cheapest is asked that is probably good so often.",
    )
    redact: list[Literal["email", "credit_card", "ip", "mac_address", "phone", "url"]] = Field(
        default=[], description="Personal data that the model does not read."
    )
    ask_before: list[str] = Field(
        default=[], description="Tools that are called only after a person said yes."
    )
