"""Live classification of a growing stroke over a WebSocket.

OpenAPI does not describe WebSockets. A client sends ``{"id", "stroke", "done"}``, where ``id`` is a
whole number of its choice, and receives a verdict with that ``id``, or ``{"id", "error"}``. Of the
requests that arrive while another is being answered, only the newest is kept.
"""

import asyncio

from fastapi import APIRouter, WebSocket

from egem.apps.web.models.recognition import classify
from egem.apps.web.requests import LiveRequest
from egem.apps.web.sockets import answered, received, serve_socket
from egem.apps.web.workers import Workers
from egem.apps.web.workspace import Workspace

router = APIRouter()


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Classify a growing stroke until the browser disconnects."""
    await serve_socket(socket, _talk)


async def _talk(socket: WebSocket, workspace: Workspace) -> None:
    newest: asyncio.Queue[str] = asyncio.Queue(1)
    tasks = [
        asyncio.create_task(_listen(socket, newest)),
        asyncio.create_task(_answer_all(socket, newest, workspace)),
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _listen(socket: WebSocket, newest: asyncio.Queue[str]) -> None:
    while True:
        text = await received(socket)
        if newest.full():
            newest.get_nowait()
        newest.put_nowait(text)


async def _answer_all(socket: WebSocket, newest: asyncio.Queue[str], workspace: Workspace) -> None:
    workers: Workers = socket.app.state.workers

    async def answer(text: str) -> str:
        request = LiveRequest.model_validate_json(text)
        snapshot = await workspace.snapshot()
        verdict = await workers.quick(classify, snapshot, request.stroke, request.done)
        return f'{{"id":{request.id},{verdict.model_dump_json()[1:]}'

    while True:
        await socket.send_text(await answered(await newest.get(), answer))
