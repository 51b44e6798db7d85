"""What this process has done, in the text format of Prometheus."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from ...graphs.event import EventType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ...graphs.manager import Manager
    from ..app import App

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUSES = {
    EventType.EXECUTION_STARTED: "started",
    EventType.EXECUTION_WAITING: "waiting",
    EventType.EXECUTION_COMPLETED: "completed",
    EventType.EXECUTION_FAILED: "failed",
    EventType.EXECUTION_CANCELLED: "cancelled",
}


class Metrics:
    """Counts requests, and what became of the executions that this process drives."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0
        self._executions: Counter[str] = Counter()

    def answered(self, method: str, status: int, seconds: float) -> None:
        self._requests[method if method in _METHODS else "other", status] += 1
        self._within[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    async def listen(self, manager: Manager) -> None:
        """Count what becomes of executions, for ever."""
        async for event in manager.follow(own=True):
            if event.type in _STATUSES:
                self._executions[_STATUSES[event.type]] += 1

    def text(self, apps: Sequence[App]) -> str:
        return "\n".join((*self._of_executions(apps), *self._of_requests(), ""))

    def _of_executions(self, apps: Sequence[App]) -> Iterator[str]:
        yield from _family("assay_executions_total", "counter", "Executions that came to be so")
        for status in _STATUSES.values():
            yield f'assay_executions_total{{status="{status}"}} {self._executions[status]}'
        running = sum(app.provider.busy for app in apps)
        yield from _family("assay_executions_running", "gauge", "Executions that run here now")
        yield f"assay_executions_running {running}"
        yield from _family("assay_executions_taken_total", "counter", "Executions taken up here")
        yield f"assay_executions_taken_total {sum(app.provider.begun for app in apps)}"
        yield from _family("assay_draining", "gauge", "Whether nothing more is taken up here")
        yield f"assay_draining {int(any(app.provider.draining for app in apps))}"

    def _of_requests(self) -> Iterator[str]:
        yield from _family("assay_http_requests_total", "counter", "Requests that were answered")
        for (method, status), count in sorted(self._requests.items()):
            labels = f'method="{method}",status="{status}"'
            yield f"assay_http_requests_total{{{labels}}} {count}"
        name = "assay_http_request_seconds"
        yield from _family(name, "histogram", "Seconds until the beginning of an answer")
        total = 0
        for bound, count in zip((*_BOUNDS, "+Inf"), self._within, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {total}"


class Measured:
    """Counts every request, however it is answered."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        since, told = time.perf_counter(), False

        async def count(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                told = True
                seconds = time.perf_counter() - since
                self._metrics.answered(scope["method"], message["status"], seconds)
            await send(message)

        try:
            await self._app(scope, receive, count)
        except Exception:
            if not told:
                self._metrics.answered(scope["method"], 500, time.perf_counter() - since)
            raise


def _family(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}.", f"# TYPE {name} {kind}"
