"""Live classification of a growing stroke over a WebSocket.

OpenAPI does not describe WebSockets. A client sends ``{"id", "stroke", "done"}``, where ``id`` is a
whole number of its choice, and receives a verdict with that ``id``, or ``{"id", "error"}``. Of the
requests that arrive while another is being answered, only the newest is kept.
"""

import asyncio
import json
import logging

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette.status import WS_1013_TRY_AGAIN_LATER

from egem.apps.web.errors import ApiError, internal_error, validation_error
from egem.apps.web.models.recognition import classify
from egem.apps.web.requests import LiveRequest
from egem.apps.web.workers import Workers
from egem.apps.web.workspace import Workspace, workspace_of

log = logging.getLogger(__name__)
router = APIRouter()

MAX_SOCKETS = 128  # of all browsers


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Classify a growing stroke until the browser disconnects."""
    sockets: set[WebSocket] = socket.app.state.sockets
    if len(sockets) >= MAX_SOCKETS:
        await socket.close(WS_1013_TRY_AGAIN_LATER)
        return
    sockets.add(socket)
    tasks = []
    try:
        await socket.accept()
        workspace, _ = workspace_of(socket)
        newest: asyncio.Queue[str] = asyncio.Queue(1)
        tasks = [
            asyncio.create_task(_listen(socket, newest)),
            asyncio.create_task(_answer_all(socket, newest, workspace)),
        ]
        await asyncio.gather(*tasks)
    except (WebSocketDisconnect, RuntimeError):  # the browser has disconnected
        pass
    finally:
        sockets.discard(socket)
        for task in tasks:
            task.cancel()


async def _listen(socket: WebSocket, newest: asyncio.Queue[str]) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if newest.full():
            newest.get_nowait()
        newest.put_nowait(message.get("text") or "")


async def _answer_all(socket: WebSocket, newest: asyncio.Queue[str], workspace: Workspace) -> None:
    workers: Workers = socket.app.state.workers
    while True:
        text = await newest.get()
        try:
            request = LiveRequest.model_validate_json(text)
            snapshot = await workspace.snapshot()
            verdict = await workers.quick(classify, snapshot, request.stroke, request.done)
            answer = f'{{"id":{request.id},{verdict.model_dump_json()[1:]}'
        except ValidationError as error:
            answer = _error(text, validation_error(error.errors()))
        except ApiError as error:
            answer = _error(text, error)
        except Exception as error:
            log.exception("a stroke cannot be classified")
            answer = _error(text, internal_error(error))
        await socket.send_text(answer)


def _error(text: str, error: ApiError) -> str:
    """Return the error response to a request, with its id if it has one."""
    try:
        number = json.loads(text)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        number = None
    return json.dumps({"id": number if isinstance(number, int) else None, **error.as_json()})
