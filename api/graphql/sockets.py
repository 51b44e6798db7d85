"""Operations over a WebSocket, as graphql-transport-ws has them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.types.execution import ExecutionResult, PreExecutionError

from ...graphs.errors import AssayError, NotAuthenticated, RateLimited
from ..http.asking import desk
from ..listening import HEARTBEAT, STALLED, revoked
from .asking import Asking
from .schema import schema
from .telling import encoded

WELCOME = 10.0
"""Seconds that a client has for its `connection_init`."""

OPERATIONS = 100
"""How many may go on at once on one socket."""

FORBIDDEN, TRY_LATER, RESTARTS = 4403, 1013, 1012


class Adapter(ASGIWebSocketAdapter):
    """Sends to who reads; closes once."""

    spoke = 0.0
    """When something was sent last, on the clock of the loop."""

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        self.following: dict[str, Asking] = {}
        """The operations that go on, by their ids."""

    def places(self) -> str:
        """How far each subscription has come, as JSON."""
        found = {id: each.place for id, each in self.following.items() if each.place is not None}
        return encoded(found).decode()

    async def send_json(self, message: Mapping[str, object]) -> None:
        try:
            async with asyncio.timeout(STALLED):
                await self.ws.send_text(encoded(message).decode())
                self.spoke = asyncio.get_running_loop().time()
        except TimeoutError as error:
            await self.close(TRY_LATER, f"Nothing is read. Go on after {self.places()}")
            raise WebSocketDisconnected from error
        except (WebSocketDisconnect, RuntimeError) as error:
            raise WebSocketDisconnected from error  # closed meanwhile, by whichever side

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            # A frame of control has room for 123 bytes.
            short = reason.encode()[:120].decode(errors="ignore")
            await self.ws.close(code, short)


class Handler(BaseGraphQLTransportWSHandler[Asking, None]):
    """Closes with the protocol's codes: 4400 for what is no message of it, and for nothing else."""

    websocket: Adapter
    beside: tuple[asyncio.Task[None], ...] = ()

    async def handle_message(self, message: Any) -> None:
        if (wrong := misfit(message)) is not None:
            await self.handle_invalid_message(wrong)
            return
        if message.get("payload", 0) is None:
            message = {k: v for k, v in message.items() if k != "payload"}
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        try:
            await super().handle_connection_init(message)
        except AssayError as error:
            await self.websocket.close(TRY_LATER, error.message)
            return
        if self.connection_acknowledged and not self.beside:
            beside = (self._watch(), self._beat(), self._leave())
            self.beside = tuple(asyncio.create_task(each) for each in beside)

    async def _watch(self) -> None:
        error = await revoked(self.context.identify)
        await self.websocket.close(FORBIDDEN, error.message)

    async def _beat(self) -> None:
        """When it is quiet, says so, and how far each subscription has come: where nothing that
        happens is wanted, its cursor goes on all the same."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(max(0.0, self.websocket.spoke + HEARTBEAT - clock()))
            if clock() < self.websocket.spoke + HEARTBEAT:
                continue
            reached = orjson.Fragment(self.websocket.places())
            try:
                await self.websocket.send_json({"type": "ping", "payload": {"after": reached}})
            except WebSocketDisconnected:
                return

    async def _leave(self) -> None:
        farewell = self.context.desk.farewell
        with farewell.listener():
            await farewell.begun()
            ends = f"The server ends. Go on after {self.websocket.places()}"
            await self.websocket.close(RESTARTS, ends)

    async def run_operation(self, operation: Operation[Asking, None]) -> None:
        """From its document to its last result. Each is asked for when the one before it has
        been sent: who reads slowly is waited for."""
        asking = self.websocket.following[operation.id] = self.context.renewed()
        try:
            try:
                await asking.desk.pace.principal(asking.connection, asking.control.asker)
            except RateLimited as error:
                said = GraphQLError(error.message, extensions={"code": error.code})
                await operation.send_initial_errors([said])
                return
            results = await self.schema.stream(
                operation.query,
                variable_values=operation.variables,
                context_value=asking,
                operation_name=operation.operation_name,
            )
            async with aclosing(results):
                async for result in results:
                    if isinstance(result, PreExecutionError):
                        await operation.send_initial_errors(result.errors or [])
                        return
                    assert isinstance(result, ExecutionResult), "there is no `@defer`"
                    await operation.send_next(result)
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except WebSocketDisconnected:
            pass
        finally:
            if self.websocket.following.get(operation.id) is asking:
                del self.websocket.following[operation.id]
            if self.operations.get(operation.id) is operation:
                del self.operations[operation.id]

    async def shutdown(self) -> None:
        for each in self.beside:
            each.cancel()
        await super().shutdown()

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)


class Sockets(GraphQL[Asking, None]):
    """The WebSocket of `/graphql`; HTTP is answered by `requests`."""

    websocket_adapter_class = Adapter
    graphql_transport_ws_handler_class = Handler

    def __init__(self) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=WELCOME),
            max_subscriptions_per_connection=OPERATIONS,
            allowed_origins=("*",),  # whose pages may ask is decided at the door, by `Gate`
        )

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Asking:
        return Asking(desk(request), request, "ws")

    async def on_ws_connect(self, context: Asking) -> Any:
        """Who it is stands in the first message, or in the header of the handshake."""
        context.credential = _credential(context.connection_params or {})
        try:
            asker = await context.identify()
        except NotAuthenticated as error:
            raise ConnectionRejectionError from error
        await context.desk.pace.principal(context.connection, asker)
        context.admit(asker)
        return {}


def _credential(params: Mapping[str, Any]) -> str | None:
    for name in ("apiKey", "Authorization", "authorization"):
        given = params.get(name)
        if isinstance(given, str) and given.strip():
            scheme, _, rest = given.strip().partition(" ")
            return rest.strip() if scheme.lower() == "bearer" else given.strip()
    return None


def misfit(message: Any) -> str | None:
    """What is wrong with a message, by type and form; None when nothing is."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a `type`"
    kind, payload = message["type"], message.get("payload")
    if kind in ("connection_init", "ping", "pong"):
        return None if payload is None or isinstance(payload, dict) else "`payload` is an object"
    if kind not in ("subscribe", "complete"):
        return f"There is no message of type {kind[:50]!r} from a client"
    if not isinstance(message.get("id"), str) or not message["id"]:
        return "`id` is a text that is not empty"
    if kind == "complete":
        return None
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "`payload.query` is a text"
    name = payload.get("operationName")
    if name is not None and not isinstance(name, str):
        return "`payload.operationName` is a text"
    for member in ("variables", "extensions"):
        if payload.get(member) is not None and not isinstance(payload[member], dict):
            return f"`payload.{member}` is an object"
    return None
