"""A server of tools, good ones and bad ones; over standard input and output when it is run."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def show(variable: str) -> str:
    """A variable of this program."""
    return os.environ.get(variable, "[unset]")


def folder() -> str:
    """Where it works."""
    return os.getcwd()


def fail() -> str:
    """Fails."""
    raise ToolError("no such thing")


def hang() -> str:
    """Never answers."""
    time.sleep(600)
    return "late"


def die() -> str:
    """Ends the program."""
    sys.stderr.write("out of luck\n")
    sys.stderr.flush()
    os._exit(3)


def rubbish() -> str:
    """Writes what is no message before it answers."""
    sys.__stdout__.write('not a message\n{"jsonrpc": "1"}\n\n')  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]
    return "said"


def much() -> str:
    """Says more than anybody reads."""
    return "x" * 100_000


def flood() -> str:
    """Says more than is listened to."""
    return "x" * 40_000_000


def child() -> str:
    """Leaves a program behind; gives its number, and that of the server."""
    left = subprocess.Popen(["sleep", "600"])
    return f"{left.pid} {os.getpid()}"


def odd() -> str:
    """Has a name that no model may say."""
    return "odd"


def build() -> MCPServer:
    server = MCPServer("box")

    def shrink() -> str:
        """Takes a tool away."""
        server.remove_tool("add")
        return "gone"

    for function in (add, show, folder, fail, hang, die, rubbish, much, flood, child, shrink):
        server.add_tool(function)
    server.add_tool(odd, name="odd.name/with more")
    return server


if __name__ == "__main__":
    build().run("stdio")
