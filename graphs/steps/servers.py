"""Servers of the Model Context Protocol, as agentic steps name them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ..step import LAX, Duration, Model
from ..thinking import ToolServer


class McpServer(Model):
    """A server whose tools an agent may call, as `name__tool`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*(_[A-Za-z0-9-]+)*$", max_length=30)]
    command: Annotated[tuple[str, ...], LAX, Field(min_length=1)] | None = Field(
        default=None, description="The program and its arguments; started in the workspace."
    )
    env: dict[str, str] = Field(
        default={}, description="Variables of the program; here a secret can stand."
    )
    url: str | None = Field(default=None, description="Where a server is that runs already.")
    headers: dict[str, str] = Field(
        default={}, description="Headers of each request; here a secret can stand."
    )
    allow: Annotated[list[str], Field(min_length=1)] = Field(
        description="Its tools that may be called; `*` stands for all of them."
    )
    timeout: Duration = Field(default=60.0, description="For one call.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a server has either a `command` or a `url`")
        if self.command is None and self.env:
            raise ValueError("`env` goes with `command`")
        if self.url is None and self.headers:
            raise ValueError("`headers` go with `url`")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.url!r} is not a web address; begin with http:// or https://")
        for text in (*(self.command or ()), self.url or ""):
            if "{{" in text or "${" in text:
                raise ValueError(f"nothing is filled into {text!r}; write it as it is")
        for text in (*self.env.values(), *self.headers.values()):
            if "{{" in text or "${" in text:
                raise ValueError("only a secret can be filled in here, and so: secret://name")
        return self

    def server(self) -> ToolServer:
        return ToolServer(
            self.name,
            tuple(self.allow),
            self.timeout,
            self.command,
            self.env,
            self.url,
            self.headers,
        )


def _apart(servers: tuple[McpServer, ...]) -> tuple[McpServer, ...]:
    names = [server.name for server in servers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two servers are called {name!r}")
    return servers


McpServers = Annotated[tuple[McpServer, ...], LAX, AfterValidator(_apart)]
