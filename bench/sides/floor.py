"""The least that answers HTTP and keeps every step: bare Starlette over a LangGraph graph.

`python -m sides.floor FOLDER` prints its port. `POST /runs/{steps}` answers when the graph has
ended; with `?stream` it tells each step as a server-sent event; `/idle` tells nothing, for ever.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import orjson
import uvicorn
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .reference import chain, zero

STEPS = (1, 10)


async def serve(folder: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "floor.db")) as saver:
        await saver.setup()
        graphs = {steps: chain(steps).compile(checkpointer=saver) for steps in STEPS}

        async def run(request: Request) -> Response:
            graph = graphs[request.path_params["steps"]]
            config: RunnableConfig = {"configurable": {"thread_id": str(uuid4())}}

            async def told() -> AsyncIterator[bytes]:
                updates = graph.astream(zero(), config, durability="sync", stream_mode="updates")
                async for update in updates:
                    yield b"data: " + orjson.dumps(update) + b"\n\n"

            if "stream" in request.query_params:
                return StreamingResponse(told(), media_type="text/event-stream")
            ended = await graph.ainvoke(zero(), config, durability="sync")
            return Response(orjson.dumps(ended), 201, media_type="application/json")

        async def idle(_: Request) -> Response:
            async def told() -> AsyncIterator[bytes]:
                yield b": here\n\n"
                await asyncio.Event().wait()

            return StreamingResponse(told(), media_type="text/event-stream")

        routes = [Route("/runs/{steps:int}", run, methods=["POST"]), Route("/idle", idle)]
        await _answer(Starlette(routes=routes))


async def _answer(app: Starlette) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    await uvicorn.Server(config).serve([listening])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
