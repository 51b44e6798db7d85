"""The skills that come with Assay: named deterministic functions an author may call."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from .errors import HttpFailed, Terminal
from .event import EventType
from .expressions import text_of
from .files import inside, opened, put
from .registry import Registry
from .steps.deterministic import current_call
from .steps.http import fetch, header, read_body

FILE_LIMIT = 16 * 1024 * 1024


def echo(message: Any = None) -> Any:
    """Give back `message`."""
    return message


async def http_get(url: str, headers: dict[str, Any] | None = None) -> Any:
    """The body of a GET request, parsed when it is JSON."""
    return await _request("GET", url, headers, None)


async def http_post(url: str, body: Any = None, headers: dict[str, Any] | None = None) -> Any:
    """The body of a POST request's answer; `body` is sent as JSON unless it is text."""
    return await _request("POST", url, headers, body)


async def _request(method: str, url: str, headers: dict[str, Any] | None, body: Any) -> Any:
    given = {name: header(name, value) for name, value in (headers or {}).items()}
    content = None
    if body is not None:
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
        given.setdefault("content-type", kind)
    answer = await fetch(method, url, headers=given, content=content)
    if not answer.is_success:
        raise HttpFailed(f"{method} {url} answered {answer.status_code}")
    return read_body(answer, None)


def json_parse(data: Any) -> Any:
    """Text as JSON; a value that is parsed already is given back."""
    if not isinstance(data, str):
        return data
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Terminal(f"`data` is not JSON: {error}") from error


def json_format(data: Any, indent: bool = True) -> str:
    """A value as JSON text."""
    return json.dumps(data, indent=2 if indent else None, ensure_ascii=False, sort_keys=True)


def file_exists(path: str) -> bool:
    """Whether the workspace has the file or folder."""
    return _path(path).exists()


async def file_read(path: str) -> str:
    """The text of a file of the workspace."""
    return (await _content(path)).decode(errors="replace")


async def file_write(path: str, content: Any) -> dict[str, Any]:
    """Write text (anything else as JSON) to a file of the workspace."""
    workspace = _workspace(path)
    text = content if isinstance(content, str) else json_format(content) + "\n"
    data = text.encode()
    try:
        await asyncio.to_thread(put, workspace, path, data)
    except OSError as error:
        raise Terminal(f"the file {path!r} cannot be written: {error.strerror}") from error
    return {"path": path, "bytes": len(data)}


def file_list(path: str = ".", pattern: str = "*") -> list[str]:
    """The files of a folder of the workspace that match, sorted; none that a link leads out to."""
    root, folder = _path("."), _path(path)
    try:
        if ".." in Path(pattern).parts:
            raise ValueError("it leads out of the folder")
        found = [*folder.glob(pattern)]
    except (NotImplementedError, TypeError, ValueError) as error:
        raise Terminal(
            f"{pattern!r} is no pattern of files below {path!r}: {error}; write one such as '*.txt'"
        ) from error
    files = (f for f in found if f.is_file() and f.resolve().is_relative_to(root))
    return sorted(str(f.relative_to(root)) for f in files)


async def process_file(path: str | None = None) -> dict[str, Any]:
    """What a file is: size, lines, words, SHA-256. Without a path: nothing to do."""
    if path is None:
        return {"processed": False}
    data = await _content(path, most=-1)
    return {
        "processed": True,
        "path": path,
        "bytes": len(data),
        "lines": data.count(b"\n"),
        "words": len(data.split()),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


async def log(message: Any = "", level: str = "info") -> dict[str, Any]:
    """Say something in the execution's live output."""
    text = text_of(message)
    current_call().emit(EventType.OUTPUT, stream="stderr", text=f"{level}: {text}\n", level=level)
    return {"level": level, "message": text}


async def log_error(message: Any = "an error was logged") -> dict[str, Any]:
    """Say that something went wrong; the step itself completes."""
    return await log(message, "error")


def text_match(text: str, pattern: str) -> dict[str, Any]:
    """Whether the text holds the literal `pattern`, how often, and in which lines."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if pattern in line]
    return {"matched": bool(lines), "count": text.count(pattern), "lines": lines}


def text_template(template: str, values: dict[str, Any] | None = None) -> str:
    """The template with every `${name}` replaced by the value of that name."""
    given = values or {}

    def fill(found: re.Match[str]) -> str:
        if found[1] not in given:
            raise Terminal(f"the template names {found[1]!r}, which `values` does not have")
        return text_of(given[found[1]])

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", fill, template)


def clock() -> str:
    """The time now, UTC, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def wait(seconds: float) -> float:
    """Wait a short while (a minute at most) in the process; not durable."""
    if not 0 <= seconds <= 60:
        raise Terminal(f"`seconds` is {seconds}; it must be from 0 to 60")
    await asyncio.sleep(seconds)
    return seconds


def fail(message: str = "failed on purpose") -> None:
    """Fail: to try out error handling."""
    raise Terminal(message)


def _path(relative: str) -> Path:
    return inside(_workspace(relative), relative)


def _workspace(relative: str) -> Path:
    if not isinstance(relative, str):
        raise Terminal(f"a path is text, not {type(relative).__name__}")
    return current_call().workspace


async def _content(path: str, most: int = FILE_LIMIT) -> bytes:
    workspace = _workspace(path)

    def read() -> bytes:
        with opened(workspace, path) as file:
            if 0 <= most < os.fstat(file.fileno()).st_size:
                raise Terminal(f"the file {path!r} is larger than {most} bytes")
            return file.read(most)

    try:
        return await asyncio.to_thread(read)
    except OSError as error:
        raise Terminal(f"the file {path!r} cannot be read: {error.strerror}") from error


BUILT_IN: dict[str, Callable[..., Any]] = {
    "echo": echo,
    "http-get": http_get,
    "http-post": http_post,
    "json-parse": json_parse,
    "json-format": json_format,
    "file-exists": file_exists,
    "file-read": file_read,
    "file-write": file_write,
    "file-list": file_list,
    "process-file": process_file,
    "log": log,
    "log-error": log_error,
    "text-match": text_match,
    "text-template": text_template,
    "clock": clock,
    "wait": wait,
    "fail": fail,
}


def skills() -> Registry[Callable[..., Any]]:
    """A registry of the built-in skills and of those that plugins bring."""
    return Registry("skill", BUILT_IN, group="assay.skills")
